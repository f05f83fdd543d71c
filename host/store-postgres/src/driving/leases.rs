//! Leases of runs.

use std::collections::HashSet;

use airlock_core::id::{RunKey, TenantId};
use airlock_store::driving::RestingRun;
use airlock_store::support::batch::{RunJson, to_json};
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

/// A run by its names, with what says who holds it.
macro_rules! active_run {
    ($tenant:literal, $run:literal) => {
        concat!(
            "SELECT r.tenant_id, r.run_key, r.epoch, a.owner FROM dag_runs r, active_runs a
             WHERE r.tenant_id = ",
            $tenant,
            " AND r.run_key = ",
            $run,
            " AND a.tenant_id = ",
            $tenant,
            " AND a.run_key = ",
            $run,
            " OFFSET 0"
        )
    };
}
pub(super) use active_run;

/// What both statements here are, with and without locks; the first in the order of locks.
macro_rules! held_runs {
    ($lock:literal) => {
        concat!(
            "SELECT h.tenant_id, h.run_key
             FROM (
                 SELECT * FROM json_to_recordset($1::json) AS n (tenant bigint, run bigint, epoch bigint) ORDER BY tenant, run
             ) n CROSS JOIN LATERAL (",
            active_run!("n.tenant", "n.run"),
            $lock,
            ") h WHERE h.epoch = n.epoch AND h.owner = $2"
        )
    };
}

/// Of these runs with their epochs, those that this owner holds at just that epoch.
pub async fn held(connection: &mut PgConnection, owner: Uuid, runs: &[(RunKey, i64)]) -> Result<HashSet<RunKey>> {
    fetch(connection, held_runs!(""), owner, runs).await
}

/// As [`held`], and locks them. A run's lock is that of its row, and after it that of its active row.
pub async fn lock_held(connection: &mut PgConnection, owner: Uuid, runs: &[(RunKey, i64)]) -> Result<HashSet<RunKey>> {
    if runs.is_empty() {
        return Ok(HashSet::new());
    }
    fetch(connection, held_runs!(" FOR NO KEY UPDATE OF r, a"), owner, runs).await
}

async fn fetch(
    connection: &mut PgConnection,
    statement: &'static str,
    owner: Uuid,
    runs: &[(RunKey, i64)],
) -> Result<HashSet<RunKey>> {
    let names = to_json(runs.iter().map(|(key, epoch)| RunJson::new(*key, *epoch)))?;
    let rows = sqlx::query(statement).bind(names).bind(owner).fetch_all(connection).await?;
    rows.iter().map(run_key).collect()
}

pub fn run_key(row: &PgRow) -> Result<RunKey> {
    Ok(RunKey { tenant: TenantId(row.get("tenant_id")?), id: row.get("run_key")? })
}
