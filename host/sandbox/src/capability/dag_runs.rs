//! The tenant's DAGs and their runs: answered by the worker. See `wit/dag-runs.wit`.

use airlock_core::state::RunState;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DagRunError {
    /// Of a DAG or a run, which the text names.
    #[error("{0}")]
    NotFound(String),
    /// The run that has the run id or logical date.
    #[error("the run `{0}` is there already")]
    AlreadyExists(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagInfo {
    pub dag_id: String,
    pub is_paused: bool,
    pub tasks: Vec<DagTask>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagTask {
    pub task_id: String,
    /// The groups around it, the innermost first.
    pub task_groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    pub dag_id: String,
    pub run_id: String,
    pub run_type: String,
    pub state: RunState,
    pub logical_date: Option<DateTime<Utc>>,
    pub run_after: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceInfo {
    pub task_id: String,
    pub map_index: i32,
    pub state: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TriggerRequest {
    pub dag_id: String,
    pub run_id: Option<String>,
    pub logical_date: Option<DateTime<Utc>>,
    pub run_after: Option<DateTime<Utc>>,
    pub conf: Map<String, Value>,
    pub note: Option<String>,
}

/// One value lives for one call of the operator, so that an implementation knows which tenant and try it serves.
#[async_trait]
pub trait DagRuns: Send + Sync {
    async fn dag(&self, dag_id: &str) -> Result<Option<DagInfo>, DagRunError>;
    async fn run(&self, dag_id: &str, run_id: &str) -> Result<Option<RunInfo>, DagRunError>;
    async fn runs_at(&self, dag_id: &str, logical_dates: &[DateTime<Utc>]) -> Result<Vec<RunInfo>, DagRunError>;
    async fn instances(
        &self,
        dag_id: &str,
        run_id: &str,
        task_ids: &[String],
    ) -> Result<Vec<InstanceInfo>, DagRunError>;
    async fn trigger(&self, request: TriggerRequest) -> Result<RunInfo, DagRunError>;
    async fn clear(&self, dag_id: &str, run_id: &str) -> Result<RunInfo, DagRunError>;
}
