//! A run is made.

use airlock_core::state::RunState;
use airlock_store::StoreError;
use airlock_store::runs::{NewRun, RunRow};
use sqlx::postgres::PgConnection;

use super::read::run_row;
use crate::PostgresStore;
use crate::dags::load::{ChangedDags, refresh};
use crate::deadlines;
use crate::error::Result;

pub async fn create(store: &PostgresStore, run: &NewRun) -> Result<RunRow> {
    let mut transaction = store.begin().await?;
    // The DAG before its run, as everywhere.
    let version: Option<i64> =
        sqlx::query_scalar("SELECT version FROM dags WHERE tenant_id = $1 AND dag_id = $2 FOR NO KEY UPDATE")
            .bind(run.tenant.0)
            .bind(&run.dag_id)
            .fetch_optional(&mut *transaction)
            .await?;
    let version = version.ok_or_else(|| StoreError::NotFound { what: "DAG", key: run.dag_id.clone() })?;
    let row = insert(&mut transaction, run, version, None).await?;
    let row = row.ok_or_else(|| StoreError::AlreadyExists { what: "DAG run", key: taken(run) })?;
    transaction.commit().await?;
    Ok(row)
}

fn taken(run: &NewRun) -> String {
    match run.logical_date {
        Some(date) => format!("{}/{} (or one with the logical date {})", run.dag_id, run.run_id, date.to_rfc3339()),
        None => format!("{}/{}", run.dag_id, run.run_id),
    }
}

/// Adds a queued run of this version, which may have the place of a slot in a backfill; none if its id or its logical date is
/// taken.
pub async fn insert(
    connection: &mut PgConnection,
    run: &NewRun,
    version: i64,
    backfill: Option<(i64, u32)>,
) -> Result<Option<RunRow>> {
    let (backfill_id, backfill_ordinal) = backfill.map(|(id, ordinal)| (id, i64::from(ordinal))).unzip();
    let row = sqlx::query(
        "INSERT INTO dag_runs (tenant_id, dag_id, run_id, run_type, state, dag_version, logical_date, interval_start,
             interval_end, run_after, queued_at, updated_at, conf, note, triggered_by, triggering_user, backfill_id,
             backfill_ordinal, partition_key, partition_date)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12::json, $13, $14, $15, $16, $17, $18, $19)
         ON CONFLICT DO NOTHING RETURNING *",
    )
    .bind(run.tenant.0)
    .bind(&run.dag_id)
    .bind(&run.run_id)
    .bind(run.run_type.as_str())
    .bind(RunState::Queued.as_str())
    .bind(version)
    .bind(run.logical_date)
    .bind(run.data_interval.map(|(start, _)| start))
    .bind(run.data_interval.map(|(_, end)| end))
    .bind(run.run_after)
    .bind(run.now)
    .bind(serde_json::to_string(&run.conf)?)
    .bind(&run.note)
    .bind(run.triggered_by.as_str())
    .bind(&run.triggering_user)
    .bind(backfill_id)
    .bind(backfill_ordinal)
    .bind(run.partition.as_ref().map(|partition| &partition.key))
    .bind(run.partition.as_ref().and_then(|partition| partition.date))
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let row = run_row(&row)?;
    sqlx::query(
        "INSERT INTO active_runs (tenant_id, run_key, dag_id, state, run_after, backfill_id, backfill_ordinal)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.key.tenant.0)
    .bind(row.key.id)
    .bind(&row.dag_id)
    .bind(RunState::Queued.as_str())
    .bind(row.run_after)
    .bind(backfill_id)
    .bind(backfill_ordinal)
    .execute(&mut *connection)
    .await?;
    deadlines::set(&mut *connection, row.key).await?;
    refresh(connection, &ChangedDags::from([(run.tenant.0, run.dag_id.clone())])).await?;
    Ok(Some(row))
}
