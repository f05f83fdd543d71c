//! Clearing: what has been decided, or done, is undecided again and runs anew.
//!
//! As in [`crate::mark`], the changes name what they leave, so that they hold only as long as nothing has moved since.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::run::{Instance, Move, NewInstance, Plan, RunChange, Settles};
use crate::state::{RunState, TaskState};

/// Which instances of a run are cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClearSelection {
    /// None: all of them.
    pub tasks: Option<Vec<ClearTarget>>,
    /// Also what is upstream of the tasks that are named.
    pub upstream: bool,
    /// Also what is downstream of the tasks that are named.
    pub downstream: bool,
    /// Of these, only what has failed, or has not run because of a failure.
    pub only_failed: bool,
    /// Of these, only what runs. Together with `only_failed`: either.
    pub only_running: bool,
    /// Nothing that is there: only tasks that the run does not have yet, of the version that it is to go on with.
    pub only_new: bool,
}

/// A task to be cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearTarget {
    pub task_id: String,
    /// None: every instance of the task.
    pub map_index: Option<i32>,
}

/// A request to clear a run.
#[derive(Clone, Debug)]
pub struct Clearing<'a> {
    pub selection: &'a ClearSelection,
    /// Whether a run that has ended is queued again. Otherwise what is cleared waits until somebody queues it.
    pub reset_run: bool,
    /// The number of the version that the run is to change to, where it is to change: the plan is this version's then.
    pub to_version: Option<u32>,
    /// Who wants it.
    pub by: &'a str,
}

/// The instances that a selection means, in their order. What the plan does not have cannot run, and is not among them.
pub fn selected<'a>(plan: &Plan, instances: &'a [Instance], selection: &ClearSelection) -> Vec<&'a Instance> {
    if selection.only_new {
        return Vec::new();
    }
    let means = Meaning::of(plan, selection);
    let wanted = |instance: &&Instance| {
        let state = instance.state;
        let failed = selection.only_failed && state.is_some_and(TaskState::is_failure_like);
        let running = selection.only_running && state == Some(TaskState::Running);
        (!selection.only_failed && !selection.only_running) || failed || running
    };
    let has_task = |instance: &&Instance| plan.number(&instance.task_id).is_some();
    instances.iter().filter(|instance| means.includes(instance)).filter(has_task).filter(wanted).collect()
}

/// Clears what is selected of a run. A run that has ended is queued again if anything was; one that has not goes on, cleared all the
/// same. Where the run
/// changes to another version, tasks that this one does not have are removed, and tasks that are new to the run are made.
/// Nothing changes at all where nothing is selected and nothing is new.
pub fn clear_instances(
    plan: &Plan,
    run_state: RunState,
    instances: &[Instance],
    clearing: &Clearing<'_>,
    new_id: impl FnMut() -> Uuid,
    now: DateTime<Utc>,
) -> RunChange {
    let mut cleared = selected(plan, instances, clearing.selection);
    let mut change = RunChange::default();
    if clearing.to_version.is_some() {
        let returned = returned(plan, instances, &cleared);
        cleared.extend(returned);
        change = fit(plan, instances, new_id, now);
    }
    if cleared.is_empty() && change.create.is_empty() {
        return RunChange::default();
    }
    let why = format!("{} has cleared it", clearing.by);
    let reopens = clearing.reset_run && run_state.is_finished();
    change.moves.extend(cleared.into_iter().map(|instance| cleared_move(plan, instance, &why, now)));
    RunChange {
        dag_version: clearing.to_version,
        run_state: reopens.then_some(RunState::Queued),
        clears: clearing.reset_run,
        at: Some(now),
        ..change
    }
}

/// Undecided again, with as many tries ahead as a new instance has. What runs is `restarting` until its run's scheduler takes note,
/// and has one try more, whatever its limit; a try that has not ended ends here.
pub(crate) fn cleared_move(plan: &Plan, instance: &Instance, why: &str, now: DateTime<Utc>) -> Move {
    let retries = plan.number(&instance.task_id).map(|number| plan.dag().tasks[number].retries);
    let max_tries =
        retries.map_or_else(|| instance.max_tries.max(instance.try_number), |retries| instance.try_number + retries);
    match instance.state {
        Some(TaskState::Running) => leave(instance, Some(TaskState::Restarting), why, now),
        _ => Move { max_tries, ..leave(instance, None, why, now) },
    }
}

