//! Tries that wait to be settled: reported ones, and those whose worker is silent.

use airlock_core::id::{RunKey, TenantId};
use airlock_store::driving::{ExpiredTry, ReportedTry};
use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use crate::error::Result;
use crate::row::{Columns, micros};
use crate::{SqliteStore, begin};

pub async fn reported(store: &SqliteStore, owner: Uuid, limit: u32) -> Result<Vec<ReportedTry>> {
    // From one tenant to the next by the index, so that the cost is in what is answered and not in all that waits.
    let rows = sqlx::query(
        "WITH RECURSIVE tenants (tenant_id) AS (
             SELECT min(tenant_id) FROM queue WHERE state = 'reported'
             UNION ALL
             SELECT (SELECT min(q.tenant_id) FROM queue q WHERE q.state = 'reported' AND q.tenant_id > t.tenant_id)
             FROM tenants t WHERE t.tenant_id IS NOT NULL
         )
         SELECT q.tenant_id, q.run_key, q.instance_id, q.try_number, q.lease_token, q.hostname, q.started_at, q.ended_at,
             q.result, q.rendered_fields, q.outlet_events
         FROM tenants t CROSS JOIN queue q
         WHERE q.position IN (
             SELECT o.position FROM queue o CROSS JOIN active_runs a ON a.tenant_id = o.tenant_id AND a.run_key = o.run_key
             WHERE o.state = 'reported' AND o.tenant_id = t.tenant_id AND a.owner = ?1
             ORDER BY o.ended_at LIMIT ?2 + 0)
         ORDER BY row_number() OVER (PARTITION BY q.tenant_id ORDER BY q.ended_at), q.ended_at LIMIT ?2 + 0",
    )
    .bind(owner)
    .bind(limit)
    .fetch_all(&mut *store.reader().await)
    .await?;
    rows.iter().map(reported_try).collect()
}

pub async fn expired(store: &SqliteStore, owner: Uuid, now: DateTime<Utc>, limit: u32) -> Result<Vec<ExpiredTry>> {
    if !any_expired(&mut *store.reader().await, now).await? {
        return Ok(Vec::new());
    }
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    // The token changes here and not when the loss is settled: from now on the silent worker's result is refused, so that it
    // cannot come between the decision that the try is lost and its commit. A token that has been changed before stays.
    let rows = sqlx::query(
        "UPDATE queue
         SET fenced_token = CASE WHEN worker IS NULL THEN fenced_token ELSE lease_token END,
             lease_token = CASE WHEN worker IS NULL THEN lease_token ELSE randomblob(16) END,
             worker = NULL
         WHERE position IN (
             SELECT q.position FROM queue q CROSS JOIN active_runs a ON a.tenant_id = q.tenant_id AND a.run_key = q.run_key
             WHERE q.state = 'running' AND q.lease_until < ?2 AND a.owner = ?1 ORDER BY q.lease_until LIMIT ?3 + 0)
         RETURNING tenant_id, run_key, instance_id, try_number, lease_token, hostname, started_at",
    )
    .bind(owner)
    .bind(micros(now))
    .bind(limit)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    rows.iter().map(expired_try).collect()
}

async fn any_expired(connection: &mut SqliteConnection, now: DateTime<Utc>) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM queue WHERE state = 'running' AND lease_until < ?1)")
        .bind(micros(now))
        .fetch_one(connection)
        .await?)
}

fn run_key(row: &SqliteRow) -> Result<RunKey> {
    Ok(RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? })
}

fn reported_try(row: &SqliteRow) -> Result<ReportedTry> {
    Ok(ReportedTry {
        run: run_key(row)?,
        instance: row.uuid("instance_id")?,
        try_number: row.number("try_number")?,
        lease_token: row.uuid("lease_token")?,
        hostname: row.optional_text("hostname")?,
        started_at: row.instant("started_at")?,
        ended_at: row.instant("ended_at")?,
        result: row.json("result")?,
        rendered_fields: row.optional_json("rendered_fields")?,
        outlet_events: row.optional_json("outlet_events")?.unwrap_or_default(),
    })
}

fn expired_try(row: &SqliteRow) -> Result<ExpiredTry> {
    Ok(ExpiredTry {
        run: run_key(row)?,
        instance: row.uuid("instance_id")?,
        try_number: row.number("try_number")?,
        lease_token: row.uuid("lease_token")?,
        hostname: row.optional_text("hostname")?,
        started_at: row.optional_instant("started_at")?,
    })
}
