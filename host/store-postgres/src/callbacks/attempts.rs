//! Attempts at callbacks: kept, ended, and lost.

use std::collections::HashSet;

use airlock_core::callback::{CallbackState, MAXIMUM_ATTEMPTS};
use airlock_store::callbacks::{CallbackReport, ExpiredCallbacks};
use airlock_store::support::storable;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

pub async fn heartbeat(
    store: &PostgresStore,
    worker: Uuid,
    tokens: &[Uuid],
    until: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let held: Vec<Uuid> = sqlx::query_scalar(
        "WITH held AS MATERIALIZED (
             SELECT position FROM callbacks WHERE state = 'running' AND worker = $1 AND lease_token = ANY ($2)
             ORDER BY position FOR NO KEY UPDATE
         )
         UPDATE callbacks AS c SET lease_until = $3 FROM held h WHERE c.position = h.position RETURNING c.lease_token",
    )
    .bind(worker)
    .bind(tokens)
    .bind(until)
    .fetch_all(&mut *store.connection().await?)
    .await?;
    let held: HashSet<Uuid> = held.into_iter().collect();
    Ok(tokens.iter().copied().filter(|token| !held.contains(token)).collect())
}

pub async fn report(store: &PostgresStore, report: &CallbackReport) -> Result<bool> {
    let is_over = report.end.state != CallbackState::Queued;
    let update = sqlx::query(
        "UPDATE callbacks SET state = $4, message = $5, ended_at = $6, worker = NULL, lease_token = NULL, lease_until = NULL
         WHERE tenant_id = $1 AND callback_id = $2 AND state = 'running' AND lease_token = $3",
    )
    .bind(report.tenant.0)
    .bind(report.id)
    .bind(report.lease_token)
    .bind(report.end.state.as_str())
    .bind(report.end.message.as_deref().map(storable))
    .bind(is_over.then_some(report.ended_at));
    Ok(update.execute(&mut *store.connection().await?).await?.rows_affected() > 0)
}

pub async fn expire(
    store: &PostgresStore,
    now: DateTime<Utc>,
    queued_before: DateTime<Utc>,
) -> Result<ExpiredCallbacks> {
    let rows = sqlx::query(
        "WITH over AS MATERIALIZED (
             SELECT position FROM callbacks
             WHERE (state = 'running' AND lease_until < $1) OR (state = 'queued' AND created_at < $2)
             ORDER BY position FOR UPDATE SKIP LOCKED
         )
         UPDATE callbacks AS c
         SET state = CASE WHEN c.state = 'running' AND c.attempts < $3 THEN 'queued' ELSE 'failed' END,
             ended_at = CASE WHEN c.state = 'running' AND c.attempts < $3 THEN NULL ELSE $1 END,
             message = CASE c.state WHEN 'running' THEN 'the worker on ' || c.hostname || ' has not been heard of in time'
                 ELSE 'no worker has taken it in time' END,
             worker = NULL, lease_token = NULL, lease_until = NULL
         FROM over o WHERE c.position = o.position
         RETURNING c.state",
    )
    .bind(now)
    .bind(queued_before)
    .bind(i64::from(MAXIMUM_ATTEMPTS))
    .fetch_all(&mut *store.connection().await?)
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
