//! From a request to slots.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Action, MOST_SLOTS, PassedOver, Refusal, ReprocessBehavior, Request, Slot};
use crate::dag::{Dag, Task, params};
use crate::state::RunState;
use crate::timetable::{NextRun, is_periodic, runs_between};

/// Whether there can be such a backfill of this DAG.
///
/// # Errors
/// The first reason why not, in Airflow's order.
pub fn check(dag: &Dag, request: &Request, now: DateTime<Utc>) -> Result<(), Refusal> {
    if !is_periodic(&dag.schedule) {
        return Err(Refusal::NonPeriodic(dag.dag_id.clone()));
    }
    if request.from > request.to {
        return Err(Refusal::DateRange { from: text(request.from), to: text(request.to) });
    }
    if request.from >= now {
        return Err(Refusal::Future);
    }
    if dag.tasks.iter().any(looks_back) {
        if request.run_backwards {
            return Err(Refusal::Direction);
        }
        if request.reprocess == ReprocessBehavior::None {
            return Err(Refusal::ReprocessBehavior);
        }
    }
    match &request.conf {
        Some(conf) => params::for_run(dag, conf).map(drop).map_err(Refusal::Conf),
        None => Ok(()),
    }
}

/// Airflow lets `wait_for_downstream` imply `depends_on_past`.
fn looks_back(task: &Task) -> bool {
    task.depends_on_past || task.wait_for_downstream
}

/// The runs of a backfill in the order of their turns: those whose interval begins in the span and is over. The DAG's start and
/// end date do not bound it, and neither does `catchup`.
///
/// # Errors
/// See [`check`]; and a span without a run is refused.
pub fn slots(dag: &Dag, request: &Request, now: DateTime<Utc>) -> Result<Vec<NextRun>, Refusal> {
    check(dag, request, now)?;
    let mut runs = Vec::new();
    for run in runs_between(dag, request.from, request.to, now)? {
        if run.data_interval.is_some_and(|(_, end)| end >= now) {
            break;
        }
        if runs.len() == MOST_SLOTS {
            return Err(Refusal::TooMany);
        }
        runs.push(run);
    }
    if runs.is_empty() {
        let (from, to) = (text(request.from), text(request.to));
        return Err(Refusal::NoRuns { dag_id: dag.dag_id.clone(), from, to });
    }
    if request.run_backwards {
        runs.reverse();
    }
    Ok(runs)
}

/// What becomes of a slot whose time has a run in this state already, or none.
pub fn decide(existing: Option<RunState>, reprocess: ReprocessBehavior) -> Action {
    match (existing, reprocess) {
        (None, _) => Action::Create,
        (Some(RunState::Queued | RunState::Running), _) => Action::Pass(PassedOver::InFlight),
        (Some(RunState::Failed), ReprocessBehavior::Failed) | (Some(_), ReprocessBehavior::Completed) => {
            Action::Reprocess
        }
        (Some(RunState::Success | RunState::Failed), _) => Action::Pass(PassedOver::AlreadyExists),
    }
}

/// The slots of a backfill as things stand. `existing` tells the state of the run that has a logical date.
///
/// # Errors
/// As [`slots`].
pub fn plan(
    dag: &Dag,
    request: &Request,
    existing: impl Fn(DateTime<Utc>) -> Option<RunState>,
    now: DateTime<Utc>,
) -> Result<Vec<Slot>, Refusal> {
    let slot = |(ordinal, run): (u32, NextRun)| {
        let action = decide(run.logical_date.and_then(&existing), request.reprocess);
        Slot { ordinal, run, action }
    };
    Ok((1..).zip(slots(dag, request, now)?).map(slot).collect())
}

fn text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}
