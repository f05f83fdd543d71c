//! The facts that templates see.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::callback::{About, CallbackEvent};
use crate::dag::Dag;
use crate::state::RunType;
use crate::timetable::Partition;

/// One task of one run, as its templates see it.
#[derive(Clone, Debug)]
pub struct Scope {
    pub dag: Arc<Dag>,
    /// A task of `dag`; empty for a callback that is about the run.
    pub task_id: String,
    /// The arguments of the instance, which `task` has as members.
    pub arguments: Map<String, Value>,
    /// Merged; see [`crate::dag::params::for_task`].
    pub params: Map<String, Value>,
    pub run: RunFacts,
    pub instance: InstanceFacts,
    /// What the callback is about whose templates these are; none where they are a task's own.
    pub callback: Option<CallbackFacts>,
}

#[derive(Clone, Debug)]
pub struct RunFacts {
    pub run_id: String,
    pub run_type: RunType,
    /// Without one, `ds`, `ts` and their like are undefined, as in Airflow.
    pub logical_date: Option<DateTime<Utc>>,
    pub data_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub run_after: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub partition: Option<Partition>,
    pub conf: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct CallbackFacts {
    pub event: CallbackEvent,
    pub about: About,
}

#[derive(Clone, Debug)]
pub struct InstanceFacts {
    pub map_index: i32,
    pub try_number: u32,
    /// The highest try number that the task may reach.
    pub max_tries: u32,
    /// When the first call of this try began.
    pub started_at: Option<DateTime<Utc>>,
    pub reschedules: u32,
}

/// The DAG's newest successful run before this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreviousRun {
    pub data_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}
