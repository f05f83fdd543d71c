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
    /// 0 for what belongs to no backfill: that goes first.
    backfill_ordinal: i64,
    run_after: DateTime<Utc>,
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
    let mut connection = store.connection().await?;
    if !any(&mut connection, now).await? {
        return Ok(Vec::new());
    }
    let mut transaction = sqlx::Connection::begin(&mut *connection).await?;
    let mut taken = startable(&mut transaction, now, limit).await?;
    taken.extend(backfilled(&mut transaction, now, limit).await?);
    taken.extend(ownerless(&mut transaction, now, limit).await?);
    taken.extend(woken(&mut transaction, now, limit).await?);
    taken.sort_by_key(|candidate| (candidate.backfill_ordinal, candidate.run_after, candidate.key.id));
    taken.truncate(limit as usize);
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

/// Whether there is anything to take: four index look-ups are all that an idle pass costs.
async fn any(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM active_runs
                        WHERE state = 'running' AND (lease_until IS NULL OR lease_until <= $1))
             OR EXISTS (SELECT FROM triggers t JOIN active_runs a USING (tenant_id, run_key)
                        WHERE t.ended_at IS NOT NULL AND a.state = 'running' AND a.owner IS NULL)
             OR EXISTS (SELECT FROM dags
                        WHERE NOT is_paused AND first_queued IS NOT NULL AND running_runs < max_active_runs
                            AND first_queued <= $1)
             OR EXISTS (SELECT FROM backfills b JOIN dags d USING (tenant_id, dag_id)
                        WHERE b.completed_at IS NULL AND NOT b.is_paused AND b.first_queued IS NOT NULL
                            AND b.running_runs < b.max_active_runs AND NOT d.is_paused)",
    )
    .bind(now)
    .fetch_one(connection)
    .await?)
}

/// Running ones whose lease or rest is over, or that nobody holds.
async fn ownerless(connection: &mut PgConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "SELECT a.tenant_id, a.run_key, a.dag_id, 0::bigint AS backfill_ordinal, a.run_after, false AS queued
         FROM active_runs a JOIN dag_runs r USING (tenant_id, run_key)
         WHERE a.state = 'running' AND (a.lease_until IS NULL OR a.lease_until <= $1)
         ORDER BY a.run_after, a.run_key LIMIT $2 FOR NO KEY UPDATE OF r, a SKIP LOCKED",
    )
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(candidate).collect()
}

/// Those that rest although a wait of theirs has ended.
async fn woken(connection: &mut PgConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "SELECT a.tenant_id, a.run_key, a.dag_id, 0::bigint AS backfill_ordinal, a.run_after, false AS queued
         FROM active_runs a JOIN dag_runs r USING (tenant_id, run_key)
         WHERE a.state = 'running' AND a.owner IS NULL AND a.lease_until > $1
             AND EXISTS (SELECT FROM triggers t
                         WHERE t.ended_at IS NOT NULL AND t.tenant_id = a.tenant_id AND t.run_key = a.run_key)
         ORDER BY a.run_after, a.run_key LIMIT $2 FOR NO KEY UPDATE OF r, a SKIP LOCKED",
    )
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(candidate).collect()
}

/// Queued ones that their DAGs have room for. The first `limit` of them belong to the `limit` DAGs whose first queued run is
/// oldest, which is the order of the index `dags_to_start`: DAGs that are paused or full are not even seen. The DAGs are locked
/// before their runs are looked at, so that two schedulers never fill the same room.
async fn startable(connection: &mut PgConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "SELECT tenant_id, dag_id, max_active_runs - running_runs AS room FROM dags
         WHERE NOT is_paused AND first_queued IS NOT NULL AND running_runs < max_active_runs AND first_queued <= $1
         ORDER BY first_queued LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
    )
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (mut tenants, mut dag_ids, mut rooms) = (Vec::<i64>::new(), Vec::<String>::new(), Vec::<i64>::new());
    for row in &rows {
        tenants.push(row.get("tenant_id")?);
        dag_ids.push(row.get("dag_id")?);
        rooms.push(row.get("room")?);
    }
    let rows = sqlx::query(
        "SELECT c.*, true AS queued FROM unnest($1::bigint[], $2::text[], $3::bigint[]) d (tenant_id, dag_id, room)
         CROSS JOIN LATERAL (
             SELECT a.tenant_id, a.run_key, a.dag_id, 0::bigint AS backfill_ordinal, a.run_after
             FROM active_runs a JOIN dag_runs r USING (tenant_id, run_key)
             WHERE a.tenant_id = d.tenant_id AND a.dag_id = d.dag_id AND a.state = 'queued' AND a.run_after <= $4
                 AND a.backfill_id IS NULL
             ORDER BY a.run_after, a.run_key LIMIT least(d.room, $5) FOR NO KEY UPDATE OF r, a SKIP LOCKED
         ) c
         ORDER BY c.run_after, c.run_key LIMIT $5",
    )
    .bind(tenants)
    .bind(dag_ids)
    .bind(rooms)
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(candidate).collect()
}

/// Queued ones that their backfills have room for, with their DAGs and backfills locked first. A backfill has few queued runs,
/// whatever it has slots.
async fn backfilled(connection: &mut PgConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "SELECT b.tenant_id, b.backfill_id, b.max_active_runs - b.running_runs AS room
         FROM backfills b JOIN dags d USING (tenant_id, dag_id)
         WHERE b.completed_at IS NULL AND NOT b.is_paused AND b.first_queued IS NOT NULL
             AND b.running_runs < b.max_active_runs AND NOT d.is_paused
         ORDER BY b.first_queued LIMIT $1 FOR NO KEY UPDATE OF d, b SKIP LOCKED",
    )
    .bind(i64::from(limit))
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (mut tenants, mut backfills, mut rooms) = (Vec::<i64>::new(), Vec::<i64>::new(), Vec::<i64>::new());
    for row in &rows {
        tenants.push(row.get("tenant_id")?);
        backfills.push(row.get("backfill_id")?);
        rooms.push(row.get("room")?);
    }
    let rows = sqlx::query(
        "SELECT c.*, true AS queued FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) b (tenant_id, backfill_id, room)
         CROSS JOIN LATERAL (
             SELECT a.tenant_id, a.run_key, a.dag_id, a.backfill_ordinal, a.run_after
             FROM active_runs a JOIN dag_runs r USING (tenant_id, run_key)
             WHERE a.tenant_id = b.tenant_id AND a.backfill_id = b.backfill_id AND a.state = 'queued' AND a.run_after <= $4
             ORDER BY a.backfill_ordinal LIMIT least(b.room, $5) FOR NO KEY UPDATE OF r, a SKIP LOCKED
         ) c
         ORDER BY c.backfill_ordinal, c.run_after LIMIT $5",
    )
    .bind(tenants)
    .bind(backfills)
    .bind(rooms)
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(candidate).collect()
}

fn candidate(row: &PgRow) -> Result<Candidate> {
    Ok(Candidate {
        key: run_key(row)?,
        dag_id: row.get("dag_id")?,
        backfill_ordinal: row.get("backfill_ordinal")?,
        run_after: row.get("run_after")?,
        queued: row.get("queued")?,
    })
}
