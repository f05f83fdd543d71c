//! Which processes are alive.

use airlock_store::StoreResult;
use airlock_store::health::{Health, ProcessRow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::row::Columns;

#[async_trait]
impl Health for PostgresStore {
    async fn process_heartbeat(&self, process: &ProcessRow) -> StoreResult<()> {
        let upsert = sqlx::query(
            "INSERT INTO processes (process_id, role, hostname, version, started_at, heartbeat_at, stopped_at,
                 queues)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (process_id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, stopped_at = excluded.stopped_at",
        )
        .bind(process.id)
        .bind(&process.role)
        .bind(&process.hostname)
        .bind(&process.version)
        .bind(process.started_at)
        .bind(process.heartbeat_at)
        .bind(process.stopped_at)
        .bind(&process.queues);
        upsert.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(())
    }

    async fn latest_heartbeat(&self, role: &str) -> StoreResult<Option<DateTime<Utc>>> {
        let newest: Option<DateTime<Utc>> =
            sqlx::query_scalar("SELECT max(heartbeat_at) FROM processes WHERE role = $1")
                .bind(role)
                .fetch_one(&mut *self.connection().await?)
                .await
                .map_err(Failure::from)?;
        Ok(newest)
    }

    async fn list_processes(&self) -> StoreResult<Vec<ProcessRow>> {
        let rows = sqlx::query("SELECT * FROM processes ORDER BY started_at, process_id");
        let rows = rows.fetch_all(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(rows.iter().map(process_row).collect::<Result<_>>()?)
    }

    async fn forget_processes(&self, before: DateTime<Utc>) -> StoreResult<u64> {
        let delete = sqlx::query("DELETE FROM processes WHERE heartbeat_at < $1").bind(before);
        let done = delete.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected())
    }

    async fn ping(&self) -> StoreResult<()> {
        sqlx::query("SELECT 1").execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(())
    }
}

fn process_row(row: &PgRow) -> Result<ProcessRow> {
    Ok(ProcessRow {
        id: row.get("process_id")?,
        role: row.get("role")?,
        hostname: row.get("hostname")?,
        version: row.get("version")?,
        queues: row.get("queues")?,
        started_at: row.get("started_at")?,
        heartbeat_at: row.get("heartbeat_at")?,
        stopped_at: row.get("stopped_at")?,
    })
}
