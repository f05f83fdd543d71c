//! Runs as lists show them.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::timetable::Partition;
use airlock_store::runs::{RunFilter, RunRow};
use airlock_store::{Page, Paged};
use sqlx::Connection;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
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
    ("conf", "conf"),
    ("duration", "ended_at - started_at"),
    ("run_type", "run_type"),
    ("partition_date", "partition_date"),
    ("partition_date", "partition_date"),
];

pub async fn list(store: &SqliteStore, tenant: TenantId, filter: &RunFilter, page: &Page) -> Result<Paged<RunRow>> {
    let mut list = List::new("FROM dag_runs", "tenant_id", tenant);
    list.equal("dag_id = ?", filter.dag_id.as_deref());
    list.some("dag_id IN (SELECT value FROM json_each(?))", filter.dag_ids.as_deref());
    list.like("dag_id", &filter.dag_id_pattern);
    list.like("run_id", &filter.run_id_pattern);
    list.any("state IN (SELECT value FROM json_each(?))", filter.states.iter().map(|state| state.as_str()));
    list.any("run_type IN (SELECT value FROM json_each(?))", filter.run_types.iter().map(|kind| kind.as_str()));
    list.any("dag_version IN (SELECT value FROM json_each(?))", filter.dag_versions.iter().copied());
    list.like("triggering_user", &filter.triggering_user_pattern);
    list.span("logical_date", &filter.logical_date);
    list.span("run_after", &filter.run_after);
    list.span("started_at", &filter.started_at);
    list.span("ended_at", &filter.ended_at);
    list.span("updated_at", &filter.updated_at);
    list.equal("partition_key = ?", filter.partition_key.as_deref());
    list.like("partition_key", &filter.partition_key_pattern);
    list.span("partition_date", &filter.partition_date);
    list.range("((ended_at - started_at) / 1e6)", &filter.duration);
    list.like("conf", &filter.conf_pattern);
    list.equal(
        "EXISTS (SELECT 1 FROM asset_event_runs c JOIN asset_events e USING (tenant_id, event_id)
             JOIN assets a USING (tenant_id, asset_id)
             WHERE c.tenant_id = dag_runs.tenant_id AND c.run_key = dag_runs.run_key
                 AND instr(lower(a.name || ' ' || a.uri), lower(?)) > 0)",
        filter.consumed_asset.as_deref(),
    );
    let mut reader = store.reader().await;
    let (rows, total) = list.fetch(&mut *reader.begin().await?, "*", ORDERS, "run_key", page).await?;
    Ok(Paged { items: rows.iter().map(run_row).collect::<Result<_>>()?, total })
}

pub fn run_row(row: &SqliteRow) -> Result<RunRow> {
    Ok(RunRow {
        key: RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? },
        dag_id: row.text("dag_id")?,
        run_id: row.text("run_id")?,
        run_type: row.name("run_type")?,
        state: row.name("state")?,
        dag_version: row.number("dag_version")?,
        logical_date: row.optional_instant("logical_date")?,
        data_interval: row.interval("interval_start", "interval_end")?,
        run_after: row.instant("run_after")?,
        queued_at: row.instant("queued_at")?,
        started_at: row.optional_instant("started_at")?,
        ended_at: row.optional_instant("ended_at")?,
        last_scheduling_decision: row.optional_instant("last_scheduling_decision")?,
        conf: row.json("conf")?,
        note: row.optional_text("note")?,
        triggered_by: row.name("triggered_by")?,
        triggering_user: row.optional_text("triggering_user")?,
        clear_number: row.number("clear_number")?,
        backfill: match row.optional_integer("backfill_id")? {
            Some(id) => Some((id, row.number("backfill_ordinal")?)),
            None => None,
        },
        partition: match row.optional_text("partition_key")? {
            Some(key) => Some(Partition { key, date: row.optional_instant("partition_date")? }),
            None => None,
        },
        epoch: row.integer("epoch")?,
    })
}
