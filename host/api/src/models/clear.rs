//! What is asked of clearing, and its answers.

use airlock_core::clear::ClearTarget;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DagRunCollection, DagRunResponse, MutableRunState, TaskInstanceResponse};
use crate::extract::Instant;

const fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearTaskInstancesBody {
    #[serde(default = "yes")]
    pub dry_run: bool,
    #[serde(default)]
    pub start_date: Option<Instant>,
    #[serde(default)]
    pub end_date: Option<Instant>,
    #[serde(default = "yes")]
    pub only_failed: bool,
    #[serde(default)]
    pub only_running: bool,
    /// Whether runs that have ended are queued again.
    #[serde(default = "yes")]
    pub reset_dag_runs: bool,
    /// Each a task id, or a task id with a map index; every task, if none is given.
    #[serde(default)]
    pub task_ids: Option<Vec<TaskIdOrInstance>>,
    #[serde(default)]
    pub dag_run_id: Option<String>,
    #[serde(default)]
    pub include_upstream: bool,
    #[serde(default)]
    pub include_downstream: bool,
    #[serde(default)]
    pub include_future: bool,
    #[serde(default)]
    pub include_past: bool,
    #[serde(default)]
    pub run_on_latest_version: Option<bool>,
    /// Refuses the request if something that runs would be cleared.
    #[serde(default)]
    pub prevent_running_task: bool,
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "neither a task id nor a pair of a task id and a map index")]
pub enum TaskIdOrInstance {
    Task(String),
    Instance(String, i32),
}

impl TaskIdOrInstance {
    pub fn target(self) -> ClearTarget {
        match self {
            Self::Task(task_id) => ClearTarget { task_id, map_index: None },
            Self::Instance(task_id, map_index) => ClearTarget { task_id, map_index: Some(map_index) },
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DAGRunClearBody)]
#[serde(deny_unknown_fields)]
pub struct DagRunClearBody {
    #[serde(default = "yes")]
    pub dry_run: bool,
    #[serde(default)]
    pub only_failed: bool,
    /// Only makes the tasks that the newest version has added, and clears nothing.
    #[serde(default)]
    pub only_new: bool,
    #[serde(default)]
    pub run_on_latest_version: Option<bool>,
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BulkDAGRunClearBody)]
#[serde(deny_unknown_fields)]
pub struct BulkDagRunClearBody {
    #[serde(default = "yes")]
    pub dry_run: bool,
    #[serde(default)]
    pub only_failed: bool,
    #[serde(default)]
    pub only_new: bool,
    #[serde(default)]
    pub run_on_latest_version: Option<bool>,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub dag_runs: Option<Vec<BulkDagRunBody>>,
    #[serde(default)]
    pub partition_key: Option<String>,
    #[serde(default)]
    pub partition_date_start: Option<Instant>,
    #[serde(default)]
    pub partition_date_end: Option<Instant>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearPartitionsBody {
    #[serde(default = "yes")]
    pub dry_run: bool,
    /// Whether the tasks of these runs run again too.
    #[serde(default)]
    pub clear_task_instances: bool,
    #[serde(default)]
    pub run_id: Option<String>,
    #[serde(default)]
    pub partition_key: Option<String>,
    #[serde(default)]
    pub partition_date_start: Option<Instant>,
    #[serde(default)]
    pub partition_date_end: Option<Instant>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ClearPartitionsResponse {
    pub dag_runs_cleared: u64,
    pub task_instances_cleared: u64,
    pub dry_run: bool,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(as = BulkDAGRunBody)]
#[serde(deny_unknown_fields)]
pub struct BulkDagRunBody {
    pub dag_run_id: String,
    /// Where the path names all DAGs.
    #[serde(default)]
    pub dag_id: Option<String>,
    #[serde(default)]
    pub state: Option<MutableRunState>,
    #[serde(default)]
    pub note: Option<String>,
}

/// A task that the run does not have yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewTaskResponse {
    pub task_id: String,
    pub task_display_name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ClearedTask {
    Instance(Box<TaskInstanceResponse>),
    New(NewTaskResponse),
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ClearTaskInstanceCollectionResponse {
    pub task_instances: Vec<ClearedTask>,
    pub total_entries: u64,
}

/// What would be cleared, or the run as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ClearedDagRun {
    DryRun(ClearTaskInstanceCollectionResponse),
    Done(Box<DagRunResponse>),
}

/// What would be cleared, or the runs as they are now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ClearedDagRuns {
    DryRun(ClearTaskInstanceCollectionResponse),
    Done(DagRunCollection),
}
