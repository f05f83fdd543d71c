//! Versions of a DAG.

use airlock_core::id::TenantId;
use airlock_store::dags::DagVersion;
use airlock_store::{Page, Paged};
use sqlx::postgres::{PgConnection, PgRow};

use super::content::{VersionName, find_content};
use crate::PostgresStore;
use crate::error::Result;
use crate::list::{List, Orders};
use crate::row::Columns;

const ORDERS: Orders =
    &[("id", "version"), ("version", "version"), ("version_number", "version"), ("dag_id", "dag_id")];

/// All but the document.
macro_rules! columns {
    () => {
        "tenant_id, dag_id, version, version_id, hash, created_at"
    };
}

pub async fn get(store: &PostgresStore, tenant: TenantId, dag_id: &str, version: u32) -> Result<Option<DagVersion>> {
    let mut connection = store.connection().await?;
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM dag_versions WHERE tenant_id = $1 AND dag_id = $2 AND version = $3"
    ))
    .bind(tenant.0)
    .bind(dag_id)
    .bind(i64::from(version))
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) => version_row(store, &mut connection, &row).await,
        None => Ok(None),
    }
}

pub async fn source(store: &PostgresStore, tenant: TenantId, dag_id: &str, version: u32) -> Result<Option<String>> {
    let source =
        sqlx::query_scalar("SELECT source FROM dag_versions WHERE tenant_id = $1 AND dag_id = $2 AND version = $3")
            .bind(tenant.0)
            .bind(dag_id)
            .bind(i64::from(version));
    Ok(source.fetch_optional(&mut *store.connection().await?).await?)
}

pub async fn list(store: &PostgresStore, tenant: TenantId, dag_id: &str, page: &Page) -> Result<Paged<DagVersion>> {
    let mut list = List::new("FROM dag_versions", "tenant_id", tenant);
    list.equal("dag_id = ?", Some(dag_id));
    let mut snapshot = store.snapshot().await?;
    let (rows, total) = list.fetch(&mut snapshot, columns!(), ORDERS, "version DESC", page).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.extend(version_row(store, &mut snapshot, row).await?);
    }
    Ok(Paged { items, total })
}

/// None if it has been deleted since the row was read.
async fn version_row(store: &PostgresStore, connection: &mut PgConnection, row: &PgRow) -> Result<Option<DagVersion>> {
    let (id, dag_id, version) = (row.get("version_id")?, row.get::<String>("dag_id")?, row.number("version")?);
    let name = VersionName { id, tenant: TenantId(row.get("tenant_id")?), dag_id: &dag_id, version };
    let Some(dag) = find_content(store, connection, name).await? else { return Ok(None) };
    Ok(Some(DagVersion { id, version, hash: row.get("hash")?, dag, created_at: row.get("created_at")?, dag_id }))
}
