//! What a person's word changes: a run or a task instance is declared to be in a state.
//!
//! The changes name the states that they leave, and hold only as long as nothing has moved since: a store refuses them
//! otherwise, and the request is worked out anew.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use crate::clear::cleared_move;
use crate::dag::Dag;
use crate::run::{Instance, Move, Plan, RunChange, Settles};
use crate::state::{RunState, TaskState, names};
use std::fmt;
use std::str::FromStr;

use crate::state::UnknownName;
use serde::{Deserialize, Serialize};

names! {
    /// What a run can be marked as.
    RunMark, "state that a run can be marked as", {
        /// It goes on where it is, or again.
        Queued = "queued",
        Success = "success",
        Failed = "failed",
    }
}

names! {
    /// What a task instance can be marked as.
    TaskMark, "state that a task instance can be marked as", {
        Success = "success",
        Failed = "failed",
        Skipped = "skipped",
    }
}

impl TaskMark {
    pub const fn state(self) -> TaskState {
        match self {
            Self::Success => TaskState::Success,
            Self::Failed => TaskState::Failed,
            Self::Skipped => TaskState::Skipped,
        }
    }
}

/// Ends a run, as in Airflow: what runs (or waits within a try) takes the run's state, what has not begun is skipped, and what
/// has finished stays. Teardowns are left to do their work; where one still has to, the run ends when it is done.
pub fn mark_run(dag: &Dag, instances: &[Instance], mark: RunMark, by: &str, now: DateTime<Utc>) -> RunChange {
    let (run_state, running) = match mark {
        RunMark::Queued => {
            return RunChange { run_state: Some(RunState::Queued), at: Some(now), ..RunChange::default() };
        }
        RunMark::Success => (RunState::Success, TaskState::Success),
        RunMark::Failed => (RunState::Failed, TaskState::Failed),
    };
    let why = format!("{by} has marked the run as {mark}");
    let teardowns: HashSet<&str> =
        dag.tasks.iter().filter(|task| task.is_teardown).map(|task| task.task_id.as_str()).collect();
    let open = instances.iter().filter(|instance| !instance.state.is_some_and(TaskState::is_finished));
    let (spared, ended): (Vec<&Instance>, Vec<&Instance>) =
        open.partition(|instance| teardowns.contains(instance.task_id.as_str()));
    let end = |instance: &Instance| {
        let has_begun = matches!(
            instance.state,
            Some(TaskState::Running | TaskState::Deferred | TaskState::UpForReschedule | TaskState::AwaitingInput)
        );
        declare(instance, if has_begun { running } else { TaskState::Skipped }, &why, now)
    };
    RunChange {
        moves: ended.into_iter().map(end).collect(),
        run_state: spared.is_empty().then_some(run_state),
        at: Some(now),
        ..RunChange::default()
    }
}

/// Which instances are marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub task_id: String,
    /// None: every instance of the task.
    pub map_index: Option<i32>,
    /// Also what is upstream of the task.
    pub upstream: bool,
    /// Also what is downstream of the task, but for teardowns.
    pub downstream: bool,
}

/// Declares instances to be in a state, and lets what failed because of them try again: whatever downstream has failed, or has not
/// run because of a failure, is cleared. A run that had ended goes on if anything was.
pub fn mark_instances(
    plan: &Plan,
    run_state: RunState,
    instances: &[Instance],
    selection: &Selection,
    mark: TaskMark,
    by: &str,
    now: DateTime<Utc>,
) -> RunChange {
    mark_all(plan, run_state, instances, std::slice::from_ref(selection), mark, by, now)
}

/// As [`mark_instances`], of several tasks at once, such as those of a group.
pub fn mark_all(
    plan: &Plan,
    run_state: RunState,
    instances: &[Instance],
    selections: &[Selection],
    mark: TaskMark,
    by: &str,
    now: DateTime<Utc>,
) -> RunChange {
    let state = mark.state();
    let why = format!("{by} has marked it as {mark}");
    let (mut relatives, mut below) = (Reach::default(), Reach::default());
    for selection in selections {
        let Selection { task_id, upstream, downstream, .. } = selection;
        relatives.extend(plan, selection, plan.relatives(task_id, *upstream, *downstream));
        below.extend(plan, selection, plan.relatives(task_id, false, true));
    }
    let is_meant = |instance: &&Instance| {
        let mut named = selections.iter().filter(|selection| selection.task_id == instance.task_id).peekable();
        match named.peek() {
            Some(_) => named.any(|selection| selection.map_index.is_none_or(|index| index == instance.map_index)),
            None => relatives.contains(instance),
        }
    };
    let marked: Vec<&Instance> =
        instances.iter().filter(is_meant).filter(|instance| instance.state != Some(state)).collect();
    let cleared: Vec<&Instance> = instances
        .iter()
        .filter(|instance| {
            below.contains(instance) && instance.state.is_some_and(TaskState::is_failure_like) && !is_meant(instance)
        })
        .collect();
    let reopens = run_state.is_finished() && !cleared.is_empty();
    let moves = marked.into_iter().map(|instance| declare(instance, state, &why, now));
    RunChange {
        moves: moves.chain(cleared.into_iter().map(|instance| cleared_move(plan, instance, &why, now))).collect(),
        run_state: reopens.then_some(RunState::Queued),
        clears: reopens,
        at: Some(now),
        ..RunChange::default()
    }
}

/// What a selection reaches beyond what it names. One instance of a task in a mapped group reaches, in this group, those with its own
/// index.
#[derive(Default)]
struct Reach<'a> {
    whole: HashSet<&'a str>,
    single: HashSet<(&'a str, i32)>,
}

impl<'a> Reach<'a> {
    fn extend(&mut self, plan: &'a Plan, selection: &Selection, relatives: HashSet<&'a str>) {
        for relative in relatives {
            match selection.map_index.filter(|_| plan.share_group(&selection.task_id, relative)) {
                Some(index) => _ = self.single.insert((relative, index)),
                None => _ = self.whole.insert(relative),
            }
        }
    }

    fn contains(&self, instance: &Instance) -> bool {
        let task_id = instance.task_id.as_str();
        self.whole.contains(task_id) || self.single.contains(&(task_id, instance.map_index))
    }
}

fn declare(instance: &Instance, to: TaskState, why: &str, now: DateTime<Utc>) -> Move {
    Move {
        instance: instance.id,
        from_states: vec![instance.state],
        from_try: instance.try_number,
        to: Some(to),
        to_try: instance.try_number,
        max_tries: instance.max_tries,
        at: now,
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        message: Some(why.to_owned()),
        settles: instance.has_open_try().then(|| Settles::by_decision(to, now, why)),
    }
}
