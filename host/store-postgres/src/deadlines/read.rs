//! Deadlines as lists show them.

use airlock_core::id::TenantId;
use airlock_store::deadlines::{DeadlineFilter, DeadlineRow};
use airlock_store::{Page, Paged};
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::driving::run_key;
use crate::error::Result;
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

/// What [`deadline_row`] reads, and where from.
macro_rules! columns {
    () => {
        "d.tenant_id, d.run_key, d.place, d.deadline_id, d.dag_version, d.deadline_time, d.missed, d.created_at,
             d.updated_at, r.dag_id, r.run_id, a.alert_id, a.name"
    };
}
macro_rules! tables {
    () => {
        "FROM deadlines d JOIN dag_runs r ON r.tenant_id = d.tenant_id AND r.run_key = d.run_key
             JOIN deadline_alerts a ON a.tenant_id = d.tenant_id AND a.dag_id = r.dag_id AND a.version = d.dag_version
                 AND a.place = d.place"
    };
}
pub(super) use {columns, tables};

const ORDERS: Orders = &[
    ("id", "d.deadline_id"),
    ("deadline_time", "d.deadline_time"),
    ("created_at", "d.created_at"),
    ("last_updated_at", "d.updated_at"),
    ("missed", "d.missed"),
    ("dag_id", "r.dag_id"),
    ("dag_run_id", "r.run_id"),
    ("alert_name", "a.name"),
];

pub async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    filter: &DeadlineFilter,
    page: &Page,
) -> Result<Paged<DeadlineRow>> {
    let mut list = List::new(tables!(), "d.tenant_id", tenant);
    list.equal("r.dag_id = ?", filter.dag_id.as_deref());
    list.equal("r.run_id = ?", filter.run_id.as_deref());
    if let Some(missed) = filter.missed {
        list.condition("d.missed = ?", Bound::Flag(missed));
    }
    list.span("d.deadline_time", &filter.deadline_time);
    list.span("d.updated_at", &filter.updated_at);
    let default_order = "d.deadline_time, d.run_key, d.place";
    let (rows, total) = list.fetch(&mut *store.snapshot().await?, columns!(), ORDERS, default_order, page).await?;
    Ok(Paged { items: rows.iter().map(deadline_row).collect::<Result<_>>()?, total })
}

pub fn deadline_row(row: &PgRow) -> Result<DeadlineRow> {
    Ok(DeadlineRow {
        id: row.get("deadline_id")?,
        run: run_key(row)?,
        dag_id: row.get("dag_id")?,
        run_id: row.get("run_id")?,
        dag_version: row.number("dag_version")?,
        place: row.number("place")?,
        alert_id: row.get("alert_id")?,
        alert_name: row.get("name")?,
        deadline_time: row.get("deadline_time")?,
        missed: row.get("missed")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
