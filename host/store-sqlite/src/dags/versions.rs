//! Versions of a DAG.

use airlock_core::id::TenantId;
use airlock_store::dags::DagVersion;
use airlock_store::{Page, Paged};
use sqlx::Connection;
use sqlx::sqlite::SqliteRow;

use super::content::parse;
use crate::SqliteStore;
use crate::error::Result;
use crate::list::{List, Orders};
use crate::row::Columns;

const ORDERS: Orders =
    &[("id", "version"), ("version", "version"), ("version_number", "version"), ("dag_id", "dag_id")];

pub async fn get(store: &SqliteStore, tenant: TenantId, dag_id: &str, version: u32) -> Result<Option<DagVersion>> {
    let rows = sqlx::query("SELECT * FROM dag_versions WHERE tenant_id = ?1 AND dag_id = ?2 AND version = ?3")
        .bind(tenant.0)
        .bind(dag_id)
        .bind(version);
    rows.fetch_optional(&mut *store.reader().await).await?.as_ref().map(version_row).transpose()
}

pub async fn list(store: &SqliteStore, tenant: TenantId, dag_id: &str, page: &Page) -> Result<Paged<DagVersion>> {
    let mut list = List::new("FROM dag_versions", "tenant_id", tenant);
    list.text("dag_id = ?", dag_id);
    let mut reader = store.reader().await;
    let (rows, total) = list.fetch(&mut *reader.begin().await?, "*", ORDERS, "version DESC", page).await?;
    Ok(Paged { items: rows.iter().map(version_row).collect::<Result<_>>()?, total })
}

fn version_row(row: &SqliteRow) -> Result<DagVersion> {
    let dag_id = row.text("dag_id")?;
    let version = row.number("version")?;
    let dag = parse(&row.text("dag")?, &dag_id, version)?;
    Ok(DagVersion {
        id: row.uuid("version_id")?,
        dag_id,
        version,
        hash: row.text("hash")?,
        source: row.text("source")?,
        dag,
        created_at: row.instant("created_at")?,
    })
}
