//! Attempts at callbacks: kept, ended, and lost.

use std::collections::HashSet;

use airlock_core::callback::{CallbackState, MAXIMUM_ATTEMPTS};
use airlock_store::callbacks::{CallbackReport, ExpiredCallbacks};
use airlock_store::support::storable;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Result;
use crate::row::{Columns, micros};

pub async fn heartbeat(store: &SqliteStore, worker: Uuid, tokens: &[Uuid], until: DateTime<Utc>) -> Result<Vec<Uuid>> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let names: Value = tokens.iter().map(|token| Value::from(token.simple().to_string())).collect();
    let held: Vec<Uuid> = sqlx::query_scalar(
        "UPDATE callbacks SET lease_until = ?3
         WHERE state = 'running' AND worker = ?1 AND lease_token IN (SELECT unhex(value) FROM json_each(?2))
         RETURNING lease_token",
    )
    .bind(worker)
    .bind(names.to_string())
    .bind(micros(until))
    .fetch_all(&mut *store.writer().await)
    .await?;
    let held: HashSet<Uuid> = held.into_iter().collect();
    Ok(tokens.iter().copied().filter(|token| !held.contains(token)).collect())
}

pub async fn report(store: &SqliteStore, report: &CallbackReport) -> Result<bool> {
    let is_over = report.end.state != CallbackState::Queued;
    let update = sqlx::query(
        "UPDATE callbacks SET state = ?4, message = ?5, ended_at = ?6, worker = NULL, lease_token = NULL, lease_until = NULL
         WHERE tenant_id = ?1 AND callback_id = ?2 AND state = 'running' AND lease_token = ?3",
    )
    .bind(report.tenant.0)
    .bind(report.id)
    .bind(report.lease_token)
    .bind(report.end.state.as_str())
    .bind(report.end.message.as_deref().map(storable))
    .bind(is_over.then(|| micros(report.ended_at)));
    Ok(update.execute(&mut *store.writer().await).await?.rows_affected() > 0)
}

pub async fn expire(store: &SqliteStore, now: DateTime<Utc>, queued_before: DateTime<Utc>) -> Result<ExpiredCallbacks> {
    let any: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM callbacks WHERE state = 'running' AND lease_until < ?1)
             OR EXISTS (SELECT 1 FROM callbacks WHERE state = 'queued' AND created_at < ?2)",
    )
    .bind(micros(now))
    .bind(micros(queued_before))
    .fetch_one(&mut *store.reader().await)
    .await?;
    if !any {
        return Ok(ExpiredCallbacks::default());
    }
    let rows = sqlx::query(
        "UPDATE callbacks
         SET state = CASE WHEN state = 'running' AND attempts < ?3 THEN 'queued' ELSE 'failed' END,
             ended_at = CASE WHEN state = 'running' AND attempts < ?3 THEN NULL ELSE ?1 END,
             message = CASE state WHEN 'running' THEN 'the worker on ' || hostname || ' has not been heard of in time'
                 ELSE 'no worker has taken it in time' END,
             worker = NULL, lease_token = NULL, lease_until = NULL
         WHERE position IN (SELECT position FROM callbacks WHERE state = 'running' AND lease_until < ?1
                            UNION ALL SELECT position FROM callbacks WHERE state = 'queued' AND created_at < ?2)
         RETURNING state",
    )
    .bind(micros(now))
    .bind(micros(queued_before))
    .bind(MAXIMUM_ATTEMPTS)
    .fetch_all(&mut *store.writer().await)
    .await?;
    let mut expired = ExpiredCallbacks::default();
    for row in &rows {
        match row.name("state")? {
            CallbackState::Queued => expired.again += 1,
            _ => expired.failed += 1,
        }
    }
    Ok(expired)
}
