//! Versions of a DAG.

use airlock_core::id::TenantId;
use airlock_store::dags::DagVersion;
use airlock_store::{Page, Paged};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::content::{VersionName, find_content};
use crate::SqliteStore;
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

pub async fn get(store: &SqliteStore, tenant: TenantId, dag_id: &str, version: u32) -> Result<Option<DagVersion>> {
    let mut connection = store.reader().await;
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM dag_versions WHERE tenant_id = ?1 AND dag_id = ?2 AND version = ?3"
    ))
    .bind(tenant.0)
    .bind(dag_id)
    .bind(version)
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) => version_row(store, &mut connection, &row).await,
        None => Ok(None),
    }
}

pub async fn source(store: &SqliteStore, tenant: TenantId, dag_id: &str, version: u32) -> Result<Option<String>> {
    let source =
        sqlx::query_scalar("SELECT source FROM dag_versions WHERE tenant_id = ?1 AND dag_id = ?2 AND version = ?3")
            .bind(tenant.0)
            .bind(dag_id)
            .bind(version);
    Ok(source.fetch_optional(&mut *store.reader().await).await?)
}

pub async fn list(store: &SqliteStore, tenant: TenantId, dag_id: &str, page: &Page) -> Result<Paged<DagVersion>> {
    let mut list = List::new("FROM dag_versions", "tenant_id", tenant);
    list.text("dag_id = ?", dag_id);
    let mut reader = store.reader().await;
    let mut snapshot = reader.begin().await?;
    let (rows, total) = list.fetch(&mut snapshot, columns!(), ORDERS, "version DESC", page).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.extend(version_row(store, &mut snapshot, row).await?);
    }
    Ok(Paged { items, total })
}

/// None if it has been deleted since the row was read.
async fn version_row(
    store: &SqliteStore,
    connection: &mut SqliteConnection,
    row: &SqliteRow,
) -> Result<Option<DagVersion>> {
    let (id, dag_id, version) = (row.uuid("version_id")?, row.text("dag_id")?, row.number("version")?);
    let name = VersionName { id, tenant: TenantId(row.integer("tenant_id")?), dag_id: &dag_id, version };
    let Some(dag) = find_content(store, connection, name).await? else { return Ok(None) };
    Ok(Some(DagVersion { id, version, hash: row.text("hash")?, dag, created_at: row.instant("created_at")?, dag_id }))
}
