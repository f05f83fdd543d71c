//! Backfills as lists show them.

use airlock_core::id::TenantId;
use airlock_store::backfills::{BackfillRow, SlotRow};
use airlock_store::dags::NextRun;
use airlock_store::{Page, Paged};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::SqliteStore;
use crate::error::Result;
use crate::list::{List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[("id", "backfill_id")];

const SLOT_ORDERS: Orders = &[("ordinal", "s.ordinal")];

pub async fn get(connection: &mut SqliteConnection, tenant: TenantId, id: i64) -> Result<Option<BackfillRow>> {
    let rows = sqlx::query("SELECT * FROM backfills WHERE tenant_id = ?1 AND backfill_id = ?2").bind(tenant.0).bind(id);
    rows.fetch_optional(connection).await?.as_ref().map(backfill_row).transpose()
}

pub async fn list(store: &SqliteStore, tenant: TenantId, dag_id: &str, page: &Page) -> Result<Paged<BackfillRow>> {
    let mut list = List::new("FROM backfills", "tenant_id", tenant);
    list.text("dag_id = ?", dag_id);
    let mut reader = store.reader().await;
    let (rows, total) = list.fetch(&mut *reader.begin().await?, "*", ORDERS, "backfill_id", page).await?;
    Ok(Paged { items: rows.iter().map(backfill_row).collect::<Result<_>>()?, total })
}

pub async fn slots(store: &SqliteStore, tenant: TenantId, id: i64, page: &Page) -> Result<Paged<SlotRow>> {
    let mut list = List::new(
        "FROM backfill_slots s LEFT JOIN dag_runs r ON r.tenant_id = s.tenant_id AND r.run_key = s.run_key",
        "s.tenant_id",
        tenant,
    );
    list.integer("s.backfill_id = ?", id);
    let mut reader = store.reader().await;
    let (rows, total) =
        list.fetch(&mut *reader.begin().await?, "s.*, r.run_id", SLOT_ORDERS, "s.ordinal", page).await?;
    let slot = |row: &SqliteRow| {
        Ok(SlotRow {
            ordinal: row.number("ordinal")?,
            run: slot_run(row)?,
            run_id: row.optional_text("run_id")?,
            reason: row.optional_name("reason")?,
        })
    };
    Ok(Paged { items: rows.iter().map(slot).collect::<Result<_>>()?, total })
}

pub fn slot_run(row: &SqliteRow) -> Result<NextRun> {
    Ok(NextRun {
        run_after: row.instant("run_after")?,
        logical_date: row.optional_instant("logical_date")?,
        data_interval: row.interval("interval_start", "interval_end")?,
    })
}

pub fn backfill_row(row: &SqliteRow) -> Result<BackfillRow> {
    Ok(BackfillRow {
        tenant: TenantId(row.integer("tenant_id")?),
        id: row.integer("backfill_id")?,
        dag_id: row.text("dag_id")?,
        from: row.instant("from_date")?,
        to: row.instant("to_date")?,
        conf: row.optional_json("conf")?,
        is_paused: row.flag("is_paused")?,
        reprocess: row.name("reprocess")?,
        max_active_runs: row.number("max_active_runs")?,
        on_latest_version: row.flag("on_latest_version")?,
        triggering_user: row.optional_text("triggering_user")?,
        created_at: row.instant("created_at")?,
        updated_at: row.instant("updated_at")?,
        completed_at: row.optional_instant("completed_at")?,
    })
}
