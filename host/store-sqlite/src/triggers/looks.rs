//! Workers look at triggers.

use airlock_store::support::storable;
use airlock_store::triggers::{ClaimedTrigger, Look, LookOutcome};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::run_key;
use crate::error::Result;
use crate::row::{Columns, micros, optional_micros};
use crate::{SqliteStore, begin};

pub async fn claim(
    store: &SqliteStore,
    limit: u32,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<ClaimedTrigger>> {
    // Most often there is nothing, which a reader finds without waiting for those who write.
    let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM triggers WHERE next_look_at <= ?1)")
        .bind(micros(now))
        .fetch_one(&mut *store.reader().await)
        .await?;
    if !any {
        return Ok(Vec::new());
    }
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let claimed: Vec<i64> = sqlx::query_scalar(
        "UPDATE triggers SET next_look_at = ?2, lease_token = randomblob(16)
         WHERE trigger_id IN (SELECT trigger_id FROM triggers WHERE next_look_at <= ?1 ORDER BY next_look_at LIMIT ?3)
         RETURNING trigger_id",
    )
    .bind(micros(now))
    .bind(micros(until))
    .bind(limit)
    .fetch_all(&mut *transaction)
    .await?;
    let rows = sqlx::query(
        "SELECT t.trigger_id, t.lease_token, t.tenant_id, t.run_key, t.instance_id, t.try_number, t.definition, t.looks,
             t.troubles, i.task_id, i.map_index, r.dag_id, r.run_id, r.dag_version
         FROM json_each(?1) n CROSS JOIN triggers t ON t.trigger_id = n.value
         CROSS JOIN task_instances i ON i.tenant_id = t.tenant_id AND i.instance_id = t.instance_id
         CROSS JOIN dag_runs r ON r.tenant_id = t.tenant_id AND r.run_key = t.run_key",
    )
    .bind(Value::from(claimed).to_string())
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    rows.iter().map(claimed_trigger).collect()
}

fn claimed_trigger(row: &SqliteRow) -> Result<ClaimedTrigger> {
    Ok(ClaimedTrigger {
        id: row.integer("trigger_id")?,
        lease_token: row.uuid("lease_token")?,
        run: run_key(row)?,
        instance: row.uuid("instance_id")?,
        dag_id: row.text("dag_id")?,
        run_id: row.text("run_id")?,
        dag_version: row.number("dag_version")?,
        task_id: row.text("task_id")?,
        map_index: row.number("map_index")?,
        try_number: row.number("try_number")?,
        trigger: row.json("definition")?,
        looks: row.number("looks")?,
        troubles: row.number("troubles")?,
    })
}

pub async fn conclude(store: &SqliteStore, look: &Look) -> Result<bool> {
    let (next_look_at, troubles, event) = match &look.outcome {
        LookOutcome::Again { next_look_at, troubles } => (*next_look_at, *troubles, None),
        LookOutcome::Over(event) => (None, 0, Some(serde_json::to_string(event)?)),
    };
    let concluded = sqlx::query(
        "UPDATE triggers
         SET lease_token = NULL, next_look_at = ?4, looks = looks + (?5 = 0), troubles = ?5, last_look_at = ?6,
             last_hostname = ?7, last_saw = ?8, event = ?9, ended_at = CASE WHEN ?9 IS NOT NULL THEN ?6 END
         WHERE tenant_id = ?1 AND trigger_id = ?2 AND lease_token = ?3",
    )
    .bind(look.tenant.0)
    .bind(look.id)
    .bind(look.lease_token)
    .bind(optional_micros(next_look_at))
    .bind(troubles)
    .bind(micros(look.at))
    .bind(&look.hostname)
    .bind(storable(&look.saw))
    .bind(event)
    .execute(&mut *store.writer().await)
    .await?;
    Ok(concluded.rows_affected() > 0)
}
