//! A scheduler takes runs on.

use airlock_core::id::{RunKey, TenantId};
use airlock_store::driving::LoadedRun;
use airlock_store::support::batch::run_names;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::load::load_runs;
use crate::dags::load::{ChangedDags, refresh};
use crate::error::Result;
use crate::row::{Columns, micros};
use crate::{SqliteStore, begin};

/// A run that can be taken.
struct Candidate {
    key: RunKey,
    dag_id: String,
    /// 0 for what belongs to no backfill: that goes first.
    backfill_ordinal: i64,
    run_after: i64,
}

pub async fn take_runs(
    store: &SqliteStore,
    owner: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<LoadedRun>> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let taken = candidates(&mut transaction, now, limit).await?;
    let keys: Vec<RunKey> = taken.iter().map(|candidate| candidate.key).collect();
    let names = run_names(&keys);
    sqlx::query(
        "UPDATE active_runs AS a SET state = 'running', owner = ?2, lease_until = ?3
         FROM json_each(?1) n WHERE a.tenant_id = n.value ->> 0 AND a.run_key = n.value ->> 1",
    )
    .bind(&names)
    .bind(owner)
    .bind(micros(until))
    .execute(&mut *transaction)
    .await?;
    // The epoch rises with the owner, so that what an earlier owner decided cannot be applied any more.
    sqlx::query(
        "UPDATE dag_runs AS r
         SET epoch = r.epoch + 1, started_at = coalesce(r.started_at, ?2),
             updated_at = CASE r.state WHEN 'queued' THEN ?2 ELSE r.updated_at END, state = 'running'
         FROM json_each(?1) n WHERE r.tenant_id = n.value ->> 0 AND r.run_key = n.value ->> 1",
    )
    .bind(&names)
    .bind(micros(now))
    .execute(&mut *transaction)
    .await?;
    let dags: ChangedDags = taken.into_iter().map(|candidate| (candidate.key.tenant.0, candidate.dag_id)).collect();
    refresh(&mut transaction, &dags).await?;
    let loaded = load_runs(store, &mut transaction, &keys).await?;
    transaction.commit().await?;
    Ok(loaded)
}

/// The first runs that can be taken: what belongs to no backfill in order of `run_after`, then slots in theirs.
async fn candidates(connection: &mut SqliteConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let mut candidates = ownerless(connection, now, limit).await?;
    candidates.extend(startable(connection, now, limit).await?);
    candidates.extend(backfilled(connection, now, limit).await?);
    candidates.sort_by_key(|candidate| (candidate.backfill_ordinal, candidate.run_after, candidate.key.id));
    candidates.truncate(limit as usize);
    Ok(candidates)
}

/// Running ones whose lease or rest is over, and those that rest although a wait of theirs has ended.
async fn ownerless(connection: &mut SqliteConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "SELECT tenant_id, run_key, dag_id, 0 AS backfill_ordinal, run_after FROM active_runs
         WHERE state = 'running' AND lease_until <= ?1
         UNION
         SELECT a.tenant_id, a.run_key, a.dag_id, 0, a.run_after
         FROM triggers t CROSS JOIN active_runs a ON a.tenant_id = t.tenant_id AND a.run_key = t.run_key
         WHERE t.ended_at IS NOT NULL AND a.state = 'running' AND a.owner IS NULL
         ORDER BY run_after, run_key LIMIT ?2 + 0",
    )
    .bind(micros(now))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(candidate).collect()
}

/// Queued ones that their DAGs have room for. The first `limit` of them belong to the `limit` DAGs whose first queued run is
/// oldest, which is the order of the index `dags_to_start`: DAGs that are paused or full are not even seen.
async fn startable(connection: &mut SqliteConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "WITH ready AS MATERIALIZED (
             SELECT tenant_id, dag_id, max_active_runs - running_runs AS room FROM dags
             WHERE is_paused = 0 AND first_queued IS NOT NULL AND running_runs < max_active_runs AND first_queued <= ?1
             ORDER BY first_queued LIMIT ?2 + 0
         ), queued AS (
             SELECT a.tenant_id, a.run_key, a.dag_id, 0 AS backfill_ordinal, a.run_after, d.room,
                    row_number() OVER (PARTITION BY a.tenant_id, a.dag_id ORDER BY a.run_after, a.run_key) AS place
             FROM ready d CROSS JOIN active_runs a ON a.tenant_id = d.tenant_id AND a.run_key IN (
                 SELECT c.run_key FROM active_runs c
                 WHERE c.tenant_id = d.tenant_id AND c.dag_id = d.dag_id AND c.state = 'queued' AND c.run_after <= ?1
                     AND c.backfill_id IS NULL
                 ORDER BY c.run_after, c.run_key LIMIT ?2 + 0)
         )
         SELECT * FROM queued WHERE place <= room
         ORDER BY run_after, run_key LIMIT ?2 + 0",
    )
    .bind(micros(now))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(candidate).collect()
}

/// Queued ones that their backfills have room for. A backfill has few queued runs, whatever it has slots.
async fn backfilled(connection: &mut SqliteConnection, now: DateTime<Utc>, limit: u32) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "WITH ready AS MATERIALIZED (
             SELECT b.tenant_id, b.backfill_id, b.max_active_runs - b.running_runs AS room
             FROM backfills b JOIN dags d ON d.tenant_id = b.tenant_id AND d.dag_id = b.dag_id AND d.is_paused = 0
             WHERE b.completed_at IS NULL AND b.is_paused = 0 AND b.first_queued IS NOT NULL
                 AND b.running_runs < b.max_active_runs
             ORDER BY b.first_queued LIMIT ?2 + 0
         ), queued AS (
             SELECT a.tenant_id, a.run_key, a.dag_id, a.backfill_ordinal, a.run_after, b.room,
                    row_number() OVER (PARTITION BY a.tenant_id, a.backfill_id ORDER BY a.backfill_ordinal) AS place
             FROM ready b CROSS JOIN active_runs a ON a.tenant_id = b.tenant_id AND a.backfill_id = b.backfill_id
             WHERE a.state = 'queued' AND a.run_after <= ?1
         )
         SELECT * FROM queued WHERE place <= room ORDER BY backfill_ordinal, run_after LIMIT ?2 + 0",
    )
    .bind(micros(now))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(candidate).collect()
}

fn candidate(row: &sqlx::sqlite::SqliteRow) -> Result<Candidate> {
    Ok(Candidate {
        key: RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? },
        dag_id: row.text("dag_id")?,
        backfill_ordinal: row.integer("backfill_ordinal")?,
        run_after: row.integer("run_after")?,
    })
}
