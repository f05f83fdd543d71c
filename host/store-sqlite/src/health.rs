//! Which processes are alive.

use airlock_store::StoreResult;
use airlock_store::health::{Health, ProcessRow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::error::{Failure, Result};
use crate::row::{Columns, instant, micros, optional_micros};

#[async_trait]
impl Health for SqliteStore {
    async fn process_heartbeat(&self, process: &ProcessRow) -> StoreResult<()> {
        let upsert = sqlx::query(
            "INSERT INTO processes (process_id, role, hostname, version, started_at, heartbeat_at, stopped_at,
                 queues)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET heartbeat_at = excluded.heartbeat_at, stopped_at = excluded.stopped_at",
        )
        .bind(process.id)
        .bind(&process.role)
        .bind(&process.hostname)
        .bind(&process.version)
        .bind(micros(process.started_at))
        .bind(micros(process.heartbeat_at))
        .bind(optional_micros(process.stopped_at))
        .bind(Value::from(process.queues.as_slice()).to_string());
        upsert.execute(&mut *self.writer().await).await.map_err(Failure::from)?;
        Ok(())
    }

    async fn latest_heartbeat(&self, role: &str) -> StoreResult<Option<DateTime<Utc>>> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(heartbeat_at) FROM processes WHERE role = ?1")
            .bind(role)
            .fetch_one(&mut *self.reader().await)
            .await
            .map_err(Failure::from)?;
        Ok(newest.map(instant).transpose()?)
    }

    async fn list_processes(&self) -> StoreResult<Vec<ProcessRow>> {
        let rows = sqlx::query("SELECT * FROM processes ORDER BY started_at, process_id");
        let rows = rows.fetch_all(&mut *self.reader().await).await.map_err(Failure::from)?;
        Ok(rows.iter().map(process_row).collect::<Result<_>>()?)
    }

    async fn forget_processes(&self, before: DateTime<Utc>) -> StoreResult<u64> {
        let delete = sqlx::query("DELETE FROM processes WHERE heartbeat_at < ?1").bind(micros(before));
        let done = delete.execute(&mut *self.writer().await).await.map_err(Failure::from)?;
        Ok(done.rows_affected())
    }

    async fn ping(&self) -> StoreResult<()> {
        // On the connection that writes: a reader would answer although the writer is stuck.
        sqlx::query("SELECT 1").execute(&mut *self.writer().await).await.map_err(Failure::from)?;
        Ok(())
    }
}

fn process_row(row: &SqliteRow) -> Result<ProcessRow> {
    Ok(ProcessRow {
        id: row.uuid("process_id")?,
        role: row.text("role")?,
        hostname: row.text("hostname")?,
        version: row.text("version")?,
        queues: row.json("queues")?,
        started_at: row.instant("started_at")?,
        heartbeat_at: row.instant("heartbeat_at")?,
        stopped_at: row.optional_instant("stopped_at")?,
    })
}
