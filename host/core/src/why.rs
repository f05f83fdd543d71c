//! Why a task instance does not run: every condition that is not met, in a sentence each.
//!
//! Names are those of Airflow's dependencies where it has them. Where Airflow names the first thing that stands in the way of
//! something undecided, this says everything, in every state that waits.

use chrono::{DateTime, Utc};

use crate::admit::{self, Offer, Reason, Usage};
use crate::id::TenantId;
use crate::run::{Instance, Past, RunMachine};
use crate::state::{RunState, TaskState};

/// A condition that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    pub name: &'static str,
    pub reason: String,
}

fn unmet(name: &'static str, reason: impl Into<String>) -> Unmet {
    Unmet { name, reason: reason.into() }
}

/// A run, as far as it decides on its instances.
#[derive(Clone, Debug)]
pub struct RunSituation {
    pub state: RunState,
    pub run_after: DateTime<Utc>,
    /// Whether the DAG is.
    pub is_paused: bool,
    /// None for a run that belongs to no backfill, or to one that is over.
    pub backfill: Option<BackfillSituation>,
    /// Runs that are running, of the backfill or, for others, of the DAG.
    pub running_runs: u64,
    /// Whether a scheduler has been heard of of late.
    pub scheduler_lives: bool,
}

/// A backfill, as far as it decides on its runs.
#[derive(Clone, Debug)]
pub struct BackfillSituation {
    pub is_paused: bool,
    pub max_active_runs: u32,
}

/// A live worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSituation {
    pub hostname: String,
    pub queues: Vec<String>,
}

/// A try that holds slots of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub dag_id: String,
    pub run_id: String,
    pub task_id: String,
    pub map_index: i32,
    pub pool_slots: u32,
}

/// The run before this one, and what it left.
#[derive(Clone, Debug)]
pub struct PastSituation {
    pub run_id: String,
    pub past: Past,
}

/// What a deferred task waits for, and what was seen of it.
#[derive(Clone, Debug)]
pub struct TriggerSituation {
    /// As [`crate::trigger::Trigger::describe`] says it.
    pub what: String,
    /// When it was last looked at, by whom, and what was seen.
    pub last_look: Option<(DateTime<Utc>, String, String)>,
    /// None if nobody looks until something happens.
    pub next_look_at: Option<DateTime<Utc>>,
}

/// Everything that decides on an instance.
pub struct Situation<'a> {
    pub run: &'a RunSituation,
    /// Of the run as it stands, before any event.
    pub machine: &'a RunMachine,
    pub instance: &'a Instance,
    /// None if there is no run before this one, or if it does not matter to the task.
    pub past: Option<&'a PastSituation>,
    /// None unless the instance is deferred.
    pub trigger: Option<&'a TriggerSituation>,
    pub tenant: TenantId,
    /// As in [`Offer::tenant_limit`].
    pub tenant_limit: Option<u32>,
    pub usage: &'a Usage,
    /// Of the task's pool, some.
    pub holders: &'a [Holder],
    pub workers: &'a [WorkerSituation],
    pub now: DateTime<Utc>,
}

/// How many names a sentence gives.
const NAMED: usize = 5;

/// Everything that keeps an instance from running now. Empty if it is about to go on, or runs.
pub fn why_not_running(situation: &Situation<'_>) -> Vec<Unmet> {
    let state = situation.instance.state;
    if let Some(finished) = state.filter(|state| state.is_finished()) {
        return vec![unmet("Task Instance State", format!("Task is in the '{finished}' state."))];
    }
    let mut found = of_the_run(situation);
    match state {
        None => found.extend(of_what_comes_before(situation)),
        Some(TaskState::UpForRetry) => {
            let tried = situation.instance.try_number;
            found.extend(until(situation, "Not In Retry Period", &format!("try {tried} failed, and the next begins")));
            found.extend(of_what_comes_before(situation));
        }
        Some(TaskState::UpForReschedule) => {
            found.extend(until(
                situation,
                "Ready To Reschedule",
                "the sensor has said \"not yet\", and is asked again",
            ));
        }
        Some(TaskState::Deferred) => {
            found.push(of_the_trigger(situation));
        }
        Some(TaskState::Scheduled) => found.extend(of_limits(situation)),
        Some(TaskState::Queued) => found.push(of_workers(situation)),
        _ => {}
    }
    found
}

fn of_the_run(situation: &Situation<'_>) -> Vec<Unmet> {
    let (run, dag) = (situation.run, situation.machine.plan().dag());
    let mut found = Vec::new();
    match run.state {
        RunState::Running => {}
        RunState::Queued => {
            if run.run_after > situation.now {
                let seconds = (run.run_after - situation.now).num_seconds();
                let reason = format!("the run is due at {}, in {seconds} seconds", run.run_after.to_rfc3339());
                found.push(unmet("Execution Date", reason));
            }
            if run.is_paused {
                found.push(unmet(
                    "Dag Not Paused",
                    format!("the DAG `{}` is paused, so that its runs stay queued", dag.dag_id),
                ));
            }
            if run.backfill.as_ref().is_some_and(|backfill| backfill.is_paused) {
                found.push(unmet("Backfill Not Paused", "the backfill that the run belongs to is paused"));
            }
            let (whose, limit) = match &run.backfill {
                Some(backfill) => ("its backfill".to_owned(), backfill.max_active_runs),
                None => (format!("`{}`", dag.dag_id), dag.max_active_runs),
            };
            if run.running_runs >= u64::from(limit) {
                let running = run.running_runs;
                let reason = format!(
                    "the run is queued, and {running} runs of {whose} are running: its max_active_runs is {limit}"
                );
                found.push(unmet("Max Active Runs", reason));
            }
            if found.is_empty() {
                found.push(unmet("Dagrun Running", "the run is queued, and not yet started"));
            }
        }
        ended => {
            let reason = format!("the run has ended in {ended}: queue or clear it to let it go on");
            found.push(unmet("Dagrun Running", reason));
        }
    }
    if !run.scheduler_lives && !run.state.is_finished() {
        found.push(unmet("Scheduler", "no scheduler has been heard of of late"));
    }
    found
}

