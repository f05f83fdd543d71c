//! Deadlines are missed.

use airlock_store::callbacks::NewCallback;
use airlock_store::deadlines::DeadlineRow;
use chrono::{DateTime, Utc};

use super::read::{columns, deadline_row, tables};
use crate::PostgresStore;
use crate::callbacks::insert;
use crate::error::Result;

pub async fn overdue(store: &PostgresStore, now: DateTime<Utc>, limit: u32) -> Result<Vec<DeadlineRow>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " ",
        tables!(),
        " WHERE NOT d.missed AND d.deadline_time < $1 ORDER BY d.deadline_time LIMIT $2"
    ))
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(&mut *store.connection().await?)
    .await?;
    rows.iter().map(deadline_row).collect()
}

pub async fn miss(
    store: &PostgresStore,
    deadline: &DeadlineRow,
    callback: &NewCallback,
    now: DateTime<Utc>,
) -> Result<bool> {
    let mut transaction = store.begin().await?;
    let missed = sqlx::query(
        "UPDATE deadlines SET missed = true, updated_at = $4
         WHERE tenant_id = $1 AND run_key = $2 AND place = $3 AND NOT missed AND deadline_time = $5 AND dag_version = $6",
    )
    .bind(deadline.run.tenant.0)
    .bind(deadline.run.id)
    .bind(i64::from(deadline.place))
    .bind(now)
    .bind(deadline.deadline_time)
    .bind(i64::from(deadline.dag_version))
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
