//! Task instances and their tries, from the outside.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::TaskState;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::runs::{Range, Span};
use crate::{Page, Paged, Pattern, StoreResult};

/// A task instance, as of its newest try.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRow {
    pub id: Uuid,
    pub run: RunKey,
    pub dag_id: String,
    pub run_id: String,
    pub task_id: String,
    pub map_index: i32,
    /// None: nothing has been decided.
    pub state: Option<TaskState>,
    /// The number of the newest try; 0 before the first is queued.
    pub try_number: u32,
    pub max_tries: u32,
    pub operator: String,
    pub pool: String,
    pub pool_slots: u32,
    pub queue: String,
    pub priority_weight: i64,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub queued_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// When the first call of this try began: it outlives reschedules and deferrals.
    pub first_started_at: Option<DateTime<Utc>>,
    /// When a retry, reschedule or deferral goes on.
    pub wake_at: Option<DateTime<Utc>>,
    /// How often this try has asked to be asked again.
    pub reschedules: u32,
    /// What `resume` is to be called with, for a deferred try: an [`airlock_core::outcome::Resume`].
    pub resume_state: Option<Value>,
    /// The direct successors that its last try decided against.
    pub skips: Vec<String>,
    pub hostname: Option<String>,
    pub note: Option<String>,
    /// Why the state is what it is, where that is not plain: the failure's message, the reason of a skip.
    pub message: Option<String>,
    /// The template fields as rendered for the newest try.
    pub rendered_fields: Option<Map<String, Value>>,
    /// See [`airlock_core::run::Instance::map_length`].
    pub map_length: Option<u32>,
    /// What `map_index_template` made of this instance of a mapped task.
    pub rendered_map_index: Option<String>,
    pub dag_version: u32,
    pub logical_date: Option<DateTime<Utc>>,
    pub run_after: DateTime<Utc>,
}

/// What the core knows of an instance.
impl From<InstanceRow> for airlock_core::run::Instance {
    fn from(row: InstanceRow) -> Self {
        Self {
            id: row.id,
            task_id: row.task_id,
            map_index: row.map_index,
            state: row.state,
            try_number: row.try_number,
            max_tries: row.max_tries,
            first_started_at: row.first_started_at,
            wake_at: row.wake_at,
            reschedules: row.reschedules,
            resume_state: row.resume_state,
            skips: row.skips,
            map_length: row.map_length,
        }
    }
}

/// One try, finished or not. A finished try never changes, but for its count of late results.
#[derive(Clone, Debug, PartialEq)]
pub struct TryRow {
    pub instance_id: Uuid,
    pub try_number: u32,
    pub state: Option<TaskState>,
    pub queued_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub hostname: Option<String>,
    pub max_tries: u32,
    /// A [`airlock_core::outcome::FailureCause`], for failed tries.
    pub cause: Option<String>,
    pub message: Option<String>,
    /// Results that came after the try had been settled without them, and were refused.
    pub late_results: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstanceFilter {
    /// None: of all DAGs (`~` in paths).
    pub dag_id: Option<String>,
    /// None: of all runs.
    pub run_id: Option<String>,
    /// Any of these; an empty list fits nothing.
    pub dag_ids: Option<Vec<String>>,
    /// Any of these; an empty list fits nothing.
    pub run_ids: Option<Vec<String>>,
    pub task_ids: Vec<String>,
    /// Any of these, if there are any.
    pub map_indexes: Vec<i32>,
    /// Only instances of mapped tasks that have been made.
    pub only_mapped: bool,
    /// `None` inside is Airflow's `no_status`.
    pub states: Vec<Option<TaskState>>,
    pub pools: Vec<String>,
    pub queues: Vec<String>,
    pub operators: Vec<String>,
    pub try_numbers: Vec<u32>,
    pub dag_versions: Vec<u32>,
    pub dag_id_pattern: Pattern,
    pub run_id_pattern: Pattern,
    pub task_id_pattern: Pattern,
    pub pool_pattern: Pattern,
    pub queue_pattern: Pattern,
    pub operator_pattern: Pattern,
    pub rendered_map_index_pattern: Pattern,
    pub logical_date: Span,
    pub run_after: Span,
    pub started_at: Span,
    pub ended_at: Span,
    /// Of the last of its times.
    pub updated_at: Span,
    /// From its start to its end; of an unfinished instance there is none.
    pub duration: Range,
}

#[async_trait]
pub trait Instances: Send + Sync {
    async fn instance(
        &self,
        tenant: TenantId,
        dag_id: &str,
        run_id: &str,
        task_id: &str,
        map_index: i32,
    ) -> StoreResult<Option<InstanceRow>>;
    /// Orders by `id`, `state`, `duration`, `try_number`, `operator`, `data_interval_start`, `data_interval_end`, `start_date`, `end_date`, `map_index`, `task_id`, `queued_when`, `logical_date`, `run_after`;
    /// by default in the order of the run and of the tasks in the DAG.
    async fn list_instances(
        &self,
        tenant: TenantId,
        filter: &InstanceFilter,
        page: &Page,
    ) -> StoreResult<Paged<InstanceRow>>;
    /// Every try, oldest first; the newest may be unfinished, and is then as the instance is.
    async fn tries(&self, tenant: TenantId, instance: Uuid) -> StoreResult<Vec<TryRow>>;
    async fn set_instance_note(&self, tenant: TenantId, instance: Uuid, note: Option<&str>) -> StoreResult<bool>;
}
