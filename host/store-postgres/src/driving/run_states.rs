//! The states of runs that a batch changes.

use std::collections::HashSet;

use airlock_core::id::RunKey;
use airlock_store::driving::{Batch, RunChange};
use airlock_store::support::batch::{RunChangeJson, to_json};
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnection, PgRow};

use super::changes::on_queue;
use super::leases::{active_run, run_key};
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

/// What changes in runs, [`RunChangeJson`] as rows.
macro_rules! changes {
    () => {
        "json_to_recordset($1::json) AS (tenant bigint, run bigint, epoch bigint, state text, at bigint, dag_version bigint,
             clears boolean)"
    };
}

/// What the changes `c` make of the runs `r`.
macro_rules! changed_runs {
    () => {
        "UPDATE dag_runs AS r
         SET state = coalesce(c.state, r.state), epoch = r.epoch + CASE WHEN c.state IS NULL THEN 0 ELSE 1 END,
             dag_version = coalesce(c.dag_version, r.dag_version), clear_number = r.clear_number + c.clears::int,
             updated_at = CASE WHEN c.state IS NULL THEN r.updated_at ELSE instant(c.at) END,
             queued_at = CASE c.state WHEN 'queued' THEN instant(c.at) ELSE r.queued_at END,
             started_at = CASE c.state WHEN 'queued' THEN NULL WHEN 'running' THEN coalesce(r.started_at, instant(c.at))
                 ELSE r.started_at END,
             ended_at = CASE WHEN c.state IS NULL THEN r.ended_at WHEN c.state IN ('success', 'failed') THEN instant(c.at) END"
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
    let rows = batch.changes.iter().map(|(key, epoch, change)| RunChangeJson::new(*key, *epoch, change, batch.now));
    // Rows that are locked in a statement may be newer than those that it sees: nothing is read here of what others change but
    // by the run's epoch, which the lock looks at again.
    let rows = sqlx::query(concat!(
        "WITH c AS MATERIALIZED (
             SELECT c.*
             FROM (SELECT * FROM ",
        changes!(),
        " ORDER BY tenant, run) c
             CROSS JOIN LATERAL (",
        active_run!("c.tenant", "c.run"),
        " FOR NO KEY UPDATE OF r, a) h
             WHERE h.epoch = c.epoch AND h.owner = $2
         ), queued AS MATERIALIZED (
             SELECT
             FROM (
                 SELECT n.* FROM json_to_recordset($3::json) AS n (tenant bigint, run bigint, instance uuid)
                 JOIN c ON c.tenant = n.tenant AND c.run = n.run
                 ORDER BY n.tenant, n.instance
             ) n
             CROSS JOIN LATERAL (
                 SELECT FROM queue q WHERE q.tenant_id = n.tenant AND q.instance_id = n.instance FOR UPDATE
             ) q
         ) ",
        changed_runs!(),
        ", last_scheduling_decision = $4
         FROM c WHERE r.tenant_id = c.tenant AND r.run_key = c.run
         RETURNING r.tenant_id, r.run_key, r.dag_id, (SELECT count(*) FROM queued) AS locked, EXISTS (
             SELECT FROM unnest(ARRAY[",
        topics_of_run!(),
        "]) s (topic)
             CROSS JOIN LATERAL (
                 SELECT FROM triggers t
                 WHERE t.tenant_id = r.tenant_id AND t.topic = s.topic AND t.ended_at IS NULL LIMIT 1
             ) t) AS is_awaited"
    ))
    .bind(to_json(rows)?)
    .bind(batch.owner)
    .bind(to_json(on_queue(&changes))?)
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
        "WITH c AS MATERIALIZED (SELECT * FROM ",
        changes!(),
        ") ",
        changed_runs!(),
        " FROM c WHERE r.tenant_id = c.tenant AND r.run_key = c.run RETURNING r.tenant_id, r.run_key, r.dag_id"
    );
    // The run is locked: which epoch it has is no question.
    let row = to_json([RunChangeJson::new(key, 0, change, now)])?;
    let written = sqlx::query(statement).bind(row).fetch_all(&mut *connection).await?;
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
