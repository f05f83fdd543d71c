//! What a DAG says is to be called when something happens to its tasks and runs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ResolvedOperator, Seconds};
use crate::callback::CallbackEvent;
use crate::limits::{Grants, LimitOverrides};

/// An operator that is called when something has happened, outside of the run that it happened to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Callback {
    /// As written.
    pub operator: String,
    pub resolved: ResolvedOperator,
    pub args: Map<String, Value>,
    /// None: the default of [`Grants`].
    pub grants: Option<Grants>,
    pub limits: LimitOverrides,
    pub execution_timeout: Option<Seconds>,
    pub queue: String,
}

/// A task's callbacks, or a run's, by what they are called for. A run has only `on_success` and `on_failure`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Callbacks {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_execute: Vec<Callback>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_success: Vec<Callback>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_failure: Vec<Callback>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_retry: Vec<Callback>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_skipped: Vec<Callback>,
}

impl Callbacks {
    /// In the order of the document. A deadline's is not among them.
    pub fn of(&self, event: CallbackEvent) -> &[Callback] {
        match event {
            CallbackEvent::OnExecute => &self.on_execute,
            CallbackEvent::OnSuccess => &self.on_success,
            CallbackEvent::OnFailure => &self.on_failure,
            CallbackEvent::OnRetry => &self.on_retry,
            CallbackEvent::OnSkipped => &self.on_skipped,
            CallbackEvent::Deadline => &[],
        }
    }

    pub fn is_empty(&self) -> bool {
        CallbackEvent::ALL.iter().all(|event| self.of(*event).is_empty())
    }
}

/// A callback for runs that have not finished in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadlineAlert {
    pub name: Option<String>,
    pub reference: DeadlineReference,
    /// From the reference to the deadline.
    pub interval: Seconds,
    pub callback: Callback,
}

/// The moment that a deadline is reckoned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineReference {
    DagrunQueuedAt,
    /// A run without a logical date has no such deadline.
    DagrunLogicalDate,
    Fixed(DateTime<Utc>),
    /// When the run is made, plus the mean duration of the `max_runs` newest runs that have ended. With fewer than `min_runs`
    /// of them there is no deadline.
    AverageRuntime {
        max_runs: u32,
        min_runs: u32,
    },
}

impl DeadlineReference {
    /// Airflow's name of it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::DagrunQueuedAt => "DagRunQueuedAtDeadline",
            Self::DagrunLogicalDate => "DagRunLogicalDateDeadline",
            Self::Fixed(_) => "FixedDatetimeDeadline",
            Self::AverageRuntime { .. } => "AverageRuntimeDeadline",
        }
    }
}
