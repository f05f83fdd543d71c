//! A backfill is made, with its slots.

use airlock_store::StoreError;
use airlock_store::backfills::{BackfillRow, NewBackfill};
use chrono::{DateTime, Utc};

use super::read::backfill_row;
use crate::PostgresStore;
use crate::error::{Failure, Result};

pub async fn create(store: &PostgresStore, new: &NewBackfill<'_>) -> Result<BackfillRow> {
    let mut transaction = store.begin().await?;
    let row = sqlx::query(
        "INSERT INTO backfills (tenant_id, dag_id, from_date, to_date, conf, reprocess, max_active_runs, on_latest_version,
             triggering_user, created_at, updated_at, slots)
         VALUES ($1, $2, $3, $4, $5::json, $6, $7, $8, $9, $10, $10, $11) ON CONFLICT DO NOTHING RETURNING *",
    )
    .bind(new.tenant.0)
    .bind(new.dag_id)
    .bind(new.from)
    .bind(new.to)
    .bind(new.conf.map(serde_json::to_string).transpose()?)
    .bind(new.reprocess.as_str())
    .bind(i64::from(new.max_active_runs))
    .bind(new.on_latest_version)
    .bind(new.triggering_user)
    .bind(new.now)
    .bind(i64::try_from(new.slots.len()).unwrap_or(i64::MAX))
    .fetch_optional(&mut *transaction)
    .await
    .map_err(|error| Failure::from(error).or_missing("DAG", new.dag_id))?;
    let Some(row) = row else {
        return Err(StoreError::Conflict(format!("another backfill of `{}` is not completed yet", new.dag_id)).into());
    };
    let backfill = backfill_row(&row)?;
    let intervals = || new.slots.iter().map(|run| run.data_interval.unzip());
    let (starts, ends): (Vec<Option<DateTime<Utc>>>, Vec<Option<DateTime<Utc>>>) = intervals().unzip();
    sqlx::query(
        "INSERT INTO backfill_slots (tenant_id, backfill_id, ordinal, logical_date, interval_start, interval_end, run_after)
         SELECT $1, $2, place, logical_date, interval_start, interval_end, run_after
         FROM unnest($3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
             WITH ORDINALITY n (logical_date, interval_start, interval_end, run_after, place)",
    )
    .bind(new.tenant.0)
    .bind(backfill.id)
    .bind(new.slots.iter().map(|run| run.logical_date).collect::<Vec<_>>())
    .bind(starts)
    .bind(ends)
    .bind(new.slots.iter().map(|run| run.run_after).collect::<Vec<_>>())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(backfill)
}
