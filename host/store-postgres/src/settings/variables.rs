//! Variables.

use airlock_core::id::TenantId;
use airlock_store::settings::{Sealed, VariableRow};
use airlock_store::{Page, Paged, Pattern};
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::list::{List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[("key", "key"), ("id", "key"), ("_id", "key"), ("description", "description")];

pub async fn put(store: &PostgresStore, tenant: TenantId, variable: &VariableRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO variables (tenant_id, key, value, description) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, key) DO UPDATE SET value = excluded.value, description = excluded.description",
    )
    .bind(tenant.0)
    .bind(&variable.key)
    .bind(&variable.value.0)
    .bind(&variable.description)
    .execute(&mut *store.connection().await?)
    .await
    .map_err(|error| Failure::from(error).or_missing("tenant", &tenant.to_string()))?;
    Ok(())
}

pub async fn create(store: &PostgresStore, tenant: TenantId, variable: &VariableRow) -> Result<()> {
    sqlx::query("INSERT INTO variables (tenant_id, key, value, description) VALUES ($1, $2, $3, $4)")
        .bind(tenant.0)
        .bind(&variable.key)
        .bind(&variable.value.0)
        .bind(&variable.description)
        .execute(&mut *store.connection().await?)
        .await
        .map_err(|error| {
            Failure::from(error).or_exists("variable", &variable.key).or_missing("tenant", &tenant.to_string())
        })?;
    Ok(())
}

pub async fn get(store: &PostgresStore, tenant: TenantId, key: &str) -> Result<Option<VariableRow>> {
    let rows = sqlx::query("SELECT * FROM variables WHERE tenant_id = $1 AND key = $2").bind(tenant.0).bind(key);
    rows.fetch_optional(&mut *store.connection().await?).await?.as_ref().map(variable_row).transpose()
}

pub async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    pattern: &Pattern,
    page: &Page,
) -> Result<Paged<VariableRow>> {
    let mut list = List::new("FROM variables", "tenant_id", tenant);
    list.like("key", pattern);
    let (rows, total) = list.fetch(&mut *store.snapshot().await?, "*", ORDERS, "key", page).await?;
    Ok(Paged { items: rows.iter().map(variable_row).collect::<Result<_>>()?, total })
}

pub async fn delete(store: &PostgresStore, tenant: TenantId, key: &str) -> Result<bool> {
    let delete = sqlx::query("DELETE FROM variables WHERE tenant_id = $1 AND key = $2").bind(tenant.0).bind(key);
    Ok(delete.execute(&mut *store.connection().await?).await?.rows_affected() > 0)
}

fn variable_row(row: &PgRow) -> Result<VariableRow> {
    Ok(VariableRow { key: row.get("key")?, value: Sealed(row.get("value")?), description: row.get("description")? })
}
