//! A run is made.

use airlock_store::StoreError;
use airlock_store::runs::{NewRun, RunRow};
use sqlx::postgres::PgConnection;

use super::read::run_row;
use crate::PostgresStore;
use crate::dags::load::{ChangedDags, refresh};
use crate::deadlines;
use crate::error::Result;
use crate::row::Columns;

pub async fn create(store: &PostgresStore, run: &NewRun) -> Result<RunRow> {
    let mut transaction = store.begin().await?;
    if let Some(row) = insert(&mut transaction, run, None).await? {
        transaction.commit().await?;
        return Ok(row);
    }
    let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM dags WHERE tenant_id = $1 AND dag_id = $2)")
        .bind(run.tenant.0)
        .bind(&run.dag_id)
        .fetch_one(&mut *transaction)
        .await?;
    let error = if is_there {
        StoreError::AlreadyExists { what: "DAG run", key: taken(run) }
    } else {
        StoreError::NotFound { what: "DAG", key: run.dag_id.clone() }
    };
    Err(error.into())
}

fn taken(run: &NewRun) -> String {
    match run.logical_date {
        Some(date) => format!("{}/{} (or one with the logical date {})", run.dag_id, run.run_id, date.to_rfc3339()),
        None => format!("{}/{}", run.dag_id, run.run_id),
    }
}

/// Adds a queued run of the DAG's newest version, which may have the place of a slot in a backfill; none if its id or its logical
/// date is taken, or if the DAG is gone.
pub async fn insert(
    connection: &mut PgConnection,
    run: &NewRun,
    backfill: Option<(i64, u32)>,
) -> Result<Option<RunRow>> {
    let (backfill_id, backfill_ordinal) = backfill.map(|(id, ordinal)| (id, i64::from(ordinal))).unzip();
    // The DAG is locked before its run, as everywhere.
    let row = sqlx::query(
        "WITH d AS MATERIALIZED (
             SELECT version FROM dags WHERE tenant_id = $1 AND dag_id = $2 FOR NO KEY UPDATE
         ), r AS (
             INSERT INTO dag_runs (tenant_id, dag_id, run_id, run_type, state, dag_version, logical_date, interval_start,
                 interval_end, run_after, queued_at, updated_at, conf, note, triggered_by, triggering_user, backfill_id,
                 backfill_ordinal, partition_key, partition_date)
             SELECT $1, $2, $3, $4, 'queued', d.version, $5, $6, $7, $8, $9, $9, $10::json, $11, $12, $13, $14, $15, $16, $17
             FROM d
             ON CONFLICT DO NOTHING RETURNING *
         ), a AS (
             INSERT INTO active_runs (tenant_id, run_key, dag_id, state, run_after, backfill_id, backfill_ordinal)
             SELECT tenant_id, run_key, dag_id, state, run_after, backfill_id, backfill_ordinal FROM r
         )
         SELECT r.*, EXISTS (SELECT FROM deadline_alerts l
             WHERE l.tenant_id = r.tenant_id AND l.dag_id = r.dag_id AND l.version = r.dag_version) AS has_deadlines
         FROM r",
    )
    .bind(run.tenant.0)
    .bind(&run.dag_id)
    .bind(&run.run_id)
    .bind(run.run_type.as_str())
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
    let has_deadlines: bool = row.get("has_deadlines")?;
    let row = run_row(&row)?;
    if has_deadlines {
        deadlines::set(&mut *connection, row.key).await?;
    }
    refresh(connection, &ChangedDags::from([(run.tenant.0, run.dag_id.clone())])).await?;
    Ok(Some(row))
}
