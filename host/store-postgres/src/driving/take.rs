//! A scheduler takes runs on. Nothing here waits for a lock: what somebody else is changing is found by the next pass.

use airlock_core::id::RunKey;
use airlock_store::driving::LoadedRun;
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::leases::run_key;
use super::load::load_runs;
use crate::PostgresStore;
use crate::dags::load::{ChangedDags, refresh};
use crate::error::Result;
use crate::row::Columns;

/// A run that can be taken.
struct Candidate {
    key: RunKey,
    dag_id: String,
    /// Or else running, without an owner.
    queued: bool,
}

pub async fn take_runs(
    store: &PostgresStore,
    owner: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<LoadedRun>> {
    let mut transaction = store.begin().await?;
    let taken = candidates(&mut transaction, now, limit).await?;
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<RunKey> = taken.iter().map(|candidate| candidate.key).collect();
    // The epoch rises with the owner, so that what an earlier owner decided cannot be applied any more.
    sqlx::query(
        "WITH n AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::bigint[]) n (tenant_id, run_key)),
         held AS (
             UPDATE active_runs AS a SET state = 'running', owner = $3, lease_until = $4
             FROM n WHERE a.tenant_id = n.tenant_id AND a.run_key = n.run_key
         )
         UPDATE dag_runs AS r
         SET epoch = r.epoch + 1, started_at = coalesce(r.started_at, $5),
             updated_at = CASE r.state WHEN 'queued' THEN $5 ELSE r.updated_at END, state = 'running'
         FROM n WHERE r.tenant_id = n.tenant_id AND r.run_key = n.run_key",
    )
    .bind(keys.iter().map(|key| key.tenant.0).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.id).collect::<Vec<_>>())
    .bind(owner)
    .bind(until)
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    // Those that were queued: their DAGs are locked. The others change nothing in their DAGs.
    let started = taken.into_iter().filter(|candidate| candidate.queued);
    let dags: ChangedDags = started.map(|candidate| (candidate.key.tenant.0, candidate.dag_id)).collect();
    refresh(&mut transaction, &dags).await?;
    let loaded = load_runs(store, &mut transaction, &keys).await?;
    transaction.commit().await?;
    Ok(loaded)
}

/// The first runs that can be taken: what belongs to no backfill in order of `run_after`, then slots in theirs.
///
/// - `startable`: queued ones that their DAGs have room for. The first of them belong to the DAGs whose first queued run is oldest,
///   which is the order of the index `dags_to_start`: DAGs that are paused or full are not even seen.
/// - `backfilled`: queued ones that their backfills have room for. A backfill has few queued runs, whatever it has slots.
/// - `ownerless`: running ones whose lease or rest is over, or that nobody holds.
/// - `woken`: those that rest although a wait of theirs has ended.
///
/// DAGs and backfills are locked before their runs are looked at, so that two schedulers never fill the same room.
async fn candidates(connection: &mut PgConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "WITH d AS MATERIALIZED (
             SELECT tenant_id, dag_id, max_active_runs - running_runs AS room FROM dags
             WHERE NOT is_paused AND first_queued IS NOT NULL AND running_runs < max_active_runs AND first_queued <= $1
             ORDER BY first_queued LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
         ), startable AS MATERIALIZED (
             SELECT c.*, true AS queued FROM d
             CROSS JOIN LATERAL (
                 SELECT a.tenant_id, a.run_key, a.dag_id, 0::bigint AS backfill_ordinal, a.run_after
                 FROM active_runs a JOIN dag_runs r USING (tenant_id, run_key)
                 WHERE a.tenant_id = d.tenant_id AND a.dag_id = d.dag_id AND a.state = 'queued' AND a.run_after <= $1
                     AND a.backfill_id IS NULL
                 ORDER BY a.run_after, a.run_key LIMIT least(d.room, $2) FOR NO KEY UPDATE OF r, a SKIP LOCKED
             ) c
         ), b AS MATERIALIZED (
             SELECT b.tenant_id, b.backfill_id, b.max_active_runs - b.running_runs AS room
             FROM backfills b JOIN dags d USING (tenant_id, dag_id)
             WHERE b.completed_at IS NULL AND NOT b.is_paused AND b.first_queued IS NOT NULL
                 AND b.running_runs < b.max_active_runs AND NOT d.is_paused
             ORDER BY b.first_queued LIMIT $2 FOR NO KEY UPDATE OF d, b SKIP LOCKED
         ), backfilled AS MATERIALIZED (
             SELECT c.*, true AS queued FROM b
             CROSS JOIN LATERAL (
                 SELECT a.tenant_id, a.run_key, a.dag_id, a.backfill_ordinal, a.run_after
                 FROM active_runs a JOIN dag_runs r USING (tenant_id, run_key)
                 WHERE a.tenant_id = b.tenant_id AND a.backfill_id = b.backfill_id AND a.state = 'queued' AND a.run_after <= $1
                 ORDER BY a.backfill_ordinal LIMIT least(b.room, $2) FOR NO KEY UPDATE OF r, a SKIP LOCKED
             ) c
         ), ownerless AS MATERIALIZED (
             SELECT a.tenant_id, a.run_key, a.dag_id, 0::bigint AS backfill_ordinal, a.run_after, false AS queued
             FROM active_runs a JOIN dag_runs r USING (tenant_id, run_key)
             WHERE a.state = 'running' AND (a.lease_until IS NULL OR a.lease_until <= $1)
             ORDER BY a.run_after, a.run_key LIMIT $2 FOR NO KEY UPDATE OF r, a SKIP LOCKED
         ), woken AS MATERIALIZED (
             SELECT a.tenant_id, a.run_key, a.dag_id, 0::bigint AS backfill_ordinal, a.run_after, false AS queued
             FROM active_runs a JOIN dag_runs r USING (tenant_id, run_key)
             WHERE a.state = 'running' AND a.owner IS NULL AND a.lease_until > $1
                 AND EXISTS (SELECT FROM triggers t
                             WHERE t.ended_at IS NOT NULL AND t.tenant_id = a.tenant_id AND t.run_key = a.run_key)
             ORDER BY a.run_after, a.run_key LIMIT $2 FOR NO KEY UPDATE OF r, a SKIP LOCKED
         )
         SELECT * FROM startable UNION ALL SELECT * FROM backfilled UNION ALL
         SELECT * FROM ownerless UNION ALL SELECT * FROM woken
         ORDER BY backfill_ordinal, run_after, run_key LIMIT $2",
    )
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(candidate).collect()
}

fn candidate(row: &PgRow) -> Result<Candidate> {
    Ok(Candidate { key: run_key(row)?, dag_id: row.get("dag_id")?, queued: row.get("queued")? })
}
