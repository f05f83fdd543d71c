//! Deadlines are missed.

use airlock_store::callbacks::NewCallback;
use airlock_store::deadlines::DeadlineRow;
use chrono::{DateTime, Utc};

use super::read::{columns, deadline_row, tables};
use crate::callbacks::insert;
use crate::error::Result;
use crate::row::micros;
use crate::{SqliteStore, begin};

pub async fn overdue(store: &SqliteStore, now: DateTime<Utc>, limit: u32) -> Result<Vec<DeadlineRow>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " ",
        tables!(),
        " WHERE d.missed = 0 AND d.deadline_time < ?1 ORDER BY d.deadline_time LIMIT ?2"
    ))
    .bind(micros(now))
    .bind(limit)
    .fetch_all(&mut *store.reader().await)
    .await?;
    rows.iter().map(deadline_row).collect()
}

pub async fn miss(
    store: &SqliteStore,
    deadline: &DeadlineRow,
    callback: &NewCallback,
    now: DateTime<Utc>,
) -> Result<bool> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let missed = sqlx::query(
        "UPDATE deadlines SET missed = 1, updated_at = ?4
         WHERE tenant_id = ?1 AND run_key = ?2 AND place = ?3 AND missed = 0 AND deadline_time = ?5 AND dag_version = ?6",
    )
    .bind(deadline.run.tenant.0)
    .bind(deadline.run.id)
    .bind(deadline.place)
    .bind(micros(now))
    .bind(micros(deadline.deadline_time))
    .bind(deadline.dag_version)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if missed == 0 {
        return Ok(false);
    }
    insert(&mut transaction, &[(deadline.run, callback)], Some(deadline.dag_version)).await?;
    transaction.commit().await?;
    Ok(true)
}
