//! Assets, their events, and the runs that follow from them.
//!
//! What DAGs say of assets is kept as references, written with each version of a DAG. An event costs the DAGs that are scheduled
//! on its asset, or on an alias by which it came: each gets a row on the queue of events, once for each asset. A row is fresh
//! until a scheduler has looked at it, so that what waits for another asset costs nothing.

use airlock_core::asset::{AssetRole, DagLinks};
use airlock_core::id::{RunKey, TenantId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::dags::DagRow;
use crate::runs::{NewRun, RunRow, Span};
use crate::{Page, Paged, Pattern, StoreResult};

/// A name for assets that are only known when a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasRow {
    pub id: i64,
    pub name: String,
    pub group: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AssetRow {
    pub id: i64,
    pub name: String,
    pub uri: String,
    pub group: String,
    pub extra: Map<String, Value>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// What DAGs say of it, by role, DAG and task.
    pub references: Vec<ReferenceRow>,
    /// The aliases that stand for it, by id.
    pub aliases: Vec<AliasRow>,
    /// Its newest event: id and time.
    pub last_event: Option<(i64, DateTime<Utc>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceRow {
    pub role: AssetRole,
    pub dag_id: String,
    /// Empty for a DAG's schedule.
    pub task_id: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetFilter {
    pub name_pattern: Pattern,
    pub uri_pattern: Pattern,
    /// That any of these DAGs refers to.
    pub dag_ids: Vec<String>,
    /// That some DAG refers to, by itself or by an alias.
    pub only_active: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AssetEventRow {
    pub id: i64,
    pub asset_id: i64,
    pub name: String,
    pub uri: String,
    pub group: String,
    pub extra: Map<String, Value>,
    /// The instance whose success it was; none where somebody posted it.
    pub source_dag_id: Option<String>,
    pub source_task_id: Option<String>,
    pub source_run_id: Option<String>,
    pub source_map_index: i32,
    /// The aliases by which it came, by name.
    pub source_aliases: Vec<String>,
    /// The partition of the run that it is of.
    pub partition_key: Option<String>,
    pub timestamp: DateTime<Utc>,
    /// The runs that followed from it, and whether it was the newest of the events that each followed from.
    pub created_runs: Vec<(RunRow, bool)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetEventFilter {
    pub asset_id: Option<i64>,
    /// Name and URI of the asset.
    pub asset: Option<(String, String)>,
    /// Only what came by this alias.
    pub source_alias: Option<String>,
    pub name_pattern: Pattern,
    pub source_dag_id: Option<String>,
    pub source_task_id: Option<String>,
    pub source_run_id: Option<String>,
    pub source_map_index: Option<i32>,
    pub timestamp: Span,
}

/// An asset with events that a DAG has not followed up yet.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedEventRow {
    pub dag_id: String,
    pub asset_id: i64,
    pub name: String,
    pub uri: String,
    /// The aliases that stand for the asset, by name.
    pub aliases: Vec<String>,
    /// Of the newest event.
    pub created_at: DateTime<Utc>,
}

/// Which queued events; none: all of the tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueuedEventFilter {
    pub dag_id: Option<String>,
    pub asset_id: Option<i64>,
    pub before: Option<DateTime<Utc>>,
}

/// A DAG that something has been queued for since a scheduler last looked at it.
#[derive(Clone, Debug)]
pub struct AssetTurn {
    pub row: DagRow,
    /// Everything that is queued for it; never empty.
    pub queued: Vec<QueuedEventRow>,
}

#[async_trait]
pub trait Assets: Send + Sync {
    async fn asset(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AssetRow>>;
    /// Orders by `id` (default), `name`, `uri`, `created_at`, `updated_at`.
    async fn list_assets(&self, tenant: TenantId, filter: &AssetFilter, page: &Page) -> StoreResult<Paged<AssetRow>>;
    async fn asset_alias(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AliasRow>>;
    /// Orders by `id` (default), `name`.
    async fn list_asset_aliases(
        &self,
        tenant: TenantId,
        name_pattern: &Pattern,
        page: &Page,
    ) -> StoreResult<Paged<AliasRow>>;
    /// What every DAG of a tenant has to do with assets and aliases. A task that produces by an alias produces the assets that the
    /// alias stands for.
    async fn asset_links(&self, tenant: TenantId) -> StoreResult<Vec<DagLinks>>;

    /// An event that no task brought about. [`crate::StoreError::NotFound`] if there is no such asset.
    async fn create_asset_event(
        &self,
        tenant: TenantId,
        asset_id: i64,
        extra: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> StoreResult<AssetEventRow>;
    /// Orders by `id` (default), `timestamp`, `source_dag_id`, `source_task_id`, `source_run_id`, `source_map_index`.
    async fn list_asset_events(
        &self,
        tenant: TenantId,
        filter: &AssetEventFilter,
        page: &Page,
    ) -> StoreResult<Paged<AssetEventRow>>;
    /// The events that a run followed from, oldest first.
    async fn asset_events_of_run(&self, run: RunKey) -> StoreResult<Vec<AssetEventRow>>;

    async fn queued_events(&self, tenant: TenantId, filter: &QueuedEventFilter) -> StoreResult<Vec<QueuedEventRow>>;
    /// Answers how many there were.
    async fn delete_queued_events(&self, tenant: TenantId, filter: &QueuedEventFilter) -> StoreResult<u64>;

    /// DAGs with fresh rows on their queue that are not paused and have fewer than `max_active_runs` unfinished runs.
    async fn asset_turns(&self, limit: u32) -> StoreResult<Vec<AssetTurn>>;
    /// Makes the run of a turn, which follows from the events of the DAG's assets up to `run_after` and since its last run of this
    /// kind, and takes what was queued off the queue; or, without a run, notes that the queue has been looked at. Answers the
    /// run; none, and nothing changed, if the queue or the DAG has moved on.
    async fn open_asset_run(&self, turn: &AssetTurn, run: Option<&NewRun>) -> StoreResult<Option<RunRow>>;
}
