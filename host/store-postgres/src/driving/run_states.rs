//! The states of runs that a batch changes.

use airlock_core::id::RunKey;
use airlock_store::driving::RunChange;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use crate::dags::load::{ChangedDags, lock, refresh};
use crate::deadlines::follow;
use crate::error::Result;
use crate::row::Columns;

/// Who changes the runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Their scheduler: this is a scheduling decision.
    Scheduler,
    /// A request from outside.
    Request,
}

/// Locks the DAGs of runs whose state is about to change, before the runs themselves.
pub async fn lock_dags(connection: &mut PgConnection, runs: &[RunKey]) -> Result<()> {
    let (tenants, keys): (Vec<i64>, Vec<i64>) = runs.iter().map(|key| (key.tenant.0, key.id)).unzip();
    if keys.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "SELECT DISTINCT tenant_id, dag_id FROM dag_runs
         JOIN unnest($1::bigint[], $2::bigint[]) n (tenant_id, run_key) USING (tenant_id, run_key)",
    )
    .bind(tenants)
    .bind(keys)
    .fetch_all(&mut *connection)
    .await?;
    let dags: ChangedDags =
        rows.iter().map(|row| Ok((row.get("tenant_id")?, row.get("dag_id")?))).collect::<Result<_>>()?;
    lock(connection, &dags).await
}

/// Writes the new states of runs, where there are any, and when their scheduler has last decided. `now` stands in where a
/// change does not say its time. The caller has called [`lock_dags`] for those whose state changes, and then locked the runs.
pub async fn write(
    connection: &mut PgConnection,
    changes: &[(RunKey, &RunChange)],
    by: By,
    now: DateTime<Utc>,
) -> Result<()> {
    let any = changes.iter().any(|(_, change)| change.run_state.is_some() || change.dag_version.is_some());
    if !any && by == By::Request {
        return Ok(());
    }
    let changed = sqlx::query(
        "UPDATE dag_runs AS r
         SET state = coalesce(c.state, r.state), epoch = r.epoch + CASE WHEN c.state IS NULL THEN 0 ELSE 1 END,
             dag_version = coalesce(c.dag_version, r.dag_version), clear_number = r.clear_number + c.clears::int,
             last_scheduling_decision = coalesce($5, r.last_scheduling_decision),
             updated_at = CASE WHEN c.state IS NULL THEN r.updated_at ELSE c.at END,
             queued_at = CASE c.state WHEN 'queued' THEN c.at ELSE r.queued_at END,
             started_at = CASE c.state WHEN 'queued' THEN NULL WHEN 'running' THEN coalesce(r.started_at, c.at)
                 ELSE r.started_at END,
             ended_at = CASE WHEN c.state IS NULL THEN r.ended_at WHEN c.state IN ('success', 'failed') THEN c.at END
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $6::bigint[], $7::boolean[])
             c (tenant_id, run_key, state, at, dag_version, clears)
         WHERE r.tenant_id = c.tenant_id AND r.run_key = c.run_key
         RETURNING r.tenant_id, r.run_key, r.dag_id",
    )
    .bind(changes.iter().map(|(key, _)| key.tenant.0).collect::<Vec<_>>())
    .bind(changes.iter().map(|(key, _)| key.id).collect::<Vec<_>>())
    .bind(changes.iter().map(|(_, change)| change.run_state.map(|state| state.as_str())).collect::<Vec<_>>())
    .bind(changes.iter().map(|(_, change)| change.at.unwrap_or(now)).collect::<Vec<_>>())
    .bind((by == By::Scheduler).then_some(now))
    .bind(changes.iter().map(|(_, change)| change.dag_version.map(i64::from)).collect::<Vec<_>>())
    .bind(changes.iter().map(|(_, change)| change.clears).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let with_state: Vec<RunKey> =
        changes.iter().filter(|(_, change)| change.run_state.is_some()).map(|(key, _)| *key).collect();
    if with_state.is_empty() {
        return Ok(());
    }
    let mut dags = ChangedDags::new();
    for row in &changed {
        if with_state.contains(&super::leases::run_key(row)?) {
            dags.insert((row.get("tenant_id")?, row.get("dag_id")?));
        }
    }
    write_active(connection, &with_state).await?;
    let states: Vec<_> = changes.iter().filter_map(|(key, change)| Some((*key, change.run_state?))).collect();
    follow(&mut *connection, &states).await?;
    refresh(connection, &dags).await
}

/// Keeps the invariant of `active_runs`: exactly the queued and running ones are there. A run that is queued again has no owner.
async fn write_active(connection: &mut PgConnection, runs: &[RunKey]) -> Result<()> {
    sqlx::query(
        "WITH r AS MATERIALIZED (
             SELECT r.tenant_id, r.run_key, r.dag_id, r.state, r.run_after, b.backfill_id,
                 CASE WHEN b.backfill_id IS NOT NULL THEN r.backfill_ordinal END AS backfill_ordinal
             FROM dag_runs r JOIN unnest($1::bigint[], $2::bigint[]) n (tenant_id, run_key) USING (tenant_id, run_key)
             LEFT JOIN backfills b
                 ON b.tenant_id = r.tenant_id AND b.backfill_id = r.backfill_id AND b.completed_at IS NULL
         ), ended AS (
             DELETE FROM active_runs a USING r
             WHERE a.tenant_id = r.tenant_id AND a.run_key = r.run_key AND r.state IN ('success', 'failed')
         )
         INSERT INTO active_runs AS a (tenant_id, run_key, dag_id, state, run_after, backfill_id, backfill_ordinal)
         SELECT * FROM r WHERE state IN ('queued', 'running')
         ON CONFLICT (tenant_id, run_key) DO UPDATE SET state = excluded.state,
             owner = CASE excluded.state WHEN 'running' THEN a.owner END,
             lease_until = CASE excluded.state WHEN 'running' THEN a.lease_until END",
    )
    .bind(runs.iter().map(|key| key.tenant.0).collect::<Vec<_>>())
    .bind(runs.iter().map(|key| key.id).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
