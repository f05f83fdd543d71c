//! What was cleaned away and kept.

use airlock_core::id::TenantId;
use airlock_core::retention::CleanTable;
use airlock_store::retention::ArchivedRow;

use super::names;
use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

pub async fn count(store: &PostgresStore, tenant: TenantId) -> Result<Vec<(CleanTable, u64)>> {
    let rows = sqlx::query(
        "SELECT cleaned, count(*) AS rows FROM archived_rows WHERE tenant_id = $1 GROUP BY cleaned ORDER BY cleaned",
    )
    .bind(tenant.0)
    .fetch_all(&mut *store.connection().await?)
    .await?;
    rows.iter().map(|row| Ok((row.name("cleaned")?, row.number("rows")?))).collect()
}

pub async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    tables: &[CleanTable],
    after: i64,
    limit: u32,
) -> Result<Vec<ArchivedRow>> {
    let rows = sqlx::query(
        "SELECT * FROM archived_rows
         WHERE tenant_id = $1 AND archive_id > $2 AND cleaned = ANY ($3) ORDER BY archive_id LIMIT $4",
    )
    .bind(tenant.0)
    .bind(after)
    .bind(names(tables))
    .bind(i64::from(limit))
    .fetch_all(&mut *store.connection().await?)
    .await?;
    let archived = |row| {
        Ok(ArchivedRow {
            id: Columns::get(row, "archive_id")?,
            archived_at: Columns::get(row, "archived_at")?,
            table: Columns::name(row, "cleaned")?,
            source: Columns::get(row, "source")?,
            content: Columns::json(row, "content")?,
        })
    };
    rows.iter().map(archived).collect()
}

pub async fn drop(
    store: &PostgresStore,
    tenant: TenantId,
    tables: &[CleanTable],
    up_to: i64,
    limit: u32,
) -> Result<u64> {
    let done = sqlx::query(
        "DELETE FROM archived_rows WHERE tenant_id = $1 AND archive_id IN (
             SELECT archive_id FROM archived_rows
             WHERE tenant_id = $1 AND archive_id <= $2 AND cleaned = ANY ($3) ORDER BY archive_id LIMIT $4)",
    )
    .bind(tenant.0)
    .bind(up_to)
    .bind(names(tables))
    .bind(i64::from(limit))
    .execute(&mut *store.connection().await?)
    .await?;
    Ok(done.rows_affected())
}
