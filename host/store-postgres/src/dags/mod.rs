//! DAGs and their versions.

mod content;
mod delete;
pub mod load;
mod put;
mod read;
mod versions;

use airlock_core::id::TenantId;
use airlock_store::dags::{DagFilter, DagRow, DagVersion, Dags, NextRun, PutDag, PutDagResult};
use airlock_store::{Page, Paged, StoreResult};
use async_trait::async_trait;

pub use content::{VersionName, content};
pub(crate) use read::DAG_COLUMNS_FROM;
pub use read::{dag_row, get};

use crate::PostgresStore;
use crate::error::Failure;

#[async_trait]
impl Dags for PostgresStore {
    async fn put_dag(&self, put: PutDag<'_>) -> StoreResult<(DagRow, PutDagResult)> {
        Ok(put::put(self, put).await?)
    }

    async fn dag(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Option<DagRow>> {
        // What a version says does not change: mostly it is known, and one look-up is all.
        Ok(read::get(self, &mut *self.connection().await?, tenant, dag_id).await?)
    }

    async fn list_dags(&self, tenant: TenantId, filter: &DagFilter, page: &Page) -> StoreResult<Paged<DagRow>> {
        Ok(read::list(self, tenant, filter, page).await?)
    }

    async fn list_dag_tags(&self, tenant: TenantId) -> StoreResult<Vec<String>> {
        let tags = sqlx::query_scalar(
            "SELECT DISTINCT tag.tag FROM dags d, unnest(d.tags) tag (tag) WHERE d.tenant_id = $1 ORDER BY 1",
        )
        .bind(tenant.0)
        .fetch_all(&mut *self.connection().await?)
        .await
        .map_err(Failure::from)?;
        Ok(tags)
    }

    async fn set_dag_paused(&self, tenant: TenantId, dag_id: &str, paused: bool) -> StoreResult<bool> {
        let update = sqlx::query("UPDATE dags SET is_paused = $3 WHERE tenant_id = $1 AND dag_id = $2")
            .bind(tenant.0)
            .bind(dag_id)
            .bind(paused);
        let done = update.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn set_dag_favorite(
        &self,
        tenant: TenantId,
        dag_id: &str,
        username: &str,
        favorite: bool,
    ) -> StoreResult<bool> {
        let statement = if favorite {
            "INSERT INTO dag_favorites (tenant_id, username, dag_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM dag_favorites WHERE tenant_id = $1 AND username = $2 AND dag_id = $3"
        };
        let change = sqlx::query(statement).bind(tenant.0).bind(username).bind(dag_id);
        let done = change.execute(&mut *self.connection().await?).await.map_err(Failure::from);
        Ok(done.map_err(|failure| failure.or_missing("DAG", dag_id))?.rows_affected() > 0)
    }

    async fn set_next_run(
        &self,
        tenant: TenantId,
        dag_id: &str,
        version: u32,
        next: Option<&NextRun>,
    ) -> StoreResult<bool> {
        let update = sqlx::query(
            "UPDATE dags SET next_run_after = $4, next_logical_date = $5, next_start = $6, next_end = $7
             WHERE tenant_id = $1 AND dag_id = $2 AND version = $3",
        )
        .bind(tenant.0)
        .bind(dag_id)
        .bind(i64::from(version))
        .bind(next.map(|next| next.run_after))
        .bind(next.and_then(|next| next.logical_date))
        .bind(next.and_then(|next| next.data_interval).map(|(start, _)| start))
        .bind(next.and_then(|next| next.data_interval).map(|(_, end)| end));
        let done = update.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn delete_dag(&self, tenant: TenantId, dag_id: &str) -> StoreResult<bool> {
        Ok(delete::delete(self, tenant, dag_id).await?)
    }

    async fn dag_version(&self, tenant: TenantId, dag_id: &str, version: u32) -> StoreResult<Option<DagVersion>> {
        Ok(versions::get(self, tenant, dag_id, version).await?)
    }

    async fn dag_source(&self, tenant: TenantId, dag_id: &str, version: u32) -> StoreResult<Option<String>> {
        Ok(versions::source(self, tenant, dag_id, version).await?)
    }

    async fn list_dag_versions(&self, tenant: TenantId, dag_id: &str, page: &Page) -> StoreResult<Paged<DagVersion>> {
        Ok(versions::list(self, tenant, dag_id, page).await?)
    }
}
