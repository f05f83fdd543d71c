//! Variables, connections and pools.

mod connections;
mod pools;
mod reseal;
mod variables;

pub use pools::pool_row;

use airlock_core::id::TenantId;
use airlock_store::settings::{ConnectionRow, PoolRow, PoolUse, Reseal, Settings, VariableRow};
use airlock_store::{Page, Paged, Pattern, StoreResult};
use async_trait::async_trait;

use crate::PostgresStore;

#[async_trait]
impl Settings for PostgresStore {
    async fn put_variable(&self, tenant: TenantId, variable: &VariableRow) -> StoreResult<()> {
        Ok(variables::put(self, tenant, variable).await?)
    }
    async fn create_variable(&self, tenant: TenantId, variable: &VariableRow) -> StoreResult<()> {
        Ok(variables::create(self, tenant, variable).await?)
    }
    async fn variable(&self, tenant: TenantId, key: &str) -> StoreResult<Option<VariableRow>> {
        Ok(variables::get(self, tenant, key).await?)
    }
    async fn list_variables(
        &self,
        tenant: TenantId,
        pattern: &Pattern,
        page: &Page,
    ) -> StoreResult<Paged<VariableRow>> {
        Ok(variables::list(self, tenant, pattern, page).await?)
    }
    async fn delete_variable(&self, tenant: TenantId, key: &str) -> StoreResult<bool> {
        Ok(variables::delete(self, tenant, key).await?)
    }

    async fn put_connection(&self, tenant: TenantId, connection: &ConnectionRow) -> StoreResult<()> {
        Ok(connections::put(self, tenant, connection).await?)
    }
    async fn create_connection(&self, tenant: TenantId, connection: &ConnectionRow) -> StoreResult<()> {
        Ok(connections::create(self, tenant, connection).await?)
    }
    async fn connection(&self, tenant: TenantId, conn_id: &str) -> StoreResult<Option<ConnectionRow>> {
        Ok(connections::get(self, tenant, conn_id).await?)
    }
    async fn list_connections(
        &self,
        tenant: TenantId,
        pattern: &Pattern,
        page: &Page,
    ) -> StoreResult<Paged<ConnectionRow>> {
        Ok(connections::list(self, tenant, pattern, page).await?)
    }
    async fn delete_connection(&self, tenant: TenantId, conn_id: &str) -> StoreResult<bool> {
        Ok(connections::delete(self, tenant, conn_id).await?)
    }

    async fn put_pool(&self, tenant: TenantId, pool: &PoolRow) -> StoreResult<()> {
        Ok(pools::put(self, tenant, pool).await?)
    }
    async fn create_pool(&self, tenant: TenantId, pool: &PoolRow) -> StoreResult<()> {
        Ok(pools::create(self, tenant, pool).await?)
    }
    async fn pool(&self, tenant: TenantId, name: &str) -> StoreResult<Option<(PoolRow, PoolUse)>> {
        Ok(pools::get(self, tenant, name).await?)
    }
    async fn list_pools(
        &self,
        tenant: TenantId,
        pattern: &Pattern,
        page: &Page,
    ) -> StoreResult<Paged<(PoolRow, PoolUse)>> {
        Ok(pools::list(self, tenant, pattern, page).await?)
    }
    async fn delete_pool(&self, tenant: TenantId, name: &str) -> StoreResult<bool> {
        Ok(pools::delete(self, tenant, name).await?)
    }

    async fn reseal(&self, reseal: &Reseal<'_>) -> StoreResult<u64> {
        Ok(reseal::reseal(self, reseal).await?)
    }
}
