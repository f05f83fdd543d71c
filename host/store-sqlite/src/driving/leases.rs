//! Leases of runs.

use std::collections::HashSet;

use airlock_core::id::{RunKey, TenantId};
use airlock_store::driving::RestingRun;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::row::{Columns, micros};
use crate::{SqliteStore, begin};

/// The end of a rest that has none.
pub const ENDLESS: i64 = i64::MAX;

pub async fn renew(store: &SqliteStore, owner: Uuid, until: DateTime<Utc>) -> Result<u64> {
    let update =
        sqlx::query("UPDATE active_runs SET lease_until = ?2 WHERE owner = ?1").bind(owner).bind(micros(until));
    Ok(update.execute(&mut *store.writer().await).await?.rows_affected())
}

/// Waits that have ended need no look here: whoever takes runs looks for them.
pub async fn rest(store: &SqliteStore, owner: Uuid, runs: &[RestingRun]) -> Result<u64> {
    let values = |run: &RestingRun| {
        Value::from(vec![run.key.tenant.0, run.key.id, run.epoch, run.until.map_or(ENDLESS, micros)])
    };
    let update = sqlx::query(
        "UPDATE active_runs AS a SET owner = NULL, lease_until = n.value ->> 3
         FROM json_each(?1) n JOIN dag_runs r ON r.tenant_id = n.value ->> 0 AND r.run_key = n.value ->> 1
         WHERE a.tenant_id = r.tenant_id AND a.run_key = r.run_key AND a.owner = ?2 AND r.epoch = n.value ->> 2",
    )
    .bind(runs.iter().map(values).collect::<Value>().to_string())
    .bind(owner);
    Ok(update.execute(&mut *store.writer().await).await?.rows_affected())
}

pub async fn release(store: &SqliteStore, owner: Uuid) -> Result<u64> {
    let update = sqlx::query("UPDATE active_runs SET owner = NULL, lease_until = 0 WHERE owner = ?1").bind(owner);
    Ok(update.execute(&mut *store.writer().await).await?.rows_affected())
}

/// Takes a run from whoever drives it.
pub async fn give_up(connection: &mut SqliteConnection, key: RunKey) -> Result<()> {
    let update =
        sqlx::query("UPDATE active_runs SET owner = NULL, lease_until = 0 WHERE tenant_id = ?1 AND run_key = ?2");
    update.bind(key.tenant.0).bind(key.id).execute(connection).await?;
    Ok(())
}

/// Takes every run from whoever drives it, and every try and callback from whoever runs it.
pub async fn end_all(store: &SqliteStore) -> Result<()> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    sqlx::query("UPDATE active_runs SET owner = NULL, lease_until = 0 WHERE owner IS NOT NULL")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("UPDATE queue SET lease_until = 0 WHERE state = 'running'").execute(&mut *transaction).await?;
    sqlx::query("UPDATE callbacks SET lease_until = 0 WHERE state = 'running'").execute(&mut *transaction).await?;
    sqlx::query("UPDATE triggers SET next_look_at = 0, lease_token = NULL WHERE lease_token IS NOT NULL")
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// Of these runs with their epochs, those that this owner holds at just that epoch.
pub async fn held(connection: &mut SqliteConnection, owner: Uuid, runs: &[(RunKey, i64)]) -> Result<HashSet<RunKey>> {
    let names: Value = runs.iter().map(|(key, epoch)| Value::from(vec![key.tenant.0, key.id, *epoch])).collect();
    let rows = sqlx::query(
        "SELECT a.tenant_id, a.run_key
         FROM json_each(?1) n
         CROSS JOIN active_runs a ON a.tenant_id = n.value ->> 0 AND a.run_key = n.value ->> 1
         CROSS JOIN dag_runs r ON r.tenant_id = a.tenant_id AND r.run_key = a.run_key
         WHERE a.owner = ?2 AND r.epoch = n.value ->> 2",
    )
    .bind(names.to_string())
    .bind(owner)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| Ok(RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? }))
        .collect()
}
