//! Events that are posted, for triggers that wait for them now or soon.

use airlock_core::id::TenantId;
use airlock_core::outcome::ResumeEvent;
use airlock_core::trigger::event_topic;
use airlock_store::StoreError;
use airlock_store::triggers::{ClaimedTrigger, Posted};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::PostgresStore;
use crate::error::Result;

pub struct Event<'a> {
    pub tenant: TenantId,
    pub name: &'a str,
    pub payload: &'a Value,
    pub now: DateTime<Utc>,
    pub keep_until: DateTime<Utc>,
}

pub async fn post(store: &PostgresStore, event: &Event<'_>, most_kept: u32) -> Result<Posted> {
    let mut transaction = store.begin().await?;
    let woken = sqlx::query(
        "WITH waiting AS MATERIALIZED (
             SELECT trigger_id FROM triggers WHERE tenant_id = $1 AND topic = $2 AND ended_at IS NULL
             ORDER BY trigger_id FOR UPDATE
         )
         UPDATE triggers SET event = $3::json, ended_at = $4, next_look_at = NULL, lease_token = NULL
         WHERE trigger_id IN (SELECT trigger_id FROM waiting)",
    )
    .bind(event.tenant.0)
    .bind(event_topic(event.name))
    .bind(serde_json::to_string(&ResumeEvent::Fired { payload: event.payload.clone() })?)
    .bind(event.now)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if woken == 0 {
        let kept: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM posted_events WHERE tenant_id = $1 AND name <> $2 AND keep_until > $3",
        )
        .bind(event.tenant.0)
        .bind(event.name)
        .bind(event.now)
        .fetch_one(&mut *transaction)
        .await?;
        if kept >= i64::from(most_kept) {
            let reason = format!("{kept} events are kept already, and nobody waits for `{}`", event.name);
            return Err(StoreError::Conflict(reason).into());
        }
        sqlx::query(
            "INSERT INTO posted_events (tenant_id, name, payload, posted_at, keep_until) VALUES ($1, $2, $3::json, $4, $5)
             ON CONFLICT (tenant_id, name) DO UPDATE SET payload = excluded.payload, posted_at = excluded.posted_at,
                 keep_until = excluded.keep_until",
        )
        .bind(event.tenant.0)
        .bind(event.name)
        .bind(event.payload.to_string())
        .bind(event.now)
        .bind(event.keep_until)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(Posted { woken })
}

pub async fn take(store: &PostgresStore, claimed: &ClaimedTrigger, name: &str, now: DateTime<Utc>) -> Result<bool> {
    let mut transaction = store.begin().await?;
    let payload: Option<String> = sqlx::query_scalar(
        "DELETE FROM posted_events WHERE tenant_id = $1 AND name = $2 AND keep_until > $3 RETURNING payload::text",
    )
    .bind(claimed.run.tenant.0)
    .bind(name)
    .bind(now)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(payload) = payload else { return Ok(false) };
    let event = ResumeEvent::Fired { payload: serde_json::from_str(&payload)? };
    let fired = sqlx::query(
        "UPDATE triggers SET event = $4::json, ended_at = $5, next_look_at = NULL, lease_token = NULL
         WHERE tenant_id = $1 AND trigger_id = $2 AND lease_token = $3",
    )
    .bind(claimed.run.tenant.0)
    .bind(claimed.id)
    .bind(claimed.lease_token)
    .bind(serde_json::to_string(&event)?)
    .bind(now)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if fired == 0 {
        // It waits no more: the event stays for the next that does.
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

pub async fn forget(store: &PostgresStore, now: DateTime<Utc>) -> Result<u64> {
    let forgotten = sqlx::query("DELETE FROM posted_events WHERE keep_until <= $1")
        .bind(now)
        .execute(&mut *store.connection().await?)
        .await?;
    Ok(forgotten.rows_affected())
}
