//! What was cleaned away and kept.

use airlock_core::id::TenantId;
use airlock_core::retention::CleanTable;
use airlock_store::retention::ArchivedRow;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Column, Row, TypeInfo, ValueRef};

use super::names;
use crate::error::Result;
use crate::row::{Columns, micros};
use crate::{SqliteStore, begin};

/// Keeps these rows of a table as they are.
pub async fn keep(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    cleaned: CleanTable,
    source: &str,
    rows: &[SqliteRow],
    now: DateTime<Utc>,
) -> Result<()> {
    let contents = rows.iter().map(content).collect::<Result<Vec<_>>>()?;
    sqlx::query(
        "INSERT INTO archived_rows (tenant_id, archived_at, cleaned, source, content)
         SELECT ?1, ?2, ?3, ?4, value FROM json_each(?5)",
    )
    .bind(tenant.0)
    .bind(micros(now))
    .bind(cleaned.as_str())
    .bind(source)
    .bind(Value::from(contents).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// A row's columns by name; bytes are hexadecimal. A column `position` belongs to the statement, not to the table.
fn content(row: &SqliteRow) -> Result<Value> {
    let mut content = Map::new();
    for column in row.columns().iter().filter(|column| column.name() != "position") {
        let name = column.name();
        let raw = row.try_get_raw(name)?;
        let value = match (raw.is_null(), raw.type_info().name()) {
            (true, _) => Value::Null,
            (_, "INTEGER") => row.integer(name)?.into(),
            (_, "BLOB") => row.bytes(name)?.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
            _ => row.text(name)?.into(),
        };
        content.insert(name.to_owned(), value);
    }
    Ok(Value::Object(content))
}

pub async fn count(store: &SqliteStore, tenant: TenantId) -> Result<Vec<(CleanTable, u64)>> {
    let rows = sqlx::query(
        "SELECT cleaned, count(*) AS rows FROM archived_rows WHERE tenant_id = ?1 GROUP BY cleaned ORDER BY cleaned",
    )
    .bind(tenant.0)
    .fetch_all(&mut *store.reader().await)
    .await?;
    rows.iter().map(|row| Ok((row.name("cleaned")?, row.number("rows")?))).collect()
}

pub async fn list(
    store: &SqliteStore,
    tenant: TenantId,
    tables: &[CleanTable],
    after: i64,
    limit: u32,
) -> Result<Vec<ArchivedRow>> {
    let rows = sqlx::query(
        "SELECT * FROM archived_rows
         WHERE tenant_id = ?1 AND archive_id > ?2 AND cleaned IN (SELECT value FROM json_each(?3))
         ORDER BY archive_id LIMIT ?4",
    )
    .bind(tenant.0)
    .bind(after)
    .bind(names(tables))
    .bind(limit)
    .fetch_all(&mut *store.reader().await)
    .await?;
    let archived = |row: &SqliteRow| {
        Ok(ArchivedRow {
            id: row.integer("archive_id")?,
            archived_at: row.instant("archived_at")?,
            table: row.name("cleaned")?,
            source: row.text("source")?,
            content: row.json("content")?,
        })
    };
    rows.iter().map(archived).collect()
}

pub async fn drop(store: &SqliteStore, tenant: TenantId, tables: &[CleanTable], up_to: i64, limit: u32) -> Result<u64> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let done = sqlx::query(
        "DELETE FROM archived_rows WHERE archive_id IN (
             SELECT archive_id FROM archived_rows
             WHERE tenant_id = ?1 AND archive_id <= ?2 AND cleaned IN (SELECT value FROM json_each(?3))
             ORDER BY archive_id LIMIT ?4)",
    )
    .bind(tenant.0)
    .bind(up_to)
    .bind(names(tables))
    .bind(limit)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(done.rows_affected())
}
