//! `depends_on_past`: whether what came before lets a task run.

use std::collections::BTreeSet;

use super::plan::Plan;
use crate::dag::Task;
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

impl Past {
    /// Behind a run that has not begun, and so has no instances yet: all of them are undecided.
    pub fn not_begun(tasks: &[String]) -> Self {
        let undecided = tasks.iter().map(|task_id| (task_id.clone(), None)).collect();
        Self { previous: Some(undecided), seen: tasks.iter().cloned().collect() }
    }
}

/// What a run machine wants to know of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastQuery {
    /// Only runs that were not made by hand count.
    pub automated: bool,
    pub tasks: Vec<String>,
}

/// Airflow lets `wait_for_downstream` imply `depends_on_past`.
pub(super) fn looks_back(task: &Task) -> bool {
    task.depends_on_past || task.wait_for_downstream
}

/// The task ids whose past decides on a task.
pub(super) fn relevant(plan: &Plan, number: usize) -> impl Iterator<Item = &str> {
    let task = plan.task(number);
    let downstream: &[usize] = if task.wait_for_downstream { &plan.tasks[number].downstream } else { &[] };
    std::iter::once(number).chain(downstream.iter().copied()).map(|number| plan.task(number).task_id.as_str())
}

/// Whether the past lets this task run.
pub(super) fn is_met(plan: &Plan, number: usize, past: &Past) -> bool {
    let task = plan.task(number);
    let Some(previous) = &past.previous else { return true };
    if !previous.iter().any(|(task_id, _)| *task_id == task.task_id) {
        return task.ignore_first_depends_on_past && !past.seen.contains(&task.task_id);
    }
    let relevant: Vec<&str> = relevant(plan, number).collect();
    previous
        .iter()
        .filter(|(task_id, _)| relevant.contains(&task_id.as_str()))
        .all(|(_, state)| state.is_some_and(TaskState::is_success_like))
}
