//! Leases of runs.

use std::collections::HashSet;

use airlock_core::id::{RunKey, TenantId};
use airlock_store::driving::RestingRun;
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

pub async fn renew(store: &PostgresStore, owner: Uuid, until: DateTime<Utc>) -> Result<u64> {
    let update = sqlx::query(
        "WITH own AS MATERIALIZED (
             SELECT tenant_id, run_key FROM active_runs WHERE owner = $1 ORDER BY tenant_id, run_key FOR NO KEY UPDATE
         )
         UPDATE active_runs a SET lease_until = $2 FROM own
         WHERE a.tenant_id = own.tenant_id AND a.run_key = own.run_key",
    )
    .bind(owner)
    .bind(until);
    Ok(update.execute(&mut *store.connection().await?).await?.rows_affected())
}

/// Waits that have ended need no look here: whoever takes runs looks for them.
pub async fn rest(store: &PostgresStore, owner: Uuid, runs: &[RestingRun]) -> Result<u64> {
    let held: Vec<(RunKey, i64)> = runs.iter().map(|run| (run.key, run.epoch)).collect();
    let mut transaction = store.begin().await?;
    let held = lock_held(&mut transaction, owner, &held).await?;
    let resting: Vec<&RestingRun> = runs.iter().filter(|run| held.contains(&run.key)).collect();
    let update = sqlx::query(
        "UPDATE active_runs a SET owner = NULL, lease_until = coalesce(n.until, 'infinity')
         FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) n (tenant_id, run_key, until)
         WHERE a.tenant_id = n.tenant_id AND a.run_key = n.run_key",
    )
    .bind(resting.iter().map(|run| run.key.tenant.0).collect::<Vec<_>>())
    .bind(resting.iter().map(|run| run.key.id).collect::<Vec<_>>())
    .bind(resting.iter().map(|run| run.until).collect::<Vec<_>>());
    let rested = update.execute(&mut *transaction).await?.rows_affected();
    transaction.commit().await?;
    Ok(rested)
}

pub async fn release(store: &PostgresStore, owner: Uuid) -> Result<u64> {
    let update = sqlx::query(
        "WITH own AS MATERIALIZED (
             SELECT tenant_id, run_key FROM active_runs WHERE owner = $1 ORDER BY tenant_id, run_key FOR NO KEY UPDATE
         )
         UPDATE active_runs a SET owner = NULL, lease_until = NULL FROM own
         WHERE a.tenant_id = own.tenant_id AND a.run_key = own.run_key",
    )
    .bind(owner);
    Ok(update.execute(&mut *store.connection().await?).await?.rows_affected())
}

/// Takes a run from whoever drives it. The caller has its lock.
pub async fn give_up(connection: &mut PgConnection, key: RunKey) -> Result<()> {
    let update =
        sqlx::query("UPDATE active_runs SET owner = NULL, lease_until = NULL WHERE tenant_id = $1 AND run_key = $2");
    update.bind(key.tenant.0).bind(key.id).execute(connection).await?;
    Ok(())
}

/// What both statements here read.
macro_rules! held {
    () => {
        "SELECT a.tenant_id, a.run_key
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) n (tenant_id, run_key, epoch)
         JOIN dag_runs r ON r.tenant_id = n.tenant_id AND r.run_key = n.run_key
         JOIN active_runs a ON a.tenant_id = r.tenant_id AND a.run_key = r.run_key
         WHERE a.owner = $4 AND r.epoch = n.epoch"
    };
}

/// Of these runs with their epochs, those that this owner holds at just that epoch.
pub async fn held(connection: &mut PgConnection, owner: Uuid, runs: &[(RunKey, i64)]) -> Result<HashSet<RunKey>> {
    fetch(connection, held!(), owner, runs).await
}

/// As [`held`], and locks them. A run's lock is that of its row, and after it that of its active row.
pub async fn lock_held(connection: &mut PgConnection, owner: Uuid, runs: &[(RunKey, i64)]) -> Result<HashSet<RunKey>> {
    if runs.is_empty() {
        return Ok(HashSet::new());
    }
    let lock = concat!(held!(), " ORDER BY r.tenant_id, r.run_key FOR NO KEY UPDATE OF r, a");
    fetch(connection, lock, owner, runs).await
}

async fn fetch(
    connection: &mut PgConnection,
    statement: &'static str,
    owner: Uuid,
    runs: &[(RunKey, i64)],
) -> Result<HashSet<RunKey>> {
    let rows = sqlx::query(statement)
        .bind(runs.iter().map(|(key, _)| key.tenant.0).collect::<Vec<_>>())
        .bind(runs.iter().map(|(key, _)| key.id).collect::<Vec<_>>())
        .bind(runs.iter().map(|(_, epoch)| *epoch).collect::<Vec<_>>())
        .bind(owner)
        .fetch_all(connection)
        .await?;
    rows.iter().map(run_key).collect()
}

pub fn run_key(row: &PgRow) -> Result<RunKey> {
    Ok(RunKey { tenant: TenantId(row.get("tenant_id")?), id: row.get("run_key")? })
}
