//! Callbacks: which are due when a task or a run moves, and what each is told.
//!
//! A callback is due once for each cause, and its row is written with the change that causes it. What becomes of it changes
//! nothing in the run: it is called by a worker, whenever one has a place.

mod deadline;
mod due;
mod end;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dag::{Callback, Dag};
use crate::state::{UnknownName, names};
use std::fmt;
use std::str::FromStr;

pub use deadline::{DeadlineFacts, deadline_time, missed};
pub use due::{add_to_change, on_execute};
pub use end::{CallbackEnd, MAXIMUM_ATTEMPTS, end_of};

names! {
    /// What a callback is called for. Of a task's instance or of a run, as its row says.
    CallbackEvent, "callback event", {
        /// A try is about to begin.
        OnExecute = "on_execute",
        OnSuccess = "on_success",
        /// A task has failed for good; a run has failed.
        OnFailure = "on_failure",
        /// A try has failed, and there will be another.
        OnRetry = "on_retry",
        /// A task has skipped itself.
        OnSkipped = "on_skipped",
        /// A run was not finished in time.
        Deadline = "deadline",
    }
}

names! {
    /// By Airflow's names.
    CallbackState, "callback state", {
        Queued = "queued",
        Running = "running",
        Success = "success",
        Failed = "failed",
    }
}

/// The task instance that a callback is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub instance: Uuid,
    pub task_id: String,
    pub map_index: i32,
    pub try_number: u32,
    pub max_tries: u32,
}

/// What templates of a callback are told besides the facts of the task and the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The state that the task or the run went to.
    pub state: Option<String>,
    /// Airflow's word for why a run ended (`success`, `task_failure`, `timed_out`, `all_tasks_deadlocked`), or why a task skipped itself.
    pub reason: Option<String>,
    /// The failure's message.
    pub exception: Option<String>,
    pub deadline: Option<MissedDeadline>,
}

/// The deadline that a callback is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedDeadline {
    pub id: Uuid,
    /// The alert's.
    pub name: Option<String>,
    pub deadline_time: DateTime<Utc>,
}

/// A callback that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCallback {
    pub id: Uuid,
    pub event: CallbackEvent,
    /// Where it is among the DAG's callbacks for this, or its deadlines.
    pub place: u32,
    /// None: it is about the run. Where there is one, the callback comes about only if the instance's move is applied.
    pub subject: Option<Subject>,
    pub about: About,
    pub queue: String,
    pub at: DateTime<Utc>,
}

/// What the DAG says of a callback. None where it has none such.
pub fn definition<'a>(dag: &'a Dag, event: CallbackEvent, task_id: Option<&str>, place: u32) -> Option<&'a Callback> {
    let place = usize::try_from(place).ok()?;
    match (event, task_id) {
        (CallbackEvent::Deadline, _) => Some(&dag.deadlines.get(place)?.callback),
        (event, None) => dag.callbacks.of(event).get(place),
        (event, Some(task_id)) => dag.tasks.iter().find(|task| task.task_id == task_id)?.callbacks.of(event).get(place),
    }
}
