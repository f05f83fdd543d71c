//! DAGs as lists show them.

use airlock_core::id::TenantId;
use airlock_store::dags::{DagFilter, DagRow, NextRun};
use airlock_store::{Page, Paged};
use sqlx::postgres::{PgConnection, PgRow};

use super::content::{VersionName, content};
use crate::PostgresStore;
use crate::error::Result;
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

/// What [`dag_row`] reads, up to the `WHERE`.
macro_rules! dag_columns_from {
    () => {
        "SELECT d.*, v.version_id FROM dags d JOIN dag_versions v USING (tenant_id, dag_id, version)"
    };
}
pub(crate) use dag_columns_from as DAG_COLUMNS_FROM;

const ORDERS: Orders = &[
    ("dag_id", "d.dag_id"),
    ("dag_display_name", "d.display_name"),
    ("next_dagrun", "d.next_run_after"),
    ("is_paused", "d.is_paused"),
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
    match row {
        Some(row) => Ok(Some(dag_row(store, connection, &row).await?)),
        None => Ok(None),
    }
}

pub async fn list(store: &PostgresStore, tenant: TenantId, filter: &DagFilter, page: &Page) -> Result<Paged<DagRow>> {
    let mut list =
        List::new("FROM dags d JOIN dag_versions v USING (tenant_id, dag_id, version)", "d.tenant_id", tenant);
    list.like("d.dag_id ILIKE ? ESCAPE ''", filter.dag_id_pattern.as_deref());
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
    let mut snapshot = store.snapshot().await?;
    let (rows, total) = list.fetch(&mut snapshot, "d.*, v.version_id", ORDERS, "d.dag_id", page).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.push(dag_row(store, &mut snapshot, row).await?);
    }
    Ok(Paged { items, total })
}

pub async fn dag_row(store: &PostgresStore, connection: &mut PgConnection, row: &PgRow) -> Result<DagRow> {
    let tenant = TenantId(row.get("tenant_id")?);
    let dag_id: String = row.get("dag_id")?;
    let version = row.number("version")?;
    let version_id = row.get("version_id")?;
    let dag = content(store, connection, VersionName { id: version_id, tenant, dag_id: &dag_id, version }).await?;
    Ok(DagRow {
        tenant,
        dag_id,
        is_paused: row.get("is_paused")?,
        version,
        version_id,
        next_run: next_run(row)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        dag,
    })
}

fn next_run(row: &PgRow) -> Result<Option<NextRun>> {
    let Some(run_after) = row.get("next_run_after")? else { return Ok(None) };
    Ok(Some(NextRun {
        run_after,
        logical_date: row.get("next_logical_date")?,
        data_interval: row.interval("next_start", "next_end")?,
    }))
}
