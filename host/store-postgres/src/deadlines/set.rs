//! Deadlines come with their run, and go with its end.

use airlock_core::callback::{DeadlineFacts, deadline_time};
use airlock_core::dag::{DeadlineReference, Seconds};
use airlock_core::id::RunKey;
use airlock_core::state::RunState;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use crate::driving::run_key;
use crate::error::Result;
use crate::row::Columns;

/// What a deadline is reckoned by, of a run.
struct Run {
    key: RunKey,
    dag_id: String,
    version: i64,
    queued_at: DateTime<Utc>,
    logical_date: Option<DateTime<Utc>>,
}

/// Sets the deadlines of a run that has just been made.
pub async fn set(connection: &mut PgConnection, run: RunKey) -> Result<()> {
    for run in read(connection, &[run]).await? {
        set_one(connection, &run, |_| true).await?;
    }
    Ok(())
}

/// Runs have ended: the deadlines that they have met go. Runs are queued again: what is reckoned from that moment is another, unless
/// it has been missed, for a deadline is missed once.
pub async fn follow(connection: &mut PgConnection, states: &[(RunKey, RunState)]) -> Result<()> {
    let named = |is_meant: fn(RunState) -> bool| -> Vec<RunKey> {
        states.iter().filter(|(_, state)| is_meant(*state)).map(|(key, _)| *key).collect()
    };
    let ended = named(RunState::is_finished);
    if !ended.is_empty() {
        let (tenants, keys) = unzip(&ended);
        sqlx::query(
            "DELETE FROM deadlines d
             USING unnest($1::bigint[], $2::bigint[]) n (tenant_id, run_key)
             JOIN dag_runs r ON r.tenant_id = n.tenant_id AND r.run_key = n.run_key
             WHERE d.tenant_id = n.tenant_id AND d.run_key = n.run_key AND NOT d.missed AND d.deadline_time >= r.ended_at",
        )
        .bind(tenants)
        .bind(keys)
        .execute(&mut *connection)
        .await?;
    }
    let queued = named(|state| state == RunState::Queued);
    if !queued.is_empty() {
        for run in read(connection, &queued).await? {
            set_one(connection, &run, |reference| *reference == DeadlineReference::DagrunQueuedAt).await?;
        }
    }
    Ok(())
}

fn unzip(runs: &[RunKey]) -> (Vec<i64>, Vec<i64>) {
    runs.iter().map(|key| (key.tenant.0, key.id)).unzip()
}

/// Only of those whose DAG version sets any.
async fn read(connection: &mut PgConnection, runs: &[RunKey]) -> Result<Vec<Run>> {
    let (tenants, keys) = unzip(runs);
    let rows = sqlx::query(
        "SELECT r.tenant_id, r.run_key, r.dag_id, r.dag_version, r.queued_at, r.logical_date
         FROM unnest($1::bigint[], $2::bigint[]) n (tenant_id, run_key) JOIN dag_runs r USING (tenant_id, run_key)
         WHERE EXISTS (SELECT FROM deadline_alerts a
                       WHERE a.tenant_id = r.tenant_id AND a.dag_id = r.dag_id AND a.version = r.dag_version)",
    )
    .bind(tenants)
    .bind(keys)
    .fetch_all(connection)
    .await?;
    let run = |row: &PgRow| {
        Ok(Run {
            key: run_key(row)?,
            dag_id: row.get("dag_id")?,
            version: row.get("dag_version")?,
            queued_at: row.get("queued_at")?,
            logical_date: row.get("logical_date")?,
        })
    };
    rows.iter().map(run).collect()
}

async fn set_one(
    connection: &mut PgConnection,
    run: &Run,
    is_meant: impl Fn(&DeadlineReference) -> bool,
) -> Result<()> {
    let alerts = sqlx::query(
        "SELECT place, reference, interval FROM deadline_alerts
         WHERE tenant_id = $1 AND dag_id = $2 AND version = $3 ORDER BY place",
    )
    .bind(run.key.tenant.0)
    .bind(&run.dag_id)
    .bind(run.version)
    .fetch_all(&mut *connection)
    .await?;
    for alert in &alerts {
        let reference: DeadlineReference = alert.json("reference")?;
        if !is_meant(&reference) {
            continue;
        }
        let durations = match reference {
            DeadlineReference::AverageRuntime { max_runs, .. } => durations(connection, run, max_runs).await?,
            _ => Vec::new(),
        };
        let facts = DeadlineFacts {
            queued_at: run.queued_at,
            logical_date: run.logical_date,
            durations: &durations,
            // A run is queued when it is made.
            now: run.queued_at,
        };
        if let Some(deadline) = deadline_time(&reference, Seconds(alert.get("interval")?), facts) {
            write(connection, run, alert.get("place")?, deadline).await?;
        }
    }
    Ok(())
}

/// How long the DAG's newest runs took that have ended.
async fn durations(connection: &mut PgConnection, run: &Run, limit: u32) -> Result<Vec<TimeDelta>> {
    let rows = sqlx::query(
        "SELECT started_at, ended_at FROM dag_runs
         WHERE tenant_id = $1 AND dag_id = $2 AND ended_at IS NOT NULL AND started_at IS NOT NULL
         ORDER BY logical_date DESC NULLS LAST, run_key DESC LIMIT $3",
    )
    .bind(run.key.tenant.0)
    .bind(&run.dag_id)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    let duration = |row: &PgRow| {
        let (started_at, ended_at): (DateTime<Utc>, DateTime<Utc>) = (row.get("started_at")?, row.get("ended_at")?);
        Ok(ended_at - started_at)
    };
    rows.iter().map(duration).collect()
}

async fn write(connection: &mut PgConnection, run: &Run, place: i64, deadline: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "INSERT INTO deadlines AS d (tenant_id, run_key, place, deadline_id, dag_version, deadline_time, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
         ON CONFLICT (tenant_id, run_key, place) DO UPDATE SET dag_version = excluded.dag_version,
             deadline_time = excluded.deadline_time, updated_at = excluded.updated_at
         WHERE NOT d.missed",
    )
    .bind(run.key.tenant.0)
    .bind(run.key.id)
    .bind(place)
    .bind(Uuid::now_v7())
    .bind(run.version)
    .bind(deadline)
    .bind(run.queued_at)
    .execute(connection)
    .await?;
    Ok(())
}