fn leave(instance: &Instance, to: Option<TaskState>, why: &str, now: DateTime<Utc>) -> Move {
    Move {
        instance: instance.id,
        from_states: vec![instance.state],
        from_try: instance.try_number,
        to,
        to_try: instance.try_number,
        max_tries: instance.max_tries,
        at: now,
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        message: None,
        settles: instance.has_open_try().then(|| Settles::by_decision(TaskState::Failed, now, why)),
    }
}

/// Instances that were removed because their task was gone, and whose task is there again.
fn returned<'a>(plan: &Plan, instances: &'a [Instance], cleared: &[&Instance]) -> Vec<&'a Instance> {
    let is_back = |instance: &&Instance| {
        instance.state == Some(TaskState::Removed)
            && plan.number(&instance.task_id).is_some()
            && !cleared.iter().any(|cleared| cleared.id == instance.id)
    };
    instances.iter().filter(is_back).collect()
}

/// Makes a run's instances those of a plan: what it does not have goes, what is missing is made, and the rest takes its settings.
fn fit(plan: &Plan, instances: &[Instance], new_id: impl FnMut() -> Uuid, now: DateTime<Utc>) -> RunChange {
    let gone = "the DAG does not have this task any more";
    let is_gone =
        |instance: &&Instance| plan.number(&instance.task_id).is_none() && instance.state != Some(TaskState::Removed);
    let removed = instances.iter().filter(is_gone).map(|instance| {
        let mut moved = leave(instance, Some(TaskState::Removed), gone, now);
        moved.message = Some(gone.to_owned());
        moved
    });
    let has_one: HashSet<&str> = instances.iter().map(|instance| instance.task_id.as_str()).collect();
    let planned = plan.new_instances(new_id);
    let by_task: HashMap<&str, &NewInstance> =
        planned.iter().map(|planned| (planned.task_id.as_str(), planned)).collect();
    let refresh = instances.iter().filter_map(|instance| {
        let planned = by_task.get(instance.task_id.as_str())?;
        Some(NewInstance { id: instance.id, map_index: instance.map_index, ..(*planned).clone() })
    });
    RunChange {
        moves: removed.collect(),
        refresh: refresh.collect(),
        create: planned.iter().filter(|planned| !has_one.contains(planned.task_id.as_str())).cloned().collect(),
        ..RunChange::default()
    }
}

/// A selection, with the relatives of its tasks.
struct Meaning<'a> {
    everything: bool,
    /// Tasks with all their instances.
    whole: HashSet<&'a str>,
    single: HashSet<(&'a str, i32)>,
}

impl<'a> Meaning<'a> {
    fn of(plan: &'a Plan, selection: &'a ClearSelection) -> Self {
        let targets = selection.tasks.as_deref().unwrap_or_default();
        let id = |target: &'a ClearTarget| target.task_id.as_str();
        let mut relatives_of: HashMap<&str, HashSet<&str>> = HashMap::new();
        let (upstream, downstream) = (selection.upstream, selection.downstream);
        let with = |task_ids: &[&'a str]| plan.cleared_with(task_ids.iter().copied(), upstream, downstream);
        let all: Vec<&str> = targets.iter().filter(|target| target.map_index.is_none()).map(id).collect();
        let mut whole = with(&all);
        whole.extend(all);
        let mut single = HashSet::new();
        // In its mapped group, an instance concerns those with its own index; what is outside of the group depends on all of them.
        for (target, index) in targets.iter().filter_map(|target| Some((target.task_id.as_str(), target.map_index?))) {
            single.insert((target, index));
            for relative in relatives_of.entry(target).or_insert_with(|| with(&[target])).iter().copied() {
                if plan.share_group(target, relative) {
                    single.insert((relative, index));
                } else {
                    whole.insert(relative);
                }
            }
        }
        Self { everything: selection.tasks.is_none(), whole, single }
    }

    fn includes(&self, instance: &Instance) -> bool {
        let task_id = instance.task_id.as_str();
        self.everything || self.whole.contains(task_id) || self.single.contains(&(task_id, instance.map_index))
    }
}
