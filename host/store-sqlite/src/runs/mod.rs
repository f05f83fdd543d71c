//! DAG runs, from the outside.

mod create;
mod delete;
mod read;

use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::RunState;
use airlock_store::runs::{NewRun, RunFilter, RunRow, Runs};
use airlock_store::{Page, Paged, StoreResult};
use async_trait::async_trait;
use serde_json::Value;

pub use create::insert;
pub use delete::delete_all;
pub use read::run_row;

use crate::SqliteStore;
use crate::error::{Failure, Result};
use crate::row::Columns;

#[async_trait]
impl Runs for SqliteStore {
    async fn create_run(&self, run: &NewRun) -> StoreResult<RunRow> {
        Ok(create::create(self, run).await?)
    }

    async fn run(&self, tenant: TenantId, dag_id: &str, run_id: &str) -> StoreResult<Option<RunRow>> {
        let rows = sqlx::query("SELECT * FROM dag_runs WHERE tenant_id = ?1 AND dag_id = ?2 AND run_id = ?3")
            .bind(tenant.0)
            .bind(dag_id)
            .bind(run_id);
        let row = rows.fetch_optional(&mut *self.reader().await).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(run_row).transpose()?)
    }

    async fn list_runs(&self, tenant: TenantId, filter: &RunFilter, page: &Page) -> StoreResult<Paged<RunRow>> {
        Ok(read::list(self, tenant, filter, page).await?)
    }

    async fn set_run_note(&self, key: RunKey, note: Option<&str>, user: Option<&str>) -> StoreResult<bool> {
        let update = sqlx::query("UPDATE dag_runs SET note = ?3, note_user = ?4 WHERE tenant_id = ?1 AND run_key = ?2")
            .bind(key.tenant.0)
            .bind(key.id)
            .bind(note)
            .bind(user);
        let done = update.execute(&mut *self.writer().await).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn delete_run(&self, tenant: TenantId, dag_id: &str, run_id: &str) -> StoreResult<bool> {
        Ok(delete::delete(self, tenant, dag_id, run_id).await?)
    }

    async fn last_automated_run(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Option<RunRow>> {
        let rows = sqlx::query(
            "SELECT * FROM (
                 SELECT * FROM (
                     SELECT * FROM dag_runs
                     WHERE tenant_id = ?1 AND dag_id = ?2 AND run_type IN ('scheduled', 'backfill')
                         AND logical_date IS NOT NULL
                     ORDER BY logical_date DESC LIMIT 1) AS dated
                 UNION ALL
                 SELECT * FROM (
                     SELECT * FROM dag_runs
                     WHERE tenant_id = ?1 AND dag_id = ?2 AND run_type = 'scheduled' AND partition_key IS NOT NULL
                     ORDER BY run_after DESC LIMIT 1) AS partitioned) AS newest
             ORDER BY run_after DESC LIMIT 1",
        )
        .bind(tenant.0)
        .bind(dag_id);
        let row = rows.fetch_optional(&mut *self.reader().await).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(run_row).transpose()?)
    }

    async fn forget_partitions(&self, tenant: TenantId, runs: &[RunKey]) -> StoreResult<u64> {
        let update = sqlx::query(
            "UPDATE dag_runs SET partition_key = NULL, partition_date = NULL
             WHERE tenant_id = ?1 AND run_key IN (SELECT value FROM json_each(?2)) AND partition_key IS NOT NULL",
        )
        .bind(tenant.0)
        .bind(runs.iter().map(|run| run.id).collect::<Value>().to_string());
        Ok(update.execute(&mut *self.writer().await).await.map_err(Failure::from)?.rows_affected())
    }

    async fn count_runs(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Vec<(RunState, u64)>> {
        let rows = sqlx::query(
            "SELECT state, count(*) AS runs FROM dag_runs WHERE tenant_id = ?1 AND dag_id = ?2 GROUP BY state",
        )
        .bind(tenant.0)
        .bind(dag_id);
        let rows = rows.fetch_all(&mut *self.reader().await).await.map_err(Failure::from)?;
        let counts = rows.iter().map(|row| Ok((row.name("state")?, row.number("runs")?)));
        Ok(counts.collect::<Result<_>>()?)
    }
}
