//! Tries that wait to be settled: reported ones, and those whose worker is silent.

use airlock_store::driving::{ExpiredTry, ReportedTry};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::leases::run_key;
use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

pub async fn reported(store: &PostgresStore, owner: Uuid, limit: u32) -> Result<Vec<ReportedTry>> {
    let mut connection = store.kept.acquire().await?;
    // From one tenant to the next by the index, so that the cost is in what is answered and not in all that waits.
    let rows = sqlx::query(
        "WITH RECURSIVE tenants (tenant_id) AS (
             SELECT min(tenant_id) FROM queue WHERE state = 'reported'
             UNION ALL
             SELECT (SELECT min(q.tenant_id) FROM queue q WHERE q.state = 'reported' AND q.tenant_id > t.tenant_id)
             FROM tenants t WHERE t.tenant_id IS NOT NULL
         )
         SELECT r.* FROM tenants t CROSS JOIN LATERAL (
             SELECT q.tenant_id, q.run_key, q.instance_id, q.try_number, q.lease_token, q.hostname, q.started_at, q.ended_at,
                 q.result, q.rendered_fields, q.outlet_events, row_number() OVER (ORDER BY q.ended_at) AS place
             FROM queue q
             CROSS JOIN LATERAL (SELECT owner FROM active_runs WHERE tenant_id = q.tenant_id AND run_key = q.run_key OFFSET 0) a
             WHERE q.state = 'reported' AND q.tenant_id = t.tenant_id AND a.owner = $1 ORDER BY q.ended_at LIMIT $2
         ) r
         ORDER BY r.place, r.ended_at LIMIT $2",
    )
    .bind(owner)
    .bind(i64::from(limit))
    .fetch_all(&mut *connection)
    .await?;
    store.kept.keep(connection);
    rows.iter().map(reported_try).collect()
}

pub async fn expired(store: &PostgresStore, owner: Uuid, now: DateTime<Utc>, limit: u32) -> Result<Vec<ExpiredTry>> {
    // The token changes here and not when the loss is settled: from now on the silent worker's result is refused, so that it
    // cannot come between the decision that the try is lost and its commit. A token that has been changed before stays.
    // Rows that somebody holds are being reported or settled at this moment, and are not lost.
    let rows = sqlx::query(
        "WITH expired AS MATERIALIZED (
             SELECT q.tenant_id, q.instance_id FROM queue q
             JOIN active_runs a ON a.tenant_id = q.tenant_id AND a.run_key = q.run_key
             WHERE q.state = 'running' AND q.lease_until < $2 AND a.owner = $1
             ORDER BY q.lease_until LIMIT $3 FOR UPDATE OF q SKIP LOCKED
         )
         UPDATE queue AS q
         SET fenced_token = CASE WHEN q.worker IS NULL THEN q.fenced_token ELSE q.lease_token END,
             lease_token = CASE WHEN q.worker IS NULL THEN q.lease_token ELSE gen_random_uuid() END,
             worker = NULL
         FROM expired e WHERE q.tenant_id = e.tenant_id AND q.instance_id = e.instance_id
         RETURNING q.tenant_id, q.run_key, q.instance_id, q.try_number, q.lease_token, q.hostname, q.started_at",
    )
    .bind(owner)
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(&mut *store.connection().await?)
    .await?;
    rows.iter().map(expired_try).collect()
}

fn reported_try(row: &PgRow) -> Result<ReportedTry> {
    Ok(ReportedTry {
        run: run_key(row)?,
        instance: row.get("instance_id")?,
        try_number: row.number("try_number")?,
        lease_token: row.get("lease_token")?,
        hostname: row.get("hostname")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        result: row.json("result")?,
        rendered_fields: row.optional_json("rendered_fields")?,
        outlet_events: row.optional_json("outlet_events")?.unwrap_or_default(),
    })
}

fn expired_try(row: &PgRow) -> Result<ExpiredTry> {
    Ok(ExpiredTry {
        run: run_key(row)?,
        instance: row.get("instance_id")?,
        try_number: row.number("try_number")?,
        lease_token: row.get("lease_token")?,
        hostname: row.get("hostname")?,
        started_at: row.get("started_at")?,
    })
}
