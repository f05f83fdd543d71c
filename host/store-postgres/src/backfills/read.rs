//! Backfills as lists show them.

use airlock_core::id::TenantId;
use airlock_store::backfills::{BackfillRow, SlotRow};
use airlock_store::dags::NextRun;
use airlock_store::{Page, Paged};
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::Result;
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[("id", "backfill_id")];

const SLOT_ORDERS: Orders = &[("ordinal", "s.ordinal")];

pub async fn get(store: &PostgresStore, tenant: TenantId, id: i64) -> Result<Option<BackfillRow>> {
    let rows = sqlx::query("SELECT * FROM backfills WHERE tenant_id = $1 AND backfill_id = $2").bind(tenant.0).bind(id);
    rows.fetch_optional(&mut *store.connection().await?).await?.as_ref().map(backfill_row).transpose()
}

pub async fn list(store: &PostgresStore, tenant: TenantId, dag_id: &str, page: &Page) -> Result<Paged<BackfillRow>> {
    let mut list = List::new("FROM backfills", "tenant_id", tenant);
    list.equal("dag_id = ?", Some(dag_id));
    let (rows, total) = list.fetch(&mut *store.snapshot().await?, "*", ORDERS, "backfill_id", page).await?;
    Ok(Paged { items: rows.iter().map(backfill_row).collect::<Result<_>>()?, total })
}

pub async fn slots(store: &PostgresStore, tenant: TenantId, id: i64, page: &Page) -> Result<Paged<SlotRow>> {
    let mut list = List::new(
        "FROM backfill_slots s LEFT JOIN dag_runs r ON r.tenant_id = s.tenant_id AND r.run_key = s.run_key",
        "s.tenant_id",
        tenant,
    );
    list.condition("s.backfill_id = ?", Bound::Integer(id));
    let (rows, total) =
        list.fetch(&mut *store.snapshot().await?, "s.*, r.run_id", SLOT_ORDERS, "s.ordinal", page).await?;
    let slot = |row: &PgRow| {
        Ok(SlotRow {
            ordinal: row.number("ordinal")?,
            run: slot_run(row)?,
            run_id: row.get("run_id")?,
            reason: row.optional_name("reason")?,
        })
    };
    Ok(Paged { items: rows.iter().map(slot).collect::<Result<_>>()?, total })
}

pub fn slot_run(row: &PgRow) -> Result<NextRun> {
    Ok(NextRun {
        run_after: row.get("run_after")?,
        logical_date: row.get("logical_date")?,
        data_interval: row.interval("interval_start", "interval_end")?,
    })
}

pub fn backfill_row(row: &PgRow) -> Result<BackfillRow> {
    Ok(BackfillRow {
        tenant: TenantId(row.get("tenant_id")?),
        id: row.get("backfill_id")?,
        dag_id: row.get("dag_id")?,
        from: row.get("from_date")?,
        to: row.get("to_date")?,
        conf: row.optional_json("conf")?,
        is_paused: row.get("is_paused")?,
        reprocess: row.name("reprocess")?,
        max_active_runs: row.number("max_active_runs")?,
        on_latest_version: row.get("on_latest_version")?,
        triggering_user: row.get("triggering_user")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        completed_at: row.get("completed_at")?,
    })
}
