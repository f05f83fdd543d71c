//! Which processes are alive.

use airlock_store::StoreResult;
use airlock_store::health::{Connections, Health, Load, PoolLoad, ProcessRow};
use airlock_store::queue::{Queue, QueueDepth};
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
                 queues, slots)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (process_id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, stopped_at = excluded.stopped_at",
        )
        .bind(process.id)
        .bind(&process.role)
        .bind(&process.hostname)
        .bind(&process.version)
        .bind(process.started_at)
        .bind(process.heartbeat_at)
        .bind(process.stopped_at)
        .bind(&process.queues)
        .bind(process.slots.map(i64::from));
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

    async fn check_migrations(&self) -> StoreResult<()> {
        self.check().await
    }

    async fn load(&self) -> StoreResult<Load> {
        let queues = self.queue_depths().await?;
        let row = sqlx::query(
            "WITH used AS (
                 SELECT tenant_id, pool, sum(pool_slots) AS slots FROM (
                     SELECT tenant_id, pool, pool_slots FROM queue
                     UNION ALL
                     SELECT i.tenant_id, i.pool, i.pool_slots FROM task_instances i
                     JOIN pools p ON p.tenant_id = i.tenant_id AND p.name = i.pool AND p.include_deferred
                     WHERE i.state IN ('deferred', 'awaiting_input')
                 ) held GROUP BY tenant_id, pool
             ), open AS (
                 SELECT sum(greatest(p.slots - coalesce(u.slots, 0), 0)) AS slots
                 FROM pools p LEFT JOIN used u ON u.tenant_id = p.tenant_id AND u.pool = p.name WHERE p.slots >= 0
             ), queued AS (
                 SELECT sum(pool_slots) FILTER (WHERE state = 'queued') AS queued,
                     sum(pool_slots) FILTER (WHERE state <> 'queued') AS running
                 FROM queue
             ), waiting AS (
                 SELECT count(*) AS instances, sum(pool_slots) AS slots
                 FROM task_instances WHERE state IN ('deferred', 'awaiting_input')
             ), runs AS (
                 SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
                     count(*) FILTER (WHERE state = 'running') AS running
                 FROM active_runs
             )
             SELECT coalesce(open.slots, 0)::bigint AS open, coalesce(queued.queued, 0)::bigint AS queued,
                 coalesce(queued.running, 0)::bigint AS running, coalesce(waiting.slots, 0)::bigint AS deferred,
                 (SELECT coalesce(sum(pool_slots), 0)::bigint FROM task_instances WHERE state = 'scheduled') AS scheduled,
                 waiting.instances AS waiting, runs.queued AS queued_runs, runs.running AS running_runs
             FROM open, queued, waiting, runs",
        );
        let row = row.fetch_one(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(load(queues, &row)?)
    }

    fn connections(&self) -> Option<Connections> {
        let (open, idle) =
            (self.pool.size(), u32::try_from(self.pool.num_idle() + self.kept.count()).unwrap_or(u32::MAX));
        Some(Connections { open, idle: idle.min(open), limit: self.pool.options().get_max_connections() })
    }
}

fn load(queues: Vec<QueueDepth>, row: &PgRow) -> Result<Load> {
    Ok(Load {
        queues,
        pools: PoolLoad {
            open: row.number("open")?,
            queued: row.number("queued")?,
            running: row.number("running")?,
            scheduled: row.number("scheduled")?,
            deferred: row.number("deferred")?,
        },
        queued_runs: row.number("queued_runs")?,
        running_runs: row.number("running_runs")?,
        deferred: row.number("waiting")?,
    })
}

fn process_row(row: &PgRow) -> Result<ProcessRow> {
    Ok(ProcessRow {
        id: row.get("process_id")?,
        role: row.get("role")?,
        hostname: row.get("hostname")?,
        version: row.get("version")?,
        queues: row.get("queues")?,
        slots: row.get::<Option<i64>>("slots")?.and_then(|slots| slots.try_into().ok()),
        started_at: row.get("started_at")?,
        heartbeat_at: row.get("heartbeat_at")?,
        stopped_at: row.get("stopped_at")?,
    })
}
