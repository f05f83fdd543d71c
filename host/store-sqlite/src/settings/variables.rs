//! Variables.

use airlock_core::id::TenantId;
use airlock_store::settings::{Sealed, VariableRow};
use airlock_store::{Page, Paged, Pattern};
use sqlx::Connection;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::error::{Failure, Result};
use crate::list::{List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[("key", "key"), ("id", "key"), ("_id", "key"), ("description", "description")];

pub async fn put(store: &SqliteStore, tenant: TenantId, variable: &VariableRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO variables (tenant_id, key, value, description) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET value = excluded.value, description = excluded.description",
    )
    .bind(tenant.0)
    .bind(&variable.key)
    .bind(&variable.value.0)
    .bind(&variable.description)
    .execute(&mut *store.writer().await)
    .await
    .map_err(|error| Failure::from(error).or_missing("tenant", &tenant.to_string()))?;
    Ok(())
}

pub async fn create(store: &SqliteStore, tenant: TenantId, variable: &VariableRow) -> Result<()> {
    sqlx::query("INSERT INTO variables (tenant_id, key, value, description) VALUES (?1, ?2, ?3, ?4)")
        .bind(tenant.0)
        .bind(&variable.key)
        .bind(&variable.value.0)
        .bind(&variable.description)
        .execute(&mut *store.writer().await)
        .await
        .map_err(|error| {
            Failure::from(error).or_exists("variable", &variable.key).or_missing("tenant", &tenant.to_string())
        })?;
    Ok(())
}

pub async fn get(store: &SqliteStore, tenant: TenantId, key: &str) -> Result<Option<VariableRow>> {
    let rows = sqlx::query("SELECT * FROM variables WHERE tenant_id = ?1 AND key = ?2").bind(tenant.0).bind(key);
    rows.fetch_optional(&mut *store.reader().await).await?.as_ref().map(variable_row).transpose()
}

pub async fn list(store: &SqliteStore, tenant: TenantId, pattern: &Pattern, page: &Page) -> Result<Paged<VariableRow>> {
    let mut list = List::new("FROM variables", "tenant_id", tenant);
    list.like("key", pattern);
    let mut reader = store.reader().await;
    let (rows, total) = list.fetch(&mut *reader.begin().await?, "*", ORDERS, "key", page).await?;
    Ok(Paged { items: rows.iter().map(variable_row).collect::<Result<_>>()?, total })
}

pub async fn delete(store: &SqliteStore, tenant: TenantId, key: &str) -> Result<bool> {
    let delete = sqlx::query("DELETE FROM variables WHERE tenant_id = ?1 AND key = ?2").bind(tenant.0).bind(key);
    Ok(delete.execute(&mut *store.writer().await).await?.rows_affected() > 0)
}

fn variable_row(row: &SqliteRow) -> Result<VariableRow> {
    Ok(VariableRow {
        key: row.text("key")?,
        value: Sealed(row.bytes("value")?),
        description: row.optional_text("description")?,
    })
}
