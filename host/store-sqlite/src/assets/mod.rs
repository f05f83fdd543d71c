//! Assets, their events, and the runs that follow from them.

mod aliases;
mod events;
mod queue;
mod read;
mod references;
mod turns;

use airlock_core::asset::DagLinks;
use airlock_core::id::{RunKey, TenantId};
use airlock_store::assets::{
    AliasRow, AssetEventFilter, AssetEventRow, AssetFilter, AssetRow, AssetTurn, Assets, QueuedEventFilter,
    QueuedEventRow,
};
use airlock_store::runs::{NewRun, RunRow};
use airlock_store::{Page, Paged, Pattern, StoreResult};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::SqliteStore;

pub use events::record;
pub use references::write as write_references;

#[async_trait]
impl Assets for SqliteStore {
    async fn asset(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AssetRow>> {
        Ok(read::get(self, tenant, id).await?)
    }
    async fn list_assets(&self, tenant: TenantId, filter: &AssetFilter, page: &Page) -> StoreResult<Paged<AssetRow>> {
        Ok(read::list(self, tenant, filter, page).await?)
    }
    async fn asset_alias(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AliasRow>> {
        Ok(aliases::get(self, tenant, id).await?)
    }
    async fn list_asset_aliases(
        &self,
        tenant: TenantId,
        name_pattern: &Pattern,
        page: &Page,
    ) -> StoreResult<Paged<AliasRow>> {
        Ok(aliases::list(self, tenant, name_pattern, page).await?)
    }
    async fn asset_links(&self, tenant: TenantId) -> StoreResult<Vec<DagLinks>> {
        Ok(references::links(self, tenant).await?)
    }

    async fn create_asset_event(
        &self,
        tenant: TenantId,
        asset_id: i64,
        extra: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> StoreResult<AssetEventRow> {
        Ok(events::create(self, tenant, asset_id, extra, now).await?)
    }
    async fn list_asset_events(
        &self,
        tenant: TenantId,
        filter: &AssetEventFilter,
        page: &Page,
    ) -> StoreResult<Paged<AssetEventRow>> {
        Ok(events::list(self, tenant, filter, page).await?)
    }
    async fn asset_events_of_run(&self, run: RunKey) -> StoreResult<Vec<AssetEventRow>> {
        Ok(events::of_run(self, run).await?)
    }

    async fn queued_events(&self, tenant: TenantId, filter: &QueuedEventFilter) -> StoreResult<Vec<QueuedEventRow>> {
        Ok(queue::list(&mut *self.reader().await, tenant, filter).await?)
    }
    async fn delete_queued_events(&self, tenant: TenantId, filter: &QueuedEventFilter) -> StoreResult<u64> {
        Ok(queue::delete(self, tenant, filter).await?)
    }

    async fn asset_turns(&self, limit: u32) -> StoreResult<Vec<AssetTurn>> {
        Ok(turns::turns(self, limit).await?)
    }
    async fn open_asset_run(&self, turn: &AssetTurn, run: Option<&NewRun>) -> StoreResult<Option<RunRow>> {
        Ok(turns::open(self, turn, run).await?)
    }
}
