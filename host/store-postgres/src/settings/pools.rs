//! Pools, and what holds their slots.

use airlock_core::id::TenantId;
use airlock_store::settings::{DEFAULT_POOL, PoolRow, PoolUse};
use airlock_store::{Page, Paged, Pattern, StoreError};
use sqlx::postgres::{PgConnection, PgRow};

use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::list::{List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[("name", "name"), ("pool", "name"), ("id", "name"), ("slots", "slots")];

pub async fn put(store: &PostgresStore, tenant: TenantId, pool: &PoolRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO pools (tenant_id, name, slots, description, include_deferred) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, name) DO UPDATE SET slots = excluded.slots, description = excluded.description,
             include_deferred = excluded.include_deferred",
    )
    .bind(tenant.0)
    .bind(&pool.name)
    .bind(i64::from(pool.slots))
    .bind(&pool.description)
    .bind(pool.include_deferred)
    .execute(&mut *store.connection().await?)
    .await
    .map_err(|error| Failure::from(error).or_missing("tenant", &tenant.to_string()))?;
    Ok(())
}

pub async fn create(store: &PostgresStore, tenant: TenantId, pool: &PoolRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO pools (tenant_id, name, slots, description, include_deferred) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tenant.0)
    .bind(&pool.name)
    .bind(i64::from(pool.slots))
    .bind(&pool.description)
    .bind(pool.include_deferred)
    .execute(&mut *store.connection().await?)
    .await
    .map_err(|error| Failure::from(error).or_exists("pool", &pool.name).or_missing("tenant", &tenant.to_string()))?;
    Ok(())
}

pub async fn get(store: &PostgresStore, tenant: TenantId, name: &str) -> Result<Option<(PoolRow, PoolUse)>> {
    let mut snapshot = store.snapshot().await?;
    let row = sqlx::query("SELECT * FROM pools WHERE tenant_id = $1 AND name = $2")
        .bind(tenant.0)
        .bind(name)
        .fetch_optional(&mut *snapshot)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let pool = pool_row(&row)?;
    let held = pool_use(&mut snapshot, tenant, &pool.name).await?;
    Ok(Some((pool, held)))
}

pub async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    pattern: &Pattern,
    page: &Page,
) -> Result<Paged<(PoolRow, PoolUse)>> {
    let mut snapshot = store.snapshot().await?;
    let mut list = List::new("FROM pools", "tenant_id", tenant);
    list.like("name", pattern);
    let (rows, total) = list.fetch(&mut snapshot, "*", ORDERS, "name", page).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let pool = pool_row(row)?;
        let held = pool_use(&mut snapshot, tenant, &pool.name).await?;
        items.push((pool, held));
    }
    Ok(Paged { items, total })
}

pub async fn delete(store: &PostgresStore, tenant: TenantId, name: &str) -> Result<bool> {
    if name == DEFAULT_POOL {
        return Err(StoreError::Conflict(format!("`{DEFAULT_POOL}` cannot be deleted")).into());
    }
    let delete = sqlx::query("DELETE FROM pools WHERE tenant_id = $1 AND name = $2").bind(tenant.0).bind(name);
    Ok(delete.execute(&mut *store.connection().await?).await?.rows_affected() > 0)
}

pub fn pool_row(row: &PgRow) -> Result<PoolRow> {
    Ok(PoolRow {
        name: row.get("name")?,
        slots: row.number("slots")?,
        description: row.get("description")?,
        include_deferred: row.get("include_deferred")?,
    })
}

/// Each number from a partial index that holds just such rows, whose conditions must stand here word for word.
async fn pool_use(connection: &mut PgConnection, tenant: TenantId, pool: &str) -> Result<PoolUse> {
    let row = sqlx::query(
        "SELECT
             (SELECT coalesce(sum(pool_slots), 0)::bigint FROM queue
              WHERE tenant_id = $1 AND pool = $2 AND pool_slots >= 0 AND state = 'queued') AS queued,
             (SELECT coalesce(sum(pool_slots), 0)::bigint FROM queue
              WHERE tenant_id = $1 AND pool = $2 AND pool_slots >= 0 AND state <> 'queued') AS running,
             (SELECT coalesce(sum(pool_slots), 0)::bigint FROM task_instances
              WHERE tenant_id = $1 AND pool = $2 AND state IN ('deferred', 'awaiting_input') AND state = 'deferred')
                 AS deferred,
             (SELECT coalesce(sum(pool_slots), 0)::bigint FROM task_instances
              WHERE tenant_id = $1 AND pool = $2 AND state = 'scheduled') AS scheduled",
    )
    .bind(tenant.0)
    .bind(pool)
    .fetch_one(connection)
    .await?;
    Ok(PoolUse {
        queued: row.number("queued")?,
        running: row.number("running")?,
        deferred: row.number("deferred")?,
        scheduled: row.number("scheduled")?,
    })
}
