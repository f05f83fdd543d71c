//! A backfill is made, with its slots.

use airlock_store::StoreError;
use airlock_store::backfills::{BackfillRow, NewBackfill};
use serde_json::{Value, json};

use super::read::backfill_row;
use crate::error::{Failure, Result};
use crate::row::{micros, optional_micros};
use crate::{SqliteStore, begin};

pub async fn create(store: &SqliteStore, new: &NewBackfill<'_>) -> Result<BackfillRow> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let row = sqlx::query(
        "INSERT INTO backfills (tenant_id, dag_id, from_date, to_date, conf, reprocess, max_active_runs, on_latest_version,
             triggering_user, created_at, updated_at, slots)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11) ON CONFLICT DO NOTHING RETURNING *",
    )
    .bind(new.tenant.0)
    .bind(new.dag_id)
    .bind(micros(new.from))
    .bind(micros(new.to))
    .bind(new.conf.map(serde_json::to_string).transpose()?)
    .bind(new.reprocess.as_str())
    .bind(new.max_active_runs)
    .bind(new.on_latest_version)
    .bind(new.triggering_user)
    .bind(micros(new.now))
    .bind(i64::try_from(new.slots.len()).unwrap_or(i64::MAX))
    .fetch_optional(&mut *transaction)
    .await
    .map_err(|error| Failure::from(error).or_missing("DAG", new.dag_id))?;
    let Some(row) = row else {
        return Err(StoreError::Conflict(format!("another backfill of `{}` is not completed yet", new.dag_id)).into());
    };
    let backfill = backfill_row(&row)?;
    let slots = new.slots.iter().map(|run| {
        let (start, end) = run.data_interval.unzip();
        json!([optional_micros(run.logical_date), optional_micros(start), optional_micros(end), micros(run.run_after)])
    });
    sqlx::query(
        "INSERT INTO backfill_slots (tenant_id, backfill_id, ordinal, logical_date, interval_start, interval_end, run_after)
         SELECT ?1, ?2, key + 1, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?3)",
    )
    .bind(new.tenant.0)
    .bind(backfill.id)
    .bind(slots.collect::<Value>().to_string())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(backfill)
}
