//! Workers look at triggers.

use airlock_store::support::storable;
use airlock_store::triggers::{ClaimedTrigger, Look, LookOutcome};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::driving::run_key;
use crate::error::Result;
use crate::row::Columns;

pub async fn claim(
    store: &PostgresStore,
    limit: u32,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<ClaimedTrigger>> {
    let rows = sqlx::query(
        "WITH due AS MATERIALIZED (
             SELECT trigger_id FROM triggers WHERE next_look_at <= $1
             ORDER BY next_look_at LIMIT $3 FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE triggers SET next_look_at = $2, lease_token = gen_random_uuid()
             WHERE trigger_id IN (SELECT trigger_id FROM due)
             RETURNING *
         )
         SELECT t.trigger_id, t.lease_token, t.tenant_id, t.run_key, t.instance_id, t.try_number, t.definition, t.looks,
             t.troubles, i.task_id, i.map_index, r.dag_id, r.run_id, r.dag_version
         FROM claimed t JOIN task_instances i ON i.tenant_id = t.tenant_id AND i.instance_id = t.instance_id
         JOIN dag_runs r ON r.tenant_id = t.tenant_id AND r.run_key = t.run_key",
    )
    .bind(now)
    .bind(until)
    .bind(i64::from(limit))
    .fetch_all(&mut *store.connection().await?)
    .await?;
    rows.iter().map(claimed_trigger).collect()
}

fn claimed_trigger(row: &PgRow) -> Result<ClaimedTrigger> {
    Ok(ClaimedTrigger {
        id: row.get("trigger_id")?,
        lease_token: row.get("lease_token")?,
        run: run_key(row)?,
        instance: row.get("instance_id")?,
        dag_id: row.get("dag_id")?,
        run_id: row.get("run_id")?,
        dag_version: row.number("dag_version")?,
        task_id: row.get("task_id")?,
        map_index: row.get("map_index")?,
        try_number: row.number("try_number")?,
        trigger: row.json("definition")?,
        looks: row.number("looks")?,
        troubles: row.number("troubles")?,
    })
}

pub async fn conclude(store: &PostgresStore, look: &Look) -> Result<bool> {
    let (next_look_at, troubles, event) = match &look.outcome {
        LookOutcome::Again { next_look_at, troubles } => (*next_look_at, *troubles, None),
        LookOutcome::Over(event) => (None, 0, Some(serde_json::to_string(event)?)),
    };
    let concluded = sqlx::query(
        "UPDATE triggers
         SET lease_token = NULL, next_look_at = $4, looks = looks + ($5 = 0)::int, troubles = $5, last_look_at = $6,
             last_hostname = $7, last_saw = $8, event = $9::json, ended_at = CASE WHEN $9 IS NOT NULL THEN $6 END
         WHERE tenant_id = $1 AND trigger_id = $2 AND lease_token = $3",
    )
    .bind(look.tenant.0)
    .bind(look.id)
    .bind(look.lease_token)
    .bind(next_look_at)
    .bind(i64::from(troubles))
    .bind(look.at)
    .bind(&look.hostname)
    .bind(storable(&look.saw))
    .bind(event)
    .execute(&mut *store.connection().await?)
    .await?;
    Ok(concluded.rows_affected() > 0)
}
