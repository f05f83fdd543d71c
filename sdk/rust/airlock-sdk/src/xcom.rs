//! Small values that the tasks of a run leave for each other.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::host;

/// The key under which an operator's result lies.
pub const RETURN_VALUE: &str = "return_value";

/// Why a value could not be pushed or pulled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XComError {
    /// The value is not the JSON that was asked for.
    #[error("the XCom is not what was expected: {0}")]
    InvalidJson(String),
    /// The value is larger than the limit, in bytes.
    #[error("the XCom is larger than {0} bytes")]
    TooLarge(u64),
    /// The task has pushed as many values as it may.
    #[error("a task may push {0} XComs and no more")]
    TooMany(u32),
    /// Anything else, in the host's words.
    #[error("{0}")]
    Other(String),
}

/// Which values to pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Only these tasks; none means every task of the run.
    pub task_ids: Option<Vec<String>>,
    /// The key; by default [`RETURN_VALUE`].
    pub key: String,
    /// Only these map indexes (-1: an unmapped task); none means all.
    pub map_indexes: Option<Vec<i32>>,
    /// Where this run has no value, the newest from an earlier run is taken.
    pub include_prior_dates: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self { task_ids: None, key: RETURN_VALUE.into(), map_indexes: None, include_prior_dates: false }
    }
}

/// One value, and who left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The task that pushed the value.
    pub task_id: String,
    /// Its map index; -1 for a task that is not mapped.
    pub map_index: i32,
    /// The value.
    pub value: Value,
}

/// Leaves a value for other tasks, replacing an earlier one under the same key.
///
/// # Errors
/// If the value cannot be JSON, or passes a limit.
pub fn push(key: &str, value: &impl Serialize) -> Result<(), XComError> {
    let text = serde_json::to_string(value).map_err(|error| XComError::InvalidJson(error.to_string()))?;
    host::xcom::push(key, text)
}

/// The result of one task, if it left any.
///
/// # Errors
/// If the value is not a `T`.
pub fn pull<T: DeserializeOwned>(task_id: &str) -> Result<Option<T>, XComError> {
    pull_key(task_id, RETURN_VALUE, None)
}

/// The value that one task, or one map index of it, left under a key.
///
/// # Errors
/// If the value is not a `T`.
pub fn pull_key<T: DeserializeOwned>(task_id: &str, key: &str, map_index: Option<i32>) -> Result<Option<T>, XComError> {
    host::xcom::pull(task_id, key, map_index)?
        .map(|text| {
            serde_json::from_str(&text).map_err(|error| {
                XComError::InvalidJson(format!("`{key}` of task `{task_id}` does not fit the type asked for: {error}"))
            })
        })
        .transpose()
}

/// Every value that the selection describes, by task id and map index.
///
/// # Errors
/// If the host cannot read them.
pub fn pull_all(selection: &Selection) -> Result<Vec<Entry>, XComError> {
    host::xcom::pull_all(selection)
}
