//! Connections.

use airlock_core::id::TenantId;
use airlock_store::settings::{ConnectionRow, Sealed};
use airlock_store::{Page, Paged, Pattern};
use sqlx::Connection;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use crate::SqliteStore;
use crate::error::{Failure, Result};
use crate::list::{List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[
    ("conn_id", "conn_id"),
    ("connection_id", "conn_id"),
    ("id", "conn_id"),
    ("conn_type", "conn_type"),
    ("description", "description"),
    ("host", "host"),
    ("port", "port"),
];

const INSERT: &str =
    "INSERT INTO connections (tenant_id, conn_id, conn_type, description, host, login, schema, port, password,
        extra)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

const UPSERT: &str =
    "INSERT INTO connections (tenant_id, conn_id, conn_type, description, host, login, schema, port, password,
        extra)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT DO UPDATE SET conn_type = excluded.conn_type, description = excluded.description, host = excluded.host,
        login = excluded.login, schema = excluded.schema, port = excluded.port, password = excluded.password,
        extra = excluded.extra";

pub async fn put(store: &SqliteStore, tenant: TenantId, connection: &ConnectionRow) -> Result<()> {
    let done = write(UPSERT, tenant, connection).execute(&mut *store.writer().await).await;
    done.map_err(|error| Failure::from(error).or_missing("tenant", &tenant.to_string()))?;
    Ok(())
}

pub async fn create(store: &SqliteStore, tenant: TenantId, connection: &ConnectionRow) -> Result<()> {
    let done = write(INSERT, tenant, connection).execute(&mut *store.writer().await).await;
    done.map_err(|error| {
        Failure::from(error).or_exists("connection", &connection.conn_id).or_missing("tenant", &tenant.to_string())
    })?;
    Ok(())
}

pub async fn get(store: &SqliteStore, tenant: TenantId, conn_id: &str) -> Result<Option<ConnectionRow>> {
    let rows =
        sqlx::query("SELECT * FROM connections WHERE tenant_id = ?1 AND conn_id = ?2").bind(tenant.0).bind(conn_id);
    rows.fetch_optional(&mut *store.reader().await).await?.as_ref().map(connection_row).transpose()
}

pub async fn list(
    store: &SqliteStore,
    tenant: TenantId,
    pattern: &Pattern,
    page: &Page,
) -> Result<Paged<ConnectionRow>> {
    let mut list = List::new("FROM connections", "tenant_id", tenant);
    list.like("conn_id", pattern);
    let mut reader = store.reader().await;
    let (rows, total) = list.fetch(&mut *reader.begin().await?, "*", ORDERS, "conn_id", page).await?;
    Ok(Paged { items: rows.iter().map(connection_row).collect::<Result<_>>()?, total })
}

pub async fn delete(store: &SqliteStore, tenant: TenantId, conn_id: &str) -> Result<bool> {
    let delete =
        sqlx::query("DELETE FROM connections WHERE tenant_id = ?1 AND conn_id = ?2").bind(tenant.0).bind(conn_id);
    Ok(delete.execute(&mut *store.writer().await).await?.rows_affected() > 0)
}

fn write<'q>(
    statement: &'static str,
    tenant: TenantId,
    connection: &'q ConnectionRow,
) -> Query<'q, sqlx::Sqlite, SqliteArguments> {
    sqlx::query(statement)
        .bind(tenant.0)
        .bind(&connection.conn_id)
        .bind(&connection.conn_type)
        .bind(&connection.description)
        .bind(&connection.host)
        .bind(&connection.login)
        .bind(&connection.schema)
        .bind(connection.port)
        .bind(connection.password.as_ref().map(|sealed| &sealed.0))
        .bind(connection.extra.as_ref().map(|sealed| &sealed.0))
}

fn connection_row(row: &SqliteRow) -> Result<ConnectionRow> {
    let port = row.optional_integer("port")?.map(u16::try_from).transpose();
    Ok(ConnectionRow {
        conn_id: row.text("conn_id")?,
        conn_type: row.text("conn_type")?,
        description: row.optional_text("description")?,
        host: row.optional_text("host")?,
        login: row.optional_text("login")?,
        schema: row.optional_text("schema")?,
        port: port.map_err(|error| Failure::damaged(error.to_string()))?,
        password: row.optional_bytes("password")?.map(Sealed),
        extra: row.optional_bytes("extra")?.map(Sealed),
    })
}
