//! What a batch changes in the runs themselves.

use std::collections::HashSet;

use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::RunState;
use airlock_store::driving::{Batch, RunChange};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::dags::load::{ChangedDags, refresh};
use crate::deadlines::follow;
use crate::error::Result;
use crate::row::{Columns, micros};
use crate::triggers::topics_of_run;

/// A run's new state and its epoch, if one is asked for.
macro_rules! changed_runs {
    () => {
        "WITH c (tenant_id, run_key, state, at, epoch, dag_version, clears) AS MATERIALIZED (
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
             FROM json_each(?1)
         )
         UPDATE dag_runs AS r
         SET state = coalesce(c.state, r.state), epoch = r.epoch + (c.state IS NOT NULL),
             dag_version = coalesce(c.dag_version, r.dag_version), clear_number = r.clear_number + c.clears,
             updated_at = CASE WHEN c.state IS NULL THEN r.updated_at ELSE c.at END,
             queued_at = CASE c.state WHEN 'queued' THEN c.at ELSE r.queued_at END,
             started_at = CASE c.state WHEN 'queued' THEN NULL WHEN 'running' THEN coalesce(r.started_at, c.at)
                 ELSE r.started_at END,
             ended_at = CASE WHEN c.state IS NULL THEN r.ended_at WHEN c.state IN ('success', 'failed') THEN c.at END"
    };
}

/// The runs of a batch that may be changed.
#[derive(Default)]
pub struct Decided {
    /// Held by the batch's owner, each at the epoch that the batch names.
    pub driven: HashSet<RunKey>,
    /// Of those, the ones whose end somebody waits for.
    pub awaited: HashSet<RunKey>,
}

/// Answers which runs of a batch its owner holds at the epoch that it names, and writes their new states and when they were
/// decided on. It is the first statement of a commit, so that a check of its own is saved, and begins its transaction.
pub async fn decide(connection: &mut SqliteConnection, batch: &Batch) -> Result<Decided> {
    if batch.changes.is_empty() {
        sqlx::query("BEGIN IMMEDIATE").execute(connection).await?;
        return Ok(Decided::default());
    }
    let rows = batch.changes.iter().map(|(key, epoch, change)| row(*key, change, batch.now, Some(*epoch)));
    let rows = rows.collect::<Value>().to_string();
    let rows = sqlx::query(concat!(
        "BEGIN IMMEDIATE; ",
        changed_runs!(),
        ", last_scheduling_decision = ?2
         FROM c CROSS JOIN active_runs a ON a.tenant_id = c.tenant_id AND a.run_key = c.run_key AND a.owner = ?3
         WHERE r.tenant_id = c.tenant_id AND r.run_key = c.run_key AND r.epoch = c.epoch
         RETURNING tenant_id, run_key, dag_id, EXISTS (
             SELECT 1 FROM triggers t
             WHERE t.tenant_id = dag_runs.tenant_id AND t.topic IN (",
        topics_of_run!("dag_runs"),
        ") AND t.ended_at IS NULL) AS is_awaited"
    ))
    .bind(rows)
    .bind(micros(batch.now))
    .bind(batch.owner)
    .fetch_all(&mut *connection)
    .await?;
    let mut decided = Decided::default();
    for row in &rows {
        let key = run_key(row)?;
        decided.driven.insert(key);
        if row.flag("is_awaited")? {
            decided.awaited.insert(key);
        }
    }
    let states = batch.changes.iter().filter(|(key, _, _)| decided.driven.contains(key));
    let states: Vec<_> = states.filter_map(|(key, _, change)| Some((*key, change.run_state?))).collect();
    write_active(connection, &states, &rows).await?;
    Ok(decided)
}

/// Writes the new state of one run, as of `now`.
pub async fn write(
    connection: &mut SqliteConnection,
    key: RunKey,
    change: &RunChange,
    now: DateTime<Utc>,
) -> Result<()> {
    let written = sqlx::query(concat!(
        changed_runs!(),
        " FROM c WHERE r.tenant_id = c.tenant_id AND r.run_key = c.run_key RETURNING tenant_id, run_key, dag_id"
    ))
    .bind(Value::from_iter([row(key, change, now, None)]).to_string())
    .fetch_all(&mut *connection)
    .await?;
    let states: Vec<_> = change.run_state.map(|state| (key, state)).into_iter().collect();
    write_active(connection, &states, &written).await
}

fn row(key: RunKey, change: &RunChange, now: DateTime<Utc>, epoch: Option<i64>) -> Value {
    let at = micros(change.at.unwrap_or(now));
    json!([key.tenant.0, key.id, change.run_state, at, epoch, change.dag_version, change.clears])
}

/// Keeps the invariant of `active_runs`: exactly the queued and running ones are there. A run that is queued again has no owner.
async fn write_active(
    connection: &mut SqliteConnection,
    states: &[(RunKey, RunState)],
    written: &[SqliteRow],
) -> Result<()> {
    if states.is_empty() {
        return Ok(());
    }
    let rows: Value = states.iter().map(|(key, state)| json!([key.tenant.0, key.id, state])).collect();
    sqlx::query(
        "DELETE FROM active_runs WHERE (tenant_id, run_key) IN (
             SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE value ->> 2 IN ('success', 'failed'));
         INSERT INTO active_runs (tenant_id, run_key, dag_id, state, run_after, backfill_id, backfill_ordinal)
         SELECT r.tenant_id, r.run_key, r.dag_id, r.state, r.run_after, b.backfill_id,
             CASE WHEN b.backfill_id IS NOT NULL THEN r.backfill_ordinal END
         FROM json_each(?1) c CROSS JOIN dag_runs r ON r.tenant_id = c.value ->> 0 AND r.run_key = c.value ->> 1
         LEFT JOIN backfills b
             ON b.tenant_id = r.tenant_id AND b.backfill_id = r.backfill_id AND b.completed_at IS NULL
         WHERE c.value ->> 2 IN ('queued', 'running')
         ON CONFLICT DO UPDATE SET state = excluded.state,
             owner = CASE excluded.state WHEN 'running' THEN owner END,
             lease_until = CASE excluded.state WHEN 'running' THEN lease_until ELSE 0 END",
    )
    .bind(rows.to_string())
    .execute(&mut *connection)
    .await?;
    follow(&mut *connection, states).await?;
    let changed: HashSet<RunKey> = states.iter().map(|(key, _)| *key).collect();
    let mut dags = ChangedDags::new();
    for row in written {
        let key = run_key(row)?;
        if changed.contains(&key) {
            dags.insert((key.tenant.0, row.text("dag_id")?));
        }
    }
    refresh(connection, &dags).await
}

fn run_key(row: &SqliteRow) -> Result<RunKey> {
    Ok(RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? })
}
