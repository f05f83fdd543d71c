//! What templates ask the database for, through the one who renders.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::PreviousRun;
use crate::asset::AssetOrAlias;

/// Why a look-up gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The task may not; the text names the missing grant.
    #[error("denied: {0}")]
    Denied(String),
    /// The database cannot be asked at the moment.
    #[error("{0}")]
    Unavailable(String),
}

/// What `ti.xcom_pull(...)` asks for, always of the scope's own DAG run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XComPull {
    /// Never empty.
    pub task_ids: Vec<String>,
    pub key: String,
    /// None: every map index.
    pub map_indexes: Option<Vec<i32>>,
    /// Where this run has no value, the newest from an earlier run is taken.
    pub include_prior_dates: bool,
}

/// One value that a task pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct PulledXCom {
    pub task_id: String,
    pub map_index: i32,
    pub value: Value,
}

/// What a template may see of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionView {
    pub conn_id: String,
    pub conn_type: String,
    pub description: Option<String>,
    pub host: Option<String>,
    pub login: Option<String>,
    pub schema: Option<String>,
    pub port: Option<u16>,
    /// The password; or, without the grant for secrets, the words that say so, which become the template's error.
    pub password: Result<Option<String>, String>,
    /// With its sensitive members only where the grant for secrets is there.
    pub extra: Map<String, Value>,
}

/// What a template may see of an event of an asset.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetEventView {
    pub uri: String,
    pub name: String,
    pub group: String,
    pub extra: Map<String, Value>,
    pub timestamp: DateTime<Utc>,
    /// The instance whose success it was; none where somebody posted it.
    pub source_dag_id: Option<String>,
    pub source_task_id: Option<String>,
    pub source_run_id: Option<String>,
    pub source_map_index: i32,
    /// The aliases by which it came.
    pub source_aliases: Vec<String>,
    pub partition_key: Option<String>,
}

/// Answers what is not in the [`super::Scope`]. Called from the thread that renders, and may block it.
///
/// What is secret is for the implementation to decide: it knows the task's grants, and it remembers what it has given out
/// so that logs can be masked.
pub trait Lookup: Send + Sync {
    /// In any order.
    fn xcoms(&self, pull: &XComPull) -> Result<Vec<PulledXCom>, LookupError>;
    /// None if there is no such variable.
    fn variable(&self, key: &str) -> Result<Option<String>, LookupError>;
    /// None if there is no such connection.
    fn connection(&self, conn_id: &str) -> Result<Option<ConnectionView>, LookupError>;
    /// For `prev_data_interval_start_success` and its like. None if there was none.
    fn previous_success(&self) -> Result<Option<PreviousRun>, LookupError>;
    /// The events of assets that the run follows from, oldest first.
    fn asset_events(&self) -> Result<Vec<AssetEventView>, LookupError>;
    /// The newest `most` events of one of the task's inlets, the oldest first.
    fn inlet_events(&self, inlet: &AssetOrAlias, most: u32) -> Result<Vec<AssetEventView>, LookupError>;
    /// What the mapped group that the task is in is expanded over, for this instance. None if it is in none.
    fn expanded(&self) -> Result<Option<Map<String, Value>>, LookupError>;
}