fn until(situation: &Situation<'_>, name: &'static str, what: &str) -> Option<Unmet> {
    let at = situation.instance.wake_at.filter(|at| *at > situation.now)?;
    let seconds = (at - situation.now).num_seconds();
    Some(unmet(name, format!("{what} at {}, in {seconds} seconds", at.to_rfc3339())))
}

/// The clock ends a wait without a trigger of its own, and any other by giving it up.
fn of_the_trigger(situation: &Situation<'_>) -> Unmet {
    let at = situation.instance.wake_at.map(|at| at.to_rfc3339());
    let Some(trigger) = situation.trigger else {
        let until = at.map(|at| format!(", and goes on at {at}")).unwrap_or_default();
        return unmet("Trigger", format!("the task is deferred{until}"));
    };
    let mut reason = format!("the task is deferred, and waits {}", trigger.what);
    match &trigger.last_look {
        Some((at, hostname, saw)) => {
            reason.push_str(&format!("; `{hostname}` looked last at {}: {saw}", at.to_rfc3339()));
        }
        None if trigger.next_look_at.is_some() => reason.push_str("; nobody has looked yet"),
        None => {}
    }
    if let Some(next) = trigger.next_look_at {
        reason.push_str(&format!("; the next look is at {}", next.to_rfc3339()));
    }
    if let Some(at) = at {
        reason.push_str(&format!("; the wait ends at {at}"));
    }
    unmet("Trigger", reason)
}

fn of_what_comes_before(situation: &Situation<'_>) -> Vec<Unmet> {
    let task_id = &situation.instance.task_id;
    let mut found: Vec<Unmet> =
        situation.machine.unmet_upstream(task_id, situation.instance.map_index).into_iter().collect();
    if let Some(PastSituation { run_id, past }) = situation.past
        && let Some(reason) = situation.machine.unmet_past(task_id, run_id, past)
    {
        found.push(unmet("Previous Dagrun State", reason));
    }
    found
}

fn of_limits(situation: &Situation<'_>) -> Vec<Unmet> {
    let offer = Offer { tenant: situation.tenant, tenant_limit: situation.tenant_limit, machine: situation.machine };
    let reasons = admit::obstacles(&offer, &situation.instance.task_id, situation.usage);
    reasons.into_iter().map(|reason| unmet(name_of(&reason), with_holders(&reason, situation.holders))).collect()
}

const fn name_of(reason: &Reason) -> &'static str {
    match reason {
        Reason::PoolMissing { .. } | Reason::PoolTooSmall { .. } | Reason::PoolFull { .. } => "Pool Slots Available",
        Reason::RunLimit { .. } => "Task Instance Slots Available",
        Reason::TaskLimit { .. } | Reason::TaskRunLimit { .. } => "Task Concurrency",
        Reason::TenantLimit { .. } => "Tenant Share",
        Reason::PassFull => "Scheduler",
    }
}

fn with_holders(reason: &Reason, holders: &[Holder]) -> String {
    if holders.is_empty() || !matches!(reason, Reason::PoolFull { .. }) {
        return reason.to_string();
    }
    let name = |holder: &Holder| {
        let index = if holder.map_index < 0 { String::new() } else { format!("[{}]", holder.map_index) };
        format!("{}/{}/{}{index} ({})", holder.dag_id, holder.run_id, holder.task_id, holder.pool_slots)
    };
    format!("{reason}; slots are held by {}", some(holders.iter().map(name).collect()))
}

fn of_workers(situation: &Situation<'_>) -> Unmet {
    let plan = situation.machine.plan();
    let queue =
        plan.number(&situation.instance.task_id).map_or("default", |number| plan.dag().tasks[number].queue.as_str());
    let serving: Vec<String> = situation
        .workers
        .iter()
        .filter(|worker| worker.queues.iter().any(|one| one == queue))
        .map(|worker| worker.hostname.clone())
        .collect();
    if !serving.is_empty() {
        let reason = format!("the task is queued on `{queue}`, and waits for a free place at {}", some(serving));
        return unmet("Worker", reason);
    }
    let mut others: Vec<String> = situation.workers.iter().flat_map(|worker| &worker.queues).cloned().collect();
    others.sort();
    others.dedup();
    let others = match others.as_slice() {
        [] => "there is no live worker at all".to_owned(),
        _ => format!("live workers take from {}", some(others)),
    };
    unmet("Worker", format!("no live worker takes from the queue `{queue}`; {others}"))
}

/// The first few of a list, and how many more there are.
fn some(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}
