//! `depends_on_past`: whether what came before lets a task run.

use std::collections::BTreeSet;

use crate::state::TaskState;

/// What is known of the time before a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The instances of the tasks that were asked for in the run before this one: task id and state. None if there is no run
    /// before this one.
    pub previous: Option<Vec<(String, Option<TaskState>)>>,
    /// Of the tasks that were asked for, those that have an instance in any run with an earlier logical date.
    pub seen: BTreeSet<String>,
}
