//! Deadlines come with their run, and go with its end.

use airlock_core::callback::{DeadlineFacts, deadline_time};
use airlock_core::dag::{DeadlineReference, Seconds};
use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::RunState;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use crate::error::Result;
use crate::row::{Columns, micros};

/// What a deadline is reckoned by, of a run.
struct Run {
    key: RunKey,
    dag_id: String,
    version: u32,
    queued_at: DateTime<Utc>,
    logical_date: Option<DateTime<Utc>>,
}

/// Sets the deadlines of runs that have just been made.
pub async fn set(connection: &mut SqliteConnection, run: RunKey) -> Result<()> {
    for run in read(connection, &json!([[run.tenant.0, run.id]])).await? {
        set_one(connection, &run, |_| true).await?;
    }
    Ok(())
}

/// Runs have ended: the deadlines that they have met go. Runs are queued again: what is reckoned from that moment is another, unless
/// it has been missed, for a deadline is missed once.
pub async fn follow(connection: &mut SqliteConnection, states: &[(RunKey, RunState)]) -> Result<()> {
    let named = |is_meant: fn(RunState) -> bool| -> Value {
        let meant = states.iter().filter(|(_, state)| is_meant(*state));
        meant.map(|(key, _)| json!([key.tenant.0, key.id])).collect()
    };
    if states.iter().any(|(_, state)| state.is_finished()) {
        sqlx::query(
            "DELETE FROM deadlines WHERE (tenant_id, run_key, place) IN (
                 SELECT d.tenant_id, d.run_key, d.place FROM json_each(?1) n
                 CROSS JOIN deadlines d ON d.tenant_id = n.value ->> 0 AND d.run_key = n.value ->> 1
                 CROSS JOIN dag_runs r ON r.tenant_id = d.tenant_id AND r.run_key = d.run_key
                 WHERE d.missed = 0 AND d.deadline_time >= r.ended_at)",
        )
        .bind(named(RunState::is_finished).to_string())
        .execute(&mut *connection)
        .await?;
    }
    if states.iter().any(|(_, state)| *state == RunState::Queued) {
        for run in read(connection, &named(|state| state == RunState::Queued)).await? {
            set_one(connection, &run, |reference| *reference == DeadlineReference::DagrunQueuedAt).await?;
        }
    }
    Ok(())
}

/// Only of those whose DAG version sets any.
async fn read(connection: &mut SqliteConnection, names: &Value) -> Result<Vec<Run>> {
    let rows = sqlx::query(
        "SELECT r.tenant_id, r.run_key, r.dag_id, r.dag_version, r.queued_at, r.logical_date
         FROM json_each(?1) n CROSS JOIN dag_runs r ON r.tenant_id = n.value ->> 0 AND r.run_key = n.value ->> 1
         WHERE EXISTS (SELECT 1 FROM deadline_alerts a
                       WHERE a.tenant_id = r.tenant_id AND a.dag_id = r.dag_id AND a.version = r.dag_version)",
    )
    .bind(names.to_string())
    .fetch_all(connection)
    .await?;
    let run = |row: &SqliteRow| {
        Ok(Run {
            key: RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? },
            dag_id: row.text("dag_id")?,
            version: row.number("dag_version")?,
            queued_at: row.instant("queued_at")?,
            logical_date: row.optional_instant("logical_date")?,
        })
    };
    rows.iter().map(run).collect()
}

async fn set_one(
    connection: &mut SqliteConnection,
    run: &Run,
    is_meant: impl Fn(&DeadlineReference) -> bool,
) -> Result<()> {
    let alerts = sqlx::query(
        "SELECT place, reference, interval FROM deadline_alerts
         WHERE tenant_id = ?1 AND dag_id = ?2 AND version = ?3 ORDER BY place",
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
        if let Some(deadline) = deadline_time(&reference, Seconds(alert.try_get("interval")?), facts) {
            write(connection, run, alert.integer("place")?, deadline).await?;
        }
    }
    Ok(())
}

/// How long the DAG's newest runs took that have ended.
async fn durations(connection: &mut SqliteConnection, run: &Run, limit: u32) -> Result<Vec<TimeDelta>> {
    let rows: Vec<i64> = sqlx::query_scalar(
        "SELECT ended_at - started_at FROM dag_runs
         WHERE tenant_id = ?1 AND dag_id = ?2 AND ended_at IS NOT NULL AND started_at IS NOT NULL
         ORDER BY logical_date DESC NULLS LAST, run_key DESC LIMIT ?3",
    )
    .bind(run.key.tenant.0)
    .bind(&run.dag_id)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(TimeDelta::microseconds).collect())
}

async fn write(connection: &mut SqliteConnection, run: &Run, place: i64, deadline: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "INSERT INTO deadlines (tenant_id, run_key, place, deadline_id, dag_version, deadline_time, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
         ON CONFLICT DO UPDATE SET dag_version = excluded.dag_version, deadline_time = excluded.deadline_time,
             updated_at = excluded.updated_at
         WHERE deadlines.missed = 0",
    )
    .bind(run.key.tenant.0)
    .bind(run.key.id)
    .bind(place)
    .bind(Uuid::now_v7())
    .bind(run.version)
    .bind(micros(deadline))
    .bind(micros(run.queued_at))
    .execute(connection)
    .await?;
    Ok(())
}
