//! Who did what: the record of requests that changed something.

use airlock_core::id::TenantId;
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{Page, Paged, Pattern, StoreResult};

/// One request that changed something, by Airflow's word an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: DateTime<Utc>,
    /// What was done, by the name of the API's operation, such as `trigger_dag_run`.
    pub event: String,
    pub dag_id: Option<String>,
    pub run_id: Option<String>,
    pub task_id: Option<String>,
    pub map_index: Option<i32>,
    pub try_number: Option<u32>,
    /// The user.
    pub owner: String,
    /// More of the request, as JSON. Without secrets.
    pub extra: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Ascending within the installation; gaps are no loss.
    pub id: i64,
    pub entry: AuditEntry,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub dag_id: Option<String>,
    pub run_id: Option<String>,
    pub task_id: Option<String>,
    pub map_index: Option<i32>,
    pub try_number: Option<u32>,
    pub owner: Option<String>,
    /// None of these.
    pub excluded_events: Vec<String>,
    /// Any of these; an empty list does not restrict.
    pub included_events: Vec<String>,
    /// Before this moment.
    pub before: Option<DateTime<Utc>>,
    /// After this moment.
    pub after: Option<DateTime<Utc>>,
    pub dag_id_pattern: Pattern,
    pub run_id_pattern: Pattern,
    pub task_id_pattern: Pattern,
    pub owner_pattern: Pattern,
    pub event_pattern: Pattern,
}

#[async_trait]
pub trait Audit: Send + Sync {
    async fn add_audit(&self, tenant: TenantId, entry: &AuditEntry) -> StoreResult<()>;
    async fn audit(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AuditRow>>;
    /// Orders by `id` (default), `when`, `dag_id`, `task_id`, `run_id`, `event`, `owner`, `extra`.
    async fn list_audit(&self, tenant: TenantId, filter: &AuditFilter, page: &Page) -> StoreResult<Paged<AuditRow>>;
}
