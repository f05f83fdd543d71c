//! Airflow's `ExternalTaskSensor`.

mod deferral;
mod states;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use airlock_sdk::dag_runs::{self, Dag, DagRun, DagRunError};
use airlock_sdk::moment;
use airlock_sdk::prelude::*;
use airlock_sdk::serde::Serialize;

use states::States;

/// What to wait for.
#[arguments]
#[derive(Serialize)]
struct ExternalTaskSensor {
    /// The DAG.
    external_dag_id: String,
    /// The task; without it, `external_task_ids` and `external_task_group_id`, whole runs are waited for.
    #[serde(default)]
    external_task_id: Option<String>,
    /// Several tasks. All have to get there.
    #[serde(default)]
    external_task_ids: Option<Vec<String>>,
    /// A task group. All of its tasks have to get there.
    #[serde(default)]
    external_task_group_id: Option<String>,
    /// States that are waited for; by default `success`.
    #[serde(default)]
    allowed_states: Option<Vec<String>>,
    /// States that skip this task.
    #[serde(default)]
    skipped_states: Vec<String>,
    /// States that fail this task.
    #[serde(default)]
    failed_states: Vec<String>,
    /// Seconds by which the other run's logical date is before this run's; several for several runs.
    #[serde(default)]
    execution_delta: Option<Deltas>,
    /// The logical dates of the other runs, as RFC 3339 or dates, instead of `execution_delta`: what `execution_date_fn` is in
    /// Airflow, made by templates.
    #[serde(default)]
    logical_dates: Option<Vec<String>>,
    /// Whether a DAG, task or group that is not there fails the task at once.
    #[serde(default)]
    check_existence: bool,
    /// Whether the host calls this sensor when the run or task has ended, and not every `poke_interval`. Where a state is waited for that
    /// is no end it is called all the same.
    #[serde(default)]
    deferrable: bool,
}

#[arguments]
#[derive(Serialize)]
#[serde(untagged)]
enum Deltas {
    One(f64),
    Many(Vec<f64>),
}

/// What of a run is looked at.
enum Aim {
    Runs,
    Tasks(Vec<String>),
    Group(String),
}

/// Waits for runs or tasks of another DAG.
///
/// The other runs are those with this run's logical date, or with the dates that `execution_delta` or `logical_dates` say. While
/// they are not there yet it asks to be called again, or with `deferrable` when they have ended, and holds neither a slot nor memory.
#[operator(
    name = "external-task-sensor",
    kind = sensor,
    template_fields(external_dag_id, external_task_id, external_task_ids, external_task_group_id, logical_dates),
    resume = look_again
)]
fn external_task_sensor(arguments: ExternalTaskSensor) -> Result<Outcome> {
    let dag_id = &arguments.external_dag_id;
    let aim = arguments.aim()?;
    let states = States::read(&arguments, matches!(aim, Aim::Runs))?;
    let dates = arguments.dates()?;
    let dag = dag_runs::find_dag(dag_id).map_err(asked)?;
    if arguments.check_existence {
        check_existence(dag_id, dag.as_ref(), &aim)?;
    }
    let runs = dag_runs::find_by_logical_dates(dag_id, &dates).map_err(asked)?;
    let mut there = Vec::new();
    for run in &runs {
        let found = found(&aim, dag.as_ref(), run)?;
        if found.iter().any(|state| states.failed.contains(state)) {
            return Err(Error::fail(format!("{} has failed", arguments.shown(&aim, run))));
        }
        if found.iter().any(|state| states.skipped.contains(state)) {
            return Ok(Outcome::skip(format!("{} is in a state that skips", arguments.shown(&aim, run))));
        }
        if !found.is_empty() && found.iter().all(|state| states.allowed.contains(state)) {
            there.extend(run.logical_date);
        } else {
            let now: Vec<&str> = found.iter().map(String::as_str).collect();
            log::info!("{} is not there yet: {}", arguments.shown(&aim, run), now.join(", "));
        }
    }
    let Some(missing) = dates.iter().find(|date| !there.contains(date)) else { return Ok(Outcome::done()) };
    log::info!("{} of {} runs of {dag_id} are where they are waited for", there.len(), dates.len());
    match deferral::trigger(&arguments, &aim, &states, dag.as_ref(), *missing) {
        Some(trigger) => Outcome::defer(trigger, arguments),
        None => Ok(Outcome::reschedule()),
    }
}

/// Something has ended that was waited for; other runs may be missing still.
fn look_again(arguments: ExternalTaskSensor, event: Event) -> Result<Outcome> {
    match event {
        Event::Fired(_) => external_task_sensor(arguments),
        Event::TimedOut => Ok(Outcome::reschedule()),
        Event::Failed(reason) => Err(Error::fail(reason)),
    }
}

