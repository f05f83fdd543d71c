//! Callbacks as people see them.

use airlock_core::callback::Subject;
use airlock_core::id::{RunKey, TenantId};
use airlock_store::callbacks::CallbackRow;
use airlock_store::{Page, Paged};
use sqlx::Connection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::{Failure, Result};
use crate::list::{List, Orders};
use crate::row::Columns;

/// What [`callback_row`] reads.
macro_rules! columns {
    () => {
        "callback_id, tenant_id, run_key, dag_id, run_id, dag_version, event, place, instance_id, task_id, map_index,
             try_number, max_tries, about, queue, state, attempts, hostname, created_at, started_at, ended_at, message"
    };
}
pub(super) use columns;

const ORDERS: Orders = &[
    ("id", "position"),
    ("created_at", "created_at"),
    ("event", "event"),
    ("state", "state"),
    ("start_date", "started_at"),
    ("end_date", "ended_at"),
];

pub async fn list(store: &SqliteStore, run: RunKey, page: &Page) -> Result<Paged<CallbackRow>> {
    let mut list = List::new("FROM callbacks", "tenant_id", run.tenant);
    list.integer("run_key = ?", run.id);
    let mut reader = store.reader().await;
    let (rows, total) = list.fetch(&mut *reader.begin().await?, columns!(), ORDERS, "position", page).await?;
    Ok(Paged { items: rows.iter().map(callback_row).collect::<Result<_>>()?, total })
}

pub async fn get(store: &SqliteStore, run: RunKey, id: Uuid) -> Result<Option<CallbackRow>> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM callbacks WHERE tenant_id = ?1 AND run_key = ?2 AND callback_id = ?3"
    ))
    .bind(run.tenant.0)
    .bind(run.id)
    .bind(id)
    .fetch_optional(&mut *store.reader().await)
    .await?;
    row.as_ref().map(callback_row).transpose()
}

pub fn callback_row(row: &SqliteRow) -> Result<CallbackRow> {
    Ok(CallbackRow {
        id: row.uuid("callback_id")?,
        run: RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? },
        dag_id: row.text("dag_id")?,
        run_id: row.text("run_id")?,
        dag_version: row.number("dag_version")?,
        event: row.name("event")?,
        place: row.number("place")?,
        subject: row.optional_text("task_id")?.map(|task_id| subject(row, task_id)).transpose()?,
        about: row.json("about")?,
        queue: row.text("queue")?,
        state: row.name("state")?,
        attempts: row.number("attempts")?,
        hostname: row.optional_text("hostname")?,
        created_at: row.instant("created_at")?,
        started_at: row.optional_instant("started_at")?,
        ended_at: row.optional_instant("ended_at")?,
        message: row.optional_text("message")?,
    })
}

fn subject(row: &SqliteRow, task_id: String) -> Result<Subject> {
    let instance = row.optional_bytes("instance_id")?;
    let instance = instance.and_then(|bytes| Uuid::from_slice(&bytes).ok());
    Ok(Subject {
        instance: instance.ok_or_else(|| Failure::damaged("a callback of a task without an instance"))?,
        task_id,
        map_index: row.number("map_index")?,
        try_number: row.number("try_number")?,
        max_tries: row.number("max_tries")?,
    })
}
