//! DAGs and their versions.

use std::sync::Arc;

use airlock_core::dag::Dag;
use airlock_core::id::TenantId;
use airlock_core::state::RunState;
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::runs::Span;
use crate::{Page, Paged, Pattern, StoreResult};

pub use airlock_core::timetable::NextRun;

/// A DAG as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct DagRow {
    pub tenant: TenantId,
    pub dag_id: String,
    pub is_paused: bool,
    /// The newest version, from 1.
    pub version: u32,
    pub version_id: uuid::Uuid,
    pub next_run: Option<NextRun>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The newest version's content.
    pub dag: Arc<Dag>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DagVersion {
    pub id: uuid::Uuid,
    pub dag_id: String,
    pub version: u32,
    /// SHA-256 of the canonical document with the operators' digests, in hexadecimal.
    pub hash: String,
    pub dag: Arc<Dag>,
    pub created_at: DateTime<Utc>,
}

/// A valid document on its way in.
#[derive(Clone, Debug)]
pub struct PutDag<'a> {
    pub tenant: TenantId,
    pub dag: &'a Dag,
    pub hash: &'a str,
    pub source: &'a str,
    /// Refused with [`crate::StoreError::Conflict`] unless the DAG's newest version is this (`If-Match`).
    pub expected_version: Option<u32>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutDagResult {
    Created,
    /// A new version was made.
    Changed,
    /// The newest version has the same hash: nothing was written.
    Unchanged,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DagFilter {
    pub dag_id_pattern: Pattern,
    pub dag_ids: Option<Vec<String>>,
    pub tags: Vec<String>,
    /// All of `tags` (true) or any of them.
    pub match_all_tags: bool,
    pub owners: Vec<String>,
    pub paused: Option<bool>,
    pub display_name_pattern: Pattern,
    /// Those that this user has picked out (true), or has not.
    pub favorite_of: Option<(String, bool)>,
    /// Scheduled on assets (true), or not.
    pub has_asset_schedule: Option<bool>,
    /// Scheduled on an asset with this in its name or URI, case-insensitive.
    pub asset_dependency: Option<String>,
    /// The newest run is in any of these states, if there are any.
    pub last_run_states: Vec<RunState>,
    /// Of the newest run.
    pub last_run_started_at: Span,
    pub last_run_ended_at: Span,
}

#[async_trait]
pub trait Dags: Send + Sync {
    /// Makes a DAG or a new version of it. The caller sets the next run afterwards by [`Dags::set_next_run`]; until then a new
    /// DAG has none. A DAG's `is_paused` is set from the document only when the DAG is new.
    async fn put_dag(&self, put: PutDag<'_>) -> StoreResult<(DagRow, PutDagResult)>;
    async fn dag(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Option<DagRow>>;
    /// Orders by `dag_id` (default), `dag_display_name`, `next_dagrun`, and by the newest run's `last_run_state` and
    /// `last_run_start_date`.
    async fn list_dags(&self, tenant: TenantId, filter: &DagFilter, page: &Page) -> StoreResult<Paged<DagRow>>;
    async fn list_dag_tags(&self, tenant: TenantId) -> StoreResult<Vec<String>>;
    async fn set_dag_paused(&self, tenant: TenantId, dag_id: &str, paused: bool) -> StoreResult<bool>;
    /// Lets a user pick a DAG out, or take that back; answers whether it was otherwise before.
    async fn set_dag_favorite(
        &self,
        tenant: TenantId,
        dag_id: &str,
        username: &str,
        favorite: bool,
    ) -> StoreResult<bool>;
    /// Sets when the next run is due, unless the DAG has moved on from `version`; answers whether it did. Wakes nobody.
    async fn set_next_run(
        &self,
        tenant: TenantId,
        dag_id: &str,
        version: u32,
        next: Option<&NextRun>,
    ) -> StoreResult<bool>;
    /// With its versions, runs, instances, tries and XComs. Refused with `Conflict` while a run is unfinished.
    async fn delete_dag(&self, tenant: TenantId, dag_id: &str) -> StoreResult<bool>;

    async fn dag_version(&self, tenant: TenantId, dag_id: &str, version: u32) -> StoreResult<Option<DagVersion>>;
    /// The document of a version as it was sent. It may be large, and few ask for it.
    async fn dag_source(&self, tenant: TenantId, dag_id: &str, version: u32) -> StoreResult<Option<String>>;
    /// Newest first.
    async fn list_dag_versions(&self, tenant: TenantId, dag_id: &str, page: &Page) -> StoreResult<Paged<DagVersion>>;
}
