//! Leases of tries: kept, and given back.

use std::collections::HashSet;

use airlock_core::id::TenantId;
use airlock_store::queue::TryOrder;
use airlock_store::support::batch::instance_names;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Result;
use crate::row::{Columns, micros};
use crate::{SqliteStore, begin};

fn tokens_json(tokens: &[Uuid]) -> String {
    tokens.iter().map(|token| Value::from(token.simple().to_string())).collect::<Value>().to_string()
}

pub async fn heartbeat(
    store: &SqliteStore,
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
        "UPDATE queue SET lease_until = CASE state WHEN 'running' THEN ?3 ELSE lease_until END
         WHERE worker = ?1 AND state <> 'queued' AND lease_token IN (SELECT unhex(value) FROM json_each(?2))
         RETURNING lease_token",
    )
    .bind(worker)
    .bind(tokens_json(tokens))
    .bind(micros(until))
    .fetch_all(&mut *store.writer().await)
    .await?;
    let held: HashSet<Uuid> = held.into_iter().collect();
    Ok(tokens.iter().filter(|token| !held.contains(token)).map(|token| (*token, TryOrder::Stop)).collect())
}

pub async fn hand_back(store: &SqliteStore, worker: Uuid, known: &[Uuid]) -> Result<u64> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let rows = sqlx::query(
        "UPDATE queue
         SET state = 'queued', worker = NULL, hostname = NULL, lease_token = NULL, lease_until = NULL,
             first_started_at = CASE WHEN first_started_at = started_at THEN NULL ELSE first_started_at END,
             started_at = NULL
         WHERE worker = ?1 AND state = 'running' AND lease_token NOT IN (SELECT unhex(value) FROM json_each(?2))
         RETURNING tenant_id, instance_id",
    )
    .bind(worker)
    .bind(tokens_json(known))
    .fetch_all(&mut *transaction)
    .await?;
    let mut handed_back = Vec::with_capacity(rows.len());
    for row in &rows {
        handed_back.push((TenantId(row.integer("tenant_id")?), row.uuid("instance_id")?));
    }
    sqlx::query(
        "WITH back (tenant_id, instance_id) AS MATERIALIZED (SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?1))
         UPDATE task_instances AS i
         SET state = 'queued', started_at = NULL, hostname = NULL, first_started_at = q.first_started_at
         FROM back b CROSS JOIN queue q ON q.tenant_id = b.tenant_id AND q.instance_id = b.instance_id
         WHERE i.tenant_id = b.tenant_id AND i.instance_id = b.instance_id",
    )
    .bind(instance_names(handed_back.iter().copied()))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(handed_back.len() as u64)
}
