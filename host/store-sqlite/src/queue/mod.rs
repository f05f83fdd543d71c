//! The queue between schedulers and workers.

mod claim;
mod leases;
mod report;

pub use claim::Claim;

use airlock_core::id::{RunKey, TenantId};
use airlock_store::StoreResult;
use airlock_store::queue::{ClaimedTry, Queue, QueueDepth, RunningTry, TryOrder, TryReport};
use airlock_store::support::storable;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::{Failure, Result};
use crate::row::Columns;

#[async_trait]
impl Queue for SqliteStore {
    async fn claim_tries(
        &self,
        worker: Uuid,
        hostname: &str,
        queues: &[String],
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<ClaimedTry>> {
        Ok(claim::claim(self, &claim::Claim { worker, hostname, queues, limit, now, until }).await?)
    }

    async fn heartbeat_tries(
        &self,
        worker: Uuid,
        tokens: &[Uuid],
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<(Uuid, TryOrder)>> {
        Ok(leases::heartbeat(self, worker, tokens, until).await?)
    }

    async fn report_tries(&self, reports: &[TryReport]) -> StoreResult<Vec<Uuid>> {
        Ok(report::report(self, reports).await?)
    }

    async fn name_instance(&self, run: RunKey, instance: Uuid, lease_token: Uuid, name: &str) -> StoreResult<bool> {
        let update = sqlx::query(
            "UPDATE task_instances SET rendered_map_index = ?4
             WHERE tenant_id = ?1 AND instance_id = ?2 AND EXISTS (
                 SELECT 1 FROM queue WHERE tenant_id = ?1 AND instance_id = ?2 AND lease_token = ?3)",
        )
        .bind(run.tenant.0)
        .bind(instance)
        .bind(lease_token)
        .bind(storable(name));
        let done = update.execute(&mut *self.writer().await).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn hand_back_tries(&self, worker: Uuid, known: &[Uuid]) -> StoreResult<u64> {
        Ok(leases::hand_back(self, worker, known).await?)
    }

    async fn running_tries(&self) -> StoreResult<Vec<RunningTry>> {
        let rows = sqlx::query(
            "SELECT tenant_id, run_key, worker, dag_id, run_id, task_id, map_index, try_number, started_at
             FROM queue WHERE state = 'running' AND worker IS NOT NULL ORDER BY started_at, position",
        );
        let rows = rows.fetch_all(&mut *self.reader().await).await.map_err(Failure::from)?;
        let running = rows.iter().map(|row| {
            Ok(RunningTry {
                worker: row.uuid("worker")?,
                run: RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? },
                dag_id: row.text("dag_id")?,
                run_id: row.text("run_id")?,
                task_id: row.text("task_id")?,
                map_index: row.number("map_index")?,
                try_number: row.number("try_number")?,
                started_at: row.instant("started_at")?,
            })
        });
        Ok(running.collect::<Result<_>>()?)
    }

    async fn queue_depths(&self) -> StoreResult<Vec<QueueDepth>> {
        let rows = sqlx::query(
            "SELECT queue, sum(state = 'queued') AS queued, sum(state = 'running') AS running
             FROM queue GROUP BY queue ORDER BY queue",
        );
        let rows = rows.fetch_all(&mut *self.reader().await).await.map_err(Failure::from)?;
        let depths = rows.iter().map(|row| {
            Ok(QueueDepth { queue: row.text("queue")?, queued: row.number("queued")?, running: row.number("running")? })
        });
        Ok(depths.collect::<Result<_>>()?)
    }
}
