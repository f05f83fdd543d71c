//! Callbacks as people see them.

use airlock_core::callback::Subject;
use airlock_core::id::RunKey;
use airlock_store::callbacks::CallbackRow;
use airlock_store::{Page, Paged};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::PostgresStore;
use crate::driving::run_key;
use crate::error::Result;
use crate::list::{Bound, List, Orders};
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

pub async fn list(store: &PostgresStore, run: RunKey, page: &Page) -> Result<Paged<CallbackRow>> {
    let mut list = List::new("FROM callbacks", "tenant_id", run.tenant);
    list.condition("run_key = ?", Bound::Integer(run.id));
    let (rows, total) = list.fetch(&mut *store.snapshot().await?, columns!(), ORDERS, "position", page).await?;
    Ok(Paged { items: rows.iter().map(callback_row).collect::<Result<_>>()?, total })
}

pub async fn get(store: &PostgresStore, run: RunKey, id: Uuid) -> Result<Option<CallbackRow>> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM callbacks WHERE tenant_id = $1 AND run_key = $2 AND callback_id = $3"
    ))
    .bind(run.tenant.0)
    .bind(run.id)
    .bind(id)
    .fetch_optional(&mut *store.connection().await?)
    .await?;
    row.as_ref().map(callback_row).transpose()
}

pub fn callback_row(row: &PgRow) -> Result<CallbackRow> {
    Ok(CallbackRow {
        id: row.get("callback_id")?,
        run: run_key(row)?,
        dag_id: row.get("dag_id")?,
        run_id: row.get("run_id")?,
        dag_version: row.number("dag_version")?,
        event: row.name("event")?,
        place: row.number("place")?,
        subject: row.get::<Option<String>>("task_id")?.map(|task_id| subject(row, task_id)).transpose()?,
        about: row.json("about")?,
        queue: row.get("queue")?,
        state: row.name("state")?,
        attempts: row.number("attempts")?,
        hostname: row.get("hostname")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        message: row.get("message")?,
    })
}

fn subject(row: &PgRow, task_id: String) -> Result<Subject> {
    Ok(Subject {
        instance: row.get("instance_id")?,
        task_id,
        map_index: row.get("map_index")?,
        try_number: row.number("try_number")?,
        max_tries: row.number("max_tries")?,
    })
}