/// The states that count of one run, each once.
fn found(aim: &Aim, dag: Option<&Dag>, run: &DagRun) -> Result<BTreeSet<String>> {
    let task_ids = match aim {
        Aim::Runs => return Ok(BTreeSet::from([run.state.to_string()])),
        Aim::Tasks(task_ids) => task_ids.clone(),
        Aim::Group(group) => dag.map(|dag| tasks_of(dag, group)).unwrap_or_default(),
    };
    let instances = dag_runs::task_instances(&run.dag_id, &run.run_id, &task_ids).map_err(asked)?;
    let is_missing = task_ids.iter().any(|task_id| instances.iter().all(|instance| instance.task_id != *task_id));
    let states = instances.into_iter().map(|instance| instance.state.unwrap_or_else(|| states::NONE.to_owned()));
    // A task that the run has not begun with is not where it is waited for.
    Ok(states.chain(is_missing.then(|| states::NONE.to_owned())).collect())
}

fn tasks_of(dag: &Dag, group: &str) -> Vec<String> {
    let members = dag.tasks.iter().filter(|task| task.task_groups.iter().any(|id| id == group));
    members.map(|task| task.task_id.clone()).collect()
}

fn check_existence(dag_id: &str, dag: Option<&Dag>, aim: &Aim) -> Result<()> {
    let Some(dag) = dag else { return Err(Error::fail(format!("there is no DAG `{dag_id}`"))) };
    match aim {
        Aim::Runs => Ok(()),
        Aim::Tasks(task_ids) => {
            let has = |task_id: &&String| dag.tasks.iter().any(|task| task.task_id == **task_id);
            match task_ids.iter().find(|task_id| !has(task_id)) {
                None => Ok(()),
                Some(task_id) => Err(Error::fail(format!("the DAG `{dag_id}` has no task `{task_id}`"))),
            }
        }
        Aim::Group(group) if tasks_of(dag, group).is_empty() => {
            Err(Error::fail(format!("the DAG `{dag_id}` has no task group `{group}`")))
        }
        Aim::Group(_) => Ok(()),
    }
}

/// What another try would meet again, unless the host has trouble of its own.
fn asked(error: DagRunError) -> Error {
    match error {
        DagRunError::Other(_) => Error::retry(error),
        _ => Error::fail(error),
    }
}

impl ExternalTaskSensor {
    fn aim(&self) -> Result<Aim> {
        match (&self.external_task_id, &self.external_task_ids, &self.external_task_group_id) {
            (None, None, None) => Ok(Aim::Runs),
            (Some(task_id), None, None) => Ok(Aim::Tasks(vec![task_id.clone()])),
            (None, Some(task_ids), None) => {
                let distinct: BTreeSet<&String> = task_ids.iter().collect();
                if task_ids.is_empty() || distinct.len() < task_ids.len() {
                    return Err(Error::fail("`external_task_ids` must name at least one task, and each once"));
                }
                Ok(Aim::Tasks(task_ids.clone()))
            }
            (None, None, Some(group)) => Ok(Aim::Group(group.clone())),
            _ => Err(Error::fail(
                "only one of `external_task_id`, `external_task_ids` and `external_task_group_id` may be given",
            )),
        }
    }

    fn dates(&self) -> Result<Vec<SystemTime>> {
        if let Some(dates) = &self.logical_dates {
            if self.execution_delta.is_some() {
                return Err(Error::fail("only one of `execution_delta` and `logical_dates` may be given"));
            }
            return dates.iter().map(|text| moment(text).map_err(Error::fail)).collect();
        }
        let context = context();
        // As in Airflow: a run without a logical date is taken by the moment from which it may start.
        let date = context.logical_date.unwrap_or(context.run_after);
        let deltas = match &self.execution_delta {
            None => return Ok(vec![date]),
            Some(Deltas::One(delta)) => std::slice::from_ref(delta),
            Some(Deltas::Many(deltas)) => deltas,
        };
        deltas.iter().map(|delta| before(date, *delta)).collect()
    }

    fn shown(&self, aim: &Aim, run: &DagRun) -> String {
        match aim {
            Aim::Runs => format!("the run {} of {}", run.run_id, run.dag_id),
            Aim::Tasks(tasks) => format!("{} of the run {} of {}", tasks.join(", "), run.run_id, run.dag_id),
            Aim::Group(group) => format!("the group {group} of the run {} of {}", run.run_id, run.dag_id),
        }
    }
}

/// A negative delta is ahead.
fn before(date: SystemTime, seconds: f64) -> Result<SystemTime> {
    let no_delta = |why: String| Error::fail(format!("`execution_delta` cannot be {seconds} seconds: {why}"));
    let delta = Duration::try_from_secs_f64(seconds.abs()).map_err(|error| no_delta(error.to_string()))?;
    let moved = if seconds < 0.0 { date.checked_add(delta) } else { date.checked_sub(delta) };
    moved.ok_or_else(|| no_delta("there is no such moment".to_owned()))
}

#[cfg(test)]
mod tests;
