//! DAGs as lists show them.

use airlock_core::id::TenantId;
use airlock_store::dags::{DagFilter, DagRow, NextRun};
use airlock_store::{Page, Paged};
use sqlx::postgres::{PgConnection, PgRow};

use super::content::{VersionName, find_content};
use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

/// What [`dag_row`] reads, up to the `WHERE`.
macro_rules! dag_columns_from {
    () => {
        "SELECT d.*, v.version_id FROM dags d JOIN dag_versions v USING (tenant_id, dag_id, version)"
    };
}
pub(crate) use dag_columns_from as DAG_COLUMNS_FROM;

/// A column of a DAG's newest run; null if it has none.
macro_rules! newest_run {
    ($column:literal) => {
        concat!(
            "(SELECT n.",
            $column,
            " FROM dag_runs n WHERE n.tenant_id = d.tenant_id AND n.dag_id = d.dag_id
              ORDER BY n.run_after DESC, n.run_key DESC LIMIT 1)"
        )
    };
}

const ORDERS: Orders = &[
    ("dag_id", "d.dag_id"),
    ("dag_display_name", "d.display_name"),
    ("next_dagrun", "d.next_run_after"),
    ("is_paused", "d.is_paused"),
    ("last_run_state", newest_run!("state")),
    ("last_run_start_date", newest_run!("started_at")),
];

pub async fn get(
    store: &PostgresStore,
    connection: &mut PgConnection,
    tenant: TenantId,
    dag_id: &str,
) -> Result<Option<DagRow>> {
    let row = sqlx::query(concat!(DAG_COLUMNS_FROM!(), " WHERE d.tenant_id = $1 AND d.dag_id = $2"))
        .bind(tenant.0)
        .bind(dag_id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    // Outside of a snapshot the DAG may have been deleted since, and its versions with it.
    find_dag_row(store, connection, &row).await
}

pub async fn list(store: &PostgresStore, tenant: TenantId, filter: &DagFilter, page: &Page) -> Result<Paged<DagRow>> {
    let list = selected(tenant, filter);
    let mut snapshot = store.snapshot().await?;
    let (rows, total) = list.fetch(&mut snapshot, "d.*, v.version_id", ORDERS, "d.dag_id", page).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.push(dag_row(store, &mut snapshot, row).await?);
    }
    Ok(Paged { items, total })
}

fn selected(tenant: TenantId, filter: &DagFilter) -> List {
    let mut list =
        List::new("FROM dags d JOIN dag_versions v USING (tenant_id, dag_id, version)", "d.tenant_id", tenant);
    list.like("d.dag_id", &filter.dag_id_pattern);
    list.some("d.dag_id = ANY (?)", filter.dag_ids.as_deref());
    if filter.match_all_tags {
        for tag in &filter.tags {
            list.condition("? = ANY (d.tags)", Bound::Text(tag.clone()));
        }
    } else {
        let any = "d.tags && ?";
        list.any(any, filter.tags.iter().map(String::as_str));
    }
    list.any("d.owner = ANY (?)", filter.owners.iter().map(String::as_str));
    if let Some(paused) = filter.paused {
        list.condition("d.is_paused = ?", Bound::Flag(paused));
    }
    list.like("d.display_name", &filter.display_name_pattern);
    if let Some((username, favorite)) = &filter.favorite_of {
        let picked = "EXISTS (SELECT FROM dag_favorites f WHERE f.tenant_id = d.tenant_id AND f.dag_id = d.dag_id
                          AND f.username = ?)";
        let others = "NOT EXISTS (SELECT FROM dag_favorites f WHERE f.tenant_id = d.tenant_id AND f.dag_id = d.dag_id
                          AND f.username = ?)";
        list.equal(if *favorite { picked } else { others }, Some(username.as_str()));
    }
    if let Some(scheduled) = filter.has_asset_schedule {
        list.condition(
            "EXISTS (SELECT FROM asset_references f
                          WHERE f.tenant_id = d.tenant_id AND f.dag_id = d.dag_id AND f.role = 'schedule') = ?",
            Bound::Flag(scheduled),
        );
    }
    list.equal(
        "EXISTS (SELECT FROM asset_references f JOIN assets a USING (tenant_id, asset_id)
             WHERE f.tenant_id = d.tenant_id AND f.dag_id = d.dag_id AND f.role = 'schedule'
                 AND position(lower(?) IN lower(a.name || ' ' || a.uri)) > 0)",
        filter.asset_dependency.as_deref(),
    );
    let states = filter.last_run_states.iter().map(|state| state.as_str());
    list.any(concat!(newest_run!("state"), " = ANY (?)"), states);
    list.span(newest_run!("started_at"), &filter.last_run_started_at);
    list.span(newest_run!("ended_at"), &filter.last_run_ended_at);
    list
}

/// As a row of a snapshot, whose version is there.
pub async fn dag_row(store: &PostgresStore, connection: &mut PgConnection, row: &PgRow) -> Result<DagRow> {
    let found = find_dag_row(store, connection, row).await?;
    found.ok_or_else(|| Failure::damaged("a DAG without its version"))
}

/// None if its version is gone.
async fn find_dag_row(store: &PostgresStore, connection: &mut PgConnection, row: &PgRow) -> Result<Option<DagRow>> {
    let (tenant, dag_id) = (TenantId(row.get("tenant_id")?), row.get::<String>("dag_id")?);
    let (version, version_id) = (row.number("version")?, row.get("version_id")?);
    let name = VersionName { id: version_id, tenant, dag_id: &dag_id, version };
    let Some(dag) = find_content(store, connection, name).await? else { return Ok(None) };
    Ok(Some(DagRow {
        tenant,
        dag_id,
        is_paused: row.get("is_paused")?,
        version,
        version_id,
        next_run: next_run(row)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        dag,
    }))
}

fn next_run(row: &PgRow) -> Result<Option<NextRun>> {
    let Some(run_after) = row.get("next_run_after")? else { return Ok(None) };
    Ok(Some(NextRun {
        run_after,
        logical_date: row.get("next_logical_date")?,
        data_interval: row.interval("next_start", "next_end")?,
    }))
}
