//! The states of runs that a batch changes.

use airlock_core::id::RunKey;
use airlock_store::driving::RunChange;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;

use crate::dags::load::{ChangedDags, refresh};
use crate::error::Result;
use crate::row::{Columns, micros};

/// Who changes the runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Their scheduler: this is a scheduling decision.
    Scheduler,
    /// A request from outside.
    Request,
}

/// Writes the new states of runs, where there are any, and when their scheduler has last decided. `now` stands in where a
/// change does not say its time.
pub async fn write(
    connection: &mut SqliteConnection,
    changes: &[(RunKey, &RunChange)],
    by: By,
    now: DateTime<Utc>,
) -> Result<()> {
    let any_state = changes.iter().any(|(_, change)| change.run_state.is_some());
    if !any_state && by == By::Request {
        return Ok(());
    }
    let rows: Value = changes
        .iter()
        .map(|(key, change)| json!([key.tenant.0, key.id, change.run_state, micros(change.at.unwrap_or(now))]))
        .collect();
    let rows = rows.to_string();
    let changed = sqlx::query(
        "WITH c (tenant_id, run_key, state, at) AS MATERIALIZED (
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)
         )
         UPDATE dag_runs AS r
         SET state = coalesce(c.state, r.state),
             last_scheduling_decision = coalesce(?2, r.last_scheduling_decision),
             updated_at = CASE WHEN c.state IS NULL THEN r.updated_at ELSE c.at END,
             queued_at = CASE c.state WHEN 'queued' THEN c.at ELSE r.queued_at END,
             started_at = CASE c.state WHEN 'queued' THEN NULL WHEN 'running' THEN coalesce(r.started_at, c.at)
                 ELSE r.started_at END,
             ended_at = CASE WHEN c.state IS NULL THEN r.ended_at WHEN c.state IN ('success', 'failed') THEN c.at END
         FROM c WHERE r.tenant_id = c.tenant_id AND r.run_key = c.run_key
         RETURNING tenant_id, dag_id",
    )
    .bind(&rows)
    .bind((by == By::Scheduler).then(|| micros(now)))
    .fetch_all(&mut *connection)
    .await?;
    if !any_state {
        return Ok(());
    }
    write_active(connection, &rows).await?;
    let dags: ChangedDags =
        changed.iter().map(|row| Ok((row.integer("tenant_id")?, row.text("dag_id")?))).collect::<Result<_>>()?;
    refresh(connection, &dags).await
}

/// Keeps the invariant of `active_runs`: exactly the queued and running ones are there. A run that is queued again has no owner.
async fn write_active(connection: &mut SqliteConnection, rows: &str) -> Result<()> {
    sqlx::query(
        "DELETE FROM active_runs WHERE (tenant_id, run_key) IN (
             SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE value ->> 2 IN ('success', 'failed'))",
    )
    .bind(rows)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO active_runs (tenant_id, run_key, dag_id, state, run_after)
         SELECT r.tenant_id, r.run_key, r.dag_id, r.state, r.run_after
         FROM json_each(?1) c CROSS JOIN dag_runs r ON r.tenant_id = c.value ->> 0 AND r.run_key = c.value ->> 1
         WHERE c.value ->> 2 IN ('queued', 'running')
         ON CONFLICT DO UPDATE SET state = excluded.state,
             owner = CASE excluded.state WHEN 'running' THEN owner END,
             lease_until = CASE excluded.state WHEN 'running' THEN lease_until ELSE 0 END",
    )
    .bind(rows)
    .execute(connection)
    .await?;
    Ok(())
}
