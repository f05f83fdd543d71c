//! Deadlines of runs. They are set when a run is made, go when it ends in time, and stay when they are missed.

use airlock_core::id::{RunKey, TenantId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::callbacks::NewCallback;
use crate::runs::Span;
use crate::{Page, Paged, StoreResult};

/// What a DAG version sets its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadlineAlertRow {
    pub id: Uuid,
    pub name: Option<String>,
    /// Airflow's name of the reference.
    pub reference_type: String,
    /// From the reference to the deadline, in seconds.
    pub interval: f64,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeadlineRow {
    pub id: Uuid,
    pub run: RunKey,
    pub dag_id: String,
    pub run_id: String,
    /// The version that sets it, and its place there.
    pub dag_version: u32,
    pub place: u32,
    pub alert_id: Uuid,
    pub alert_name: Option<String>,
    pub deadline_time: DateTime<Utc>,
    pub missed: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeadlineFilter {
    /// None: of all DAGs (`~` in paths).
    pub dag_id: Option<String>,
    /// None: of all runs.
    pub run_id: Option<String>,
    pub missed: Option<bool>,
    pub deadline_time: Span,
    pub updated_at: Span,
}

#[async_trait]
pub trait Deadlines: Send + Sync {
    /// Deadlines that were over before `now` and have not been missed yet, the oldest first.
    async fn overdue_deadlines(&self, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<DeadlineRow>>;
    /// Notes that a deadline is missed, and that the callback is due. False, and nothing is written, if somebody has noted it, or if
    /// the deadline is gone or another by now.
    async fn miss_deadline(
        &self,
        deadline: &DeadlineRow,
        callback: &NewCallback,
        now: DateTime<Utc>,
    ) -> StoreResult<bool>;
    /// Orders by `id`, `deadline_time`, `created_at`, `last_updated_at`, `missed`, `dag_id`, `dag_run_id`, `alert_name`.
    async fn list_deadlines(
        &self,
        tenant: TenantId,
        filter: &DeadlineFilter,
        page: &Page,
    ) -> StoreResult<Paged<DeadlineRow>>;
    /// Of one version of a DAG. Orders by `id`, `created_at`, `name`; by default as in the document.
    async fn list_deadline_alerts(
        &self,
        tenant: TenantId,
        dag_id: &str,
        version: u32,
        page: &Page,
    ) -> StoreResult<Paged<DeadlineAlertRow>>;
}
