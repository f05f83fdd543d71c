//! Runs as lists show them.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::timetable::Partition;
use airlock_store::runs::{RunFilter, RunRow};
use airlock_store::{Page, Paged};
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::Result;
use crate::list::{List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[
    ("id", "run_key"),
    ("dag_id", "dag_id"),
    ("run_id", "run_id"),
    ("dag_run_id", "run_id"),
    ("state", "state"),
    ("logical_date", "logical_date"),
    ("run_after", "run_after"),
    ("queued_at", "queued_at"),
    ("start_date", "started_at"),
    ("end_date", "ended_at"),
    ("updated_at", "updated_at"),
    ("conf", "conf::text"),
    ("duration", "ended_at - started_at"),
    ("run_type", "run_type"),
    ("partition_date", "partition_date"),
    ("partition_date", "partition_date"),
];

pub async fn list(store: &PostgresStore, tenant: TenantId, filter: &RunFilter, page: &Page) -> Result<Paged<RunRow>> {
    let mut list = List::new("FROM dag_runs", "tenant_id", tenant);
    list.equal("dag_id = ?", filter.dag_id.as_deref());
    list.some("dag_id = ANY (?)", filter.dag_ids.as_deref());
    list.like("dag_id", &filter.dag_id_pattern);
    list.like("run_id", &filter.run_id_pattern);
    list.any("state = ANY (?)", filter.states.iter().map(|state| state.as_str()));
    list.any("run_type = ANY (?)", filter.run_types.iter().map(|kind| kind.as_str()));
    list.any_number("dag_version = ANY (?)", &filter.dag_versions);
    list.like("triggering_user", &filter.triggering_user_pattern);
    list.span("logical_date", &filter.logical_date);
    list.span("run_after", &filter.run_after);
    list.span("started_at", &filter.started_at);
    list.span("ended_at", &filter.ended_at);
    list.span("updated_at", &filter.updated_at);
    list.equal("partition_key = ?", filter.partition_key.as_deref());
    list.like("partition_key", &filter.partition_key_pattern);
    list.span("partition_date", &filter.partition_date);
    list.range("extract(epoch FROM ended_at - started_at)", &filter.duration);
    list.like("conf::text", &filter.conf_pattern);
    list.equal(
        "EXISTS (SELECT FROM asset_event_runs c JOIN asset_events e USING (tenant_id, event_id)
             JOIN assets a USING (tenant_id, asset_id)
             WHERE c.tenant_id = dag_runs.tenant_id AND c.run_key = dag_runs.run_key
                 AND position(lower(?) IN lower(a.name || ' ' || a.uri)) > 0)",
        filter.consumed_asset.as_deref(),
    );
    let (rows, total) = list.fetch(&mut *store.snapshot().await?, "*", ORDERS, "run_key", page).await?;
    Ok(Paged { items: rows.iter().map(run_row).collect::<Result<_>>()?, total })
}

pub fn run_row(row: &PgRow) -> Result<RunRow> {
    Ok(RunRow {
        key: RunKey { tenant: TenantId(row.get("tenant_id")?), id: row.get("run_key")? },
        dag_id: row.get("dag_id")?,
        run_id: row.get("run_id")?,
        run_type: row.name("run_type")?,
        state: row.name("state")?,
        dag_version: row.number("dag_version")?,
        logical_date: row.get("logical_date")?,
        data_interval: row.interval("interval_start", "interval_end")?,
        run_after: row.get("run_after")?,
        queued_at: row.get("queued_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        last_scheduling_decision: row.get("last_scheduling_decision")?,
        conf: row.json("conf")?,
        note: row.get("note")?,
        triggered_by: row.name("triggered_by")?,
        triggering_user: row.get("triggering_user")?,
        clear_number: row.number("clear_number")?,
        backfill: match row.get("backfill_id")? {
            Some(id) => Some((id, row.number("backfill_ordinal")?)),
            None => None,
        },
        partition: match row.get::<Option<String>>("partition_key")? {
            Some(key) => Some(Partition { key, date: row.get("partition_date")? }),
            None => None,
        },
        epoch: row.get("epoch")?,
    })
}
