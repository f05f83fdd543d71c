//! Task instances, their tries, and their logs.

use airlock_core::dag::{Dag, Task};
use airlock_core::id::UNMAPPED;
use airlock_core::mask::redacted;
use airlock_core::state::TaskState;
use airlock_store::dags::DagVersion;
use airlock_store::instances::{InstanceRow, TryRow};
use airlock_store::triggers::TriggerRow;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{DagVersionResponse, Entries, TriggerResponse, batch_limit, display_name, duration, task_display_name};
use crate::extract::{Durations, Spans};

#[derive(Debug, Serialize, ToSchema)]
pub struct TaskInstanceResponse {
    id: Uuid,
    #[serde(flatten)]
    about: About,
    logical_date: Option<DateTime<Utc>>,
    run_after: DateTime<Utc>,
    note: Option<String>,
    rendered_map_index: Option<String>,
    #[schema(value_type = Object)]
    rendered_fields: Map<String, Value>,
    trigger: Option<TriggerResponse>,
    #[schema(value_type = Option<Object>)]
    triggerer_job: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TaskInstanceHistoryResponse {
    #[serde(flatten)]
    about: About,
}

/// What instances and their tries have in common.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskInstanceCommon)]
struct About {
    task_id: String,
    dag_id: String,
    dag_run_id: String,
    map_index: i32,
    start_date: Option<DateTime<Utc>>,
    end_date: Option<DateTime<Utc>>,
    duration: Option<f64>,
    #[schema(value_type = Option<String>)]
    state: Option<TaskState>,
    try_number: u32,
    max_tries: u32,
    task_display_name: String,
    dag_display_name: String,
    hostname: Option<String>,
    unixname: Option<String>,
    pool: String,
    pool_slots: u32,
    queue: Option<String>,
    priority_weight: Option<i64>,
    operator: Option<String>,
    operator_name: Option<String>,
    queued_when: Option<DateTime<Utc>>,
    scheduled_when: Option<DateTime<Utc>>,
    pid: Option<u32>,
    executor: Option<String>,
    executor_config: String,
    dag_version: Option<DagVersionResponse>,
}

impl About {
    fn new(row: &InstanceRow, version: Option<&DagVersion>) -> Self {
        let dag = version.map(|version| &*version.dag);
        Self {
            task_id: row.task_id.clone(),
            dag_id: row.dag_id.clone(),
            dag_run_id: row.run_id.clone(),
            map_index: row.map_index,
            start_date: row.started_at,
            end_date: row.ended_at,
            duration: duration(row.started_at, row.ended_at),
            state: row.state,
            try_number: row.try_number,
            max_tries: row.max_tries,
            task_display_name: dag
                .and_then(|dag| task_of(dag, &row.task_id))
                .map_or_else(|| row.task_id.clone(), task_display_name),
            dag_display_name: dag.map_or_else(|| row.dag_id.clone(), display_name),
            hostname: row.hostname.clone(),
            unixname: None,
            pool: row.pool.clone(),
            pool_slots: row.pool_slots,
            queue: Some(row.queue.clone()),
            priority_weight: Some(row.priority_weight),
            operator: Some(row.operator.clone()),
            operator_name: Some(row.operator.clone()),
            queued_when: row.queued_at,
            scheduled_when: row.scheduled_at,
            pid: None,
            executor: None,
            executor_config: "{}".to_owned(),
            dag_version: version.map(Into::into),
        }
    }
}

/// A task of a DAG, by its id.
pub fn task_of<'a>(dag: &'a Dag, task_id: &str) -> Option<&'a Task> {
    dag.tasks.iter().find(|task| task.task_id == task_id)
}

impl TaskInstanceResponse {
    /// `version` is the one that the instance is of; `trigger` is what it waits for, if it is deferred.
    pub fn new(row: &InstanceRow, version: Option<&DagVersion>, trigger: Option<&TriggerRow>) -> Self {
        Self {
            id: row.id,
            about: About::new(row, version),
            logical_date: row.logical_date,
            run_after: row.run_after,
            note: row.note.clone(),
            rendered_map_index: row
                .rendered_map_index
                .clone()
                .or_else(|| (row.map_index != UNMAPPED).then(|| row.map_index.to_string())),
            rendered_fields: row.rendered_fields.as_ref().map(redacted).unwrap_or_default(),
            trigger: trigger.map(Into::into),
            triggerer_job: None,
        }
    }
}

impl TaskInstanceHistoryResponse {
    pub fn new(row: &InstanceRow, try_row: &TryRow, version: Option<&DagVersion>) -> Self {
        let about = About {
            start_date: try_row.started_at,
            end_date: try_row.ended_at,
            duration: duration(try_row.started_at, try_row.ended_at),
            state: try_row.state,
            try_number: try_row.try_number,
            max_tries: try_row.max_tries,
            hostname: try_row.hostname.clone(),
            queued_when: try_row.queued_at,
            ..About::new(row, version)
        };
        Self { about }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskInstanceCollectionResponse)]
pub struct TaskInstanceCollection {
    pub task_instances: Vec<TaskInstanceResponse>,
    #[serde(flatten)]
    pub entries: Entries,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskInstanceHistoryCollectionResponse)]
pub struct TaskInstanceHistoryCollection {
    pub task_instances: Vec<TaskInstanceHistoryResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct TaskInstancesBatchBody {
    #[serde(default)]
    pub dag_ids: Option<Vec<String>>,
    #[serde(default)]
    pub dag_run_ids: Option<Vec<String>>,
    #[serde(default)]
    pub task_ids: Option<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub state: Option<Vec<Option<TaskState>>>,
    #[serde(default)]
    pub pool: Option<Vec<String>>,
    #[serde(default)]
    pub queue: Option<Vec<String>>,
    #[serde(default)]
    pub page_offset: u32,
    #[serde(default = "batch_limit")]
    pub page_limit: u32,
    #[serde(default)]
    pub order_by: Option<String>,
    #[serde(flatten)]
    pub spans: Spans,
    #[serde(flatten)]
    pub durations: Durations,
    /// What is no member of the body, or none that is supported; refused.
    #[serde(flatten)]
    #[schema(ignore)]
    pub rest: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskInstancesLogResponse)]
pub struct LogResponse {
    pub content: Vec<LogMessage>,
    /// Where to read on; null when there is no more to come.
    pub continuation_token: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StructuredLogMessage)]
pub struct LogMessage {
    pub timestamp: DateTime<Utc>,
    pub event: String,
    pub level: String,
    /// `task`, `stdout`, `stderr` or `host`.
    pub logger: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchTaskInstanceBody {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub new_state: Option<TaskState>,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub include_upstream: bool,
    #[serde(default)]
    pub include_downstream: bool,
    #[serde(default)]
    pub include_future: bool,
    #[serde(default)]
    pub include_past: bool,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkTaskInstanceBody {
    pub task_id: String,
    /// Where the path names all DAGs.
    #[serde(default)]
    pub dag_id: Option<String>,
    /// Where the path names all runs.
    #[serde(default)]
    pub dag_run_id: Option<String>,
    /// Every instance of the task, if none is given.
    #[serde(default)]
    pub map_index: Option<i32>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub new_state: Option<TaskState>,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub include_upstream: bool,
    #[serde(default)]
    pub include_downstream: bool,
    #[serde(default)]
    pub include_future: bool,
    #[serde(default)]
    pub include_past: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TaskDependencyCollectionResponse {
    pub dependencies: Vec<TaskDependencyResponse>,
}

/// A condition that is not met.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskDependencyResponse {
    pub name: &'static str,
    pub reason: String,
}
