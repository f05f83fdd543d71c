//! Leases of tries: kept, and given back.

use std::collections::HashSet;

use airlock_store::queue::TryOrder;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::Result;

pub async fn heartbeat(
    store: &PostgresStore,
    worker: Uuid,
    tokens: &[Uuid],
    until: DateTime<Utc>,
) -> Result<Vec<(Uuid, TryOrder)>> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    // The table holds only what is queued or running: looking through it now and then costs less than one more index at
    // every claim and every settlement. A try that has been reported still is its worker's until it is settled.
    let held: Vec<Uuid> = sqlx::query_scalar(
        "WITH held AS MATERIALIZED (
             SELECT tenant_id, instance_id FROM queue
             WHERE worker = $1 AND state <> 'queued' AND lease_token = ANY ($2)
             ORDER BY tenant_id, instance_id FOR NO KEY UPDATE
         )
         UPDATE queue AS q SET lease_until = CASE q.state WHEN 'running' THEN $3 ELSE q.lease_until END
         FROM held h WHERE q.tenant_id = h.tenant_id AND q.instance_id = h.instance_id
         RETURNING q.lease_token",
    )
    .bind(worker)
    .bind(tokens)
    .bind(until)
    .fetch_all(&mut *store.connection().await?)
    .await?;
    let held: HashSet<Uuid> = held.into_iter().collect();
    Ok(tokens.iter().filter(|token| !held.contains(token)).map(|token| (*token, TryOrder::Stop)).collect())
}

pub async fn hand_back(store: &PostgresStore, worker: Uuid, known: &[Uuid]) -> Result<u64> {
    let handed_back: i64 = sqlx::query_scalar(
        "WITH held AS MATERIALIZED (
             SELECT tenant_id, instance_id FROM queue
             WHERE worker = $1 AND state = 'running' AND lease_token <> ALL ($2)
             ORDER BY tenant_id, instance_id FOR UPDATE
         ), back AS (
             UPDATE queue AS q
             SET state = 'queued', worker = NULL, hostname = NULL, lease_token = NULL, lease_until = NULL, started_at = NULL,
                 first_started_at = CASE WHEN q.first_started_at = q.started_at THEN NULL ELSE q.first_started_at END
             FROM held h WHERE q.tenant_id = h.tenant_id AND q.instance_id = h.instance_id
             RETURNING q.tenant_id, q.instance_id, q.first_started_at
         ), stopped AS (
             UPDATE task_instances AS i
             SET state = 'queued', started_at = NULL, hostname = NULL, first_started_at = b.first_started_at
             FROM back b WHERE i.tenant_id = b.tenant_id AND i.instance_id = b.instance_id
         )
         SELECT count(*) FROM back",
    )
    .bind(worker)
    .bind(known)
    .fetch_one(&mut *store.connection().await?)
    .await?;
    Ok(handed_back.unsigned_abs())
}
