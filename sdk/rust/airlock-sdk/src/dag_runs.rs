//! The tenant's DAGs and their runs: what other DAGs have done, and new runs of them.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::host;

/// Why a DAG or run could not be looked up or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DagRunError {
    /// A grant is missing; the text names it.
    #[error("denied: {0}")]
    Denied(String),
    /// The tenant has no such DAG or run; the text names it.
    #[error("{0}")]
    NotFound(String),
    /// The DAG has a run of this run id or logical date already: the run with this id.
    #[error("the run `{0}` is there already")]
    AlreadyExists(String),
    /// The request itself is wrong; the text says what would be right.
    #[error("{0}")]
    Invalid(String),
    /// Anything else, in the host's words.
    #[error("{0}")]
    Other(String),
}

/// What has become of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It has not begun.
    Queued,
    /// It is under way.
    Running,
    /// It ended well.
    Success,
    /// It ended badly.
    Failed,
}

impl RunState {
    /// Airflow's name of the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A DAG, as of its newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dag {
    /// The DAG's id.
    pub dag_id: String,
    /// Whether it is paused: runs of a paused DAG wait.
    pub is_paused: bool,
    /// Its tasks, in the order of the document.
    pub tasks: Vec<DagTask>,
}

/// A task of a DAG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagTask {
    /// The task, with its groups: `group.task`.
    pub task_id: String,
    /// The ids of the task groups around it, the innermost first.
    pub task_groups: Vec<String>,
}

/// A run of a DAG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagRun {
    /// The DAG's id.
    pub dag_id: String,
    /// The run's id.
    pub run_id: String,
    /// `scheduled`, `manual`, `backfill`, `operator_triggered` ...
    pub run_type: String,
    /// What has become of it.
    pub state: RunState,
    /// None for runs without one.
    pub logical_date: Option<SystemTime>,
    /// The earliest moment at which the run may start.
    pub run_after: SystemTime,
    /// None until it starts.
    pub started_at: Option<SystemTime>,
    /// None until it ends.
    pub ended_at: Option<SystemTime>,
}

/// A task instance of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInstance {
    /// The task's id.
    pub task_id: String,
    /// -1 for a task that is not mapped.
    pub map_index: i32,
    /// Airflow's name of the state; none while nothing has been decided.
    pub state: Option<String>,
}

/// A run that is to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The DAG; the run is of its newest version.
    pub dag_id: String,
    /// None makes one up.
    pub run_id: Option<String>,
    /// No two runs of a DAG have the same.
    pub logical_date: Option<SystemTime>,
    /// The earliest moment at which the run may start; none is now.
    pub run_after: Option<SystemTime>,
    /// The run's conf, which has to fit the DAG's params.
    pub conf: Map<String, Value>,
    /// A note for people.
    pub note: Option<String>,
}

/// The DAG, or none if the tenant has none of this id. Needs the grant `dag-runs:read:<dag-id>`.
///
/// # Errors
/// If the grant is missing.
pub fn find_dag(dag_id: &str) -> Result<Option<Dag>, DagRunError> {
    host::dag_runs::find_dag(dag_id)
}

/// The run, or none. Needs the grant `dag-runs:read:<dag-id>`.
///
/// # Errors
/// If the grant is missing.
pub fn find(dag_id: &str, run_id: &str) -> Result<Option<DagRun>, DagRunError> {
    host::dag_runs::find(dag_id, run_id)
}

/// The runs that the DAG has for these logical dates, in no particular order. Needs the grant `dag-runs:read:<dag-id>`.
///
/// # Errors
/// If the grant is missing, or there are more than 1,000 dates.
pub fn find_by_logical_dates(dag_id: &str, logical_dates: &[SystemTime]) -> Result<Vec<DagRun>, DagRunError> {
    host::dag_runs::find_by_logical_dates(dag_id, logical_dates)
}

/// The instances of these tasks in a run. Needs the grant `dag-runs:read:<dag-id>`.
///
/// # Errors
/// If the grant is missing, or there is no such run.
pub fn task_instances(dag_id: &str, run_id: &str, task_ids: &[String]) -> Result<Vec<TaskInstance>, DagRunError> {
    host::dag_runs::task_instances(dag_id, run_id, task_ids)
}

/// Makes a run, which starts as soon as its DAG's limits allow. Needs the grant `dag-runs:trigger:<dag-id>`.
///
/// # Errors
/// If the grant is missing, the request does not fit the DAG, or the run is there already.
pub fn trigger(request: &Request) -> Result<DagRun, DagRunError> {
    host::dag_runs::trigger(request)
}

/// Clears every task instance of a run that is there, so that it runs again as if it were new. Needs the grant
/// `dag-runs:trigger:<dag-id>`.
///
/// # Errors
/// If the grant is missing, or there is no such run.
pub fn clear(dag_id: &str, run_id: &str) -> Result<DagRun, DagRunError> {
    host::dag_runs::clear(dag_id, run_id)
}
