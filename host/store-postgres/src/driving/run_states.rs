//! The states of runs that a batch changes.

use std::collections::HashSet;

use airlock_core::id::RunKey;
use airlock_store::driving::{Batch, RunChange};
use chrono::{DateTime, Utc};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;

use super::changes::on_queue;
use super::leases::run_key;
use crate::dags::load::{ChangedDags, lock, refresh};
use crate::deadlines::follow;
use crate::error::Result;
use crate::row::Columns;
use crate::triggers::topics_of_run;

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

/// What changes in a run, as rows, and what they make of it.
macro_rules! changes {
    () => {
        "c AS MATERIALIZED (
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::boolean[])
                 c (tenant_id, run_key, state, at, dag_version, clears)
         )"
    };
}

macro_rules! changed_runs {
    () => {
        "UPDATE dag_runs AS r
         SET state = coalesce(c.state, r.state), epoch = r.epoch + CASE WHEN c.state IS NULL THEN 0 ELSE 1 END,
             dag_version = coalesce(c.dag_version, r.dag_version), clear_number = r.clear_number + c.clears::int,
             updated_at = CASE WHEN c.state IS NULL THEN r.updated_at ELSE c.at END,
             queued_at = CASE c.state WHEN 'queued' THEN c.at ELSE r.queued_at END,
             started_at = CASE c.state WHEN 'queued' THEN NULL WHEN 'running' THEN coalesce(r.started_at, c.at)
                 ELSE r.started_at END,
             ended_at = CASE WHEN c.state IS NULL THEN r.ended_at WHEN c.state IN ('success', 'failed') THEN c.at END"
    };
}

fn bound<'q>(
    statement: &'static str,
    changes: &[(RunKey, &RunChange)],
    now: DateTime<Utc>,
) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(changes.iter().map(|(key, _)| key.tenant.0).collect::<Vec<_>>())
        .bind(changes.iter().map(|(key, _)| key.id).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.run_state.map(|state| state.as_str())).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.at.unwrap_or(now)).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.dag_version.map(i64::from)).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.clears).collect::<Vec<_>>())
}

/// The runs of a batch that may be changed.
#[derive(Default)]
pub struct Decided {
    /// Held by the batch's owner, each at the epoch that the batch names.
    pub driven: HashSet<RunKey>,
    /// Of those, the ones whose end somebody waits for.
    pub awaited: HashSet<RunKey>,
}

/// Finds out which runs of a batch its owner holds at the epoch that it names, and writes their new states and when they were
/// decided on. It locks those runs, each by its row and after it by its active row, and then what their instances have on the
/// queue. One statement does it, because each costs a round trip. The caller has called [`lock_dags`] for the runs whose state
/// changes.
pub async fn decide(connection: &mut PgConnection, batch: &Batch) -> Result<Decided> {
    let mut decided = Decided::default();
    if batch.changes.is_empty() {
        return Ok(decided);
    }
    let changes: Vec<(RunKey, &RunChange)> = batch.changes.iter().map(|(key, _, change)| (*key, change)).collect();
    let (tenants, instances) = on_queue(&changes);
    // Rows that are locked in a statement may be newer than those that it sees: nothing is read here of what others change but
    // by the run's epoch, which the lock looks at again.
    let rows = bound(
        concat!(
            "WITH ",
            changes!(),
            ", held AS MATERIALIZED (
                 SELECT r.tenant_id, r.run_key
                 FROM unnest($1::bigint[], $2::bigint[], $7::bigint[]) n (tenant_id, run_key, epoch)
                 JOIN dag_runs r ON r.tenant_id = n.tenant_id AND r.run_key = n.run_key
                 JOIN active_runs a ON a.tenant_id = r.tenant_id AND a.run_key = r.run_key
                 WHERE a.owner = $8 AND r.epoch = n.epoch
                 ORDER BY r.tenant_id, r.run_key FOR NO KEY UPDATE OF r, a
             ), queued AS MATERIALIZED (
                 SELECT FROM unnest($9::bigint[], $10::uuid[]) n (tenant_id, instance_id)
                 JOIN queue q ON q.tenant_id = n.tenant_id AND q.instance_id = n.instance_id
                 JOIN held h ON h.tenant_id = q.tenant_id AND h.run_key = q.run_key
                 ORDER BY q.tenant_id, q.instance_id FOR UPDATE OF q
             ) ",
            changed_runs!(),
            ", last_scheduling_decision = $11
             FROM c JOIN held h ON h.tenant_id = c.tenant_id AND h.run_key = c.run_key
             WHERE r.tenant_id = c.tenant_id AND r.run_key = c.run_key
             RETURNING r.tenant_id, r.run_key, r.dag_id, (SELECT count(*) FROM queued) AS locked, EXISTS (
                 SELECT FROM triggers t
                 WHERE t.tenant_id = r.tenant_id AND t.topic IN (",
            topics_of_run!(),
            ") AND t.ended_at IS NULL) AS is_awaited"
        ),
        &changes,
        batch.now,
    )
    .bind(batch.changes.iter().map(|(_, epoch, _)| *epoch).collect::<Vec<_>>())
    .bind(batch.owner)
    .bind(tenants)
    .bind(instances)
    .bind(batch.now)
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        let key = run_key(row)?;
        decided.driven.insert(key);
        if row.get("is_awaited")? {
            decided.awaited.insert(key);
        }
    }
    let driven = changes.into_iter().filter(|(key, _)| decided.driven.contains(key)).collect::<Vec<_>>();
    write_states(connection, &driven, &rows).await?;
    Ok(decided)
}

/// Writes what a request changes in a run. `now` stands in where the change does not say its time. The caller has called
/// [`lock_dags`] if the run's state changes, and then locked the run.
pub async fn write(connection: &mut PgConnection, key: RunKey, change: &RunChange, now: DateTime<Utc>) -> Result<()> {
    let statement = concat!(
        "WITH ",
        changes!(),
        changed_runs!(),
        " FROM c WHERE r.tenant_id = c.tenant_id AND r.run_key = c.run_key RETURNING r.tenant_id, r.run_key, r.dag_id"
    );
    let written = bound(statement, &[(key, change)], now).fetch_all(&mut *connection).await?;
    write_states(connection, &[(key, change)], &written).await
}

/// What follows from new states of runs; `written` are the rows of the runs.
async fn write_states(
    connection: &mut PgConnection,
    changes: &[(RunKey, &RunChange)],
    written: &[PgRow],
) -> Result<()> {
    let states: Vec<_> = changes.iter().filter_map(|(key, change)| Some((*key, change.run_state?))).collect();
    if states.is_empty() {
        return Ok(());
    }
    let runs: Vec<RunKey> = states.iter().map(|(key, _)| *key).collect();
    let mut dags = ChangedDags::new();
    for row in written {
        if runs.contains(&run_key(row)?) {
            dags.insert((row.get("tenant_id")?, row.get("dag_id")?));
        }
    }
    write_active(connection, &runs).await?;
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
