//! Airflow's `TriggerDagRunOperator`.

use std::time::{Duration, SystemTime};

use airlock_sdk::dag_runs::{self, DagRun, DagRunError, Request, RunState};
use airlock_sdk::prelude::*;
use airlock_sdk::serde::{Deserialize, Serialize};
use airlock_sdk::serde_json::Map;
use airlock_sdk::{DagRunTrigger, RunSelector, moment, xcom};

/// Which run to make, and what to make of it.
#[arguments]
struct TriggerDagRun {
    /// The DAG.
    trigger_dag_id: String,
    /// The run's id; by default one is made up.
    #[serde(default)]
    trigger_run_id: Option<String>,
    /// The run's conf: an object, or a text such as a template that renders to one.
    #[serde(default)]
    conf: Option<Value>,
    /// The run's logical date, as RFC 3339 or a date; `now` is the moment of the call, and null a run without one.
    #[serde(default = "now")]
    logical_date: Option<String>,
    /// The earliest moment at which the run may start; by default at once.
    #[serde(default)]
    run_after: Option<String>,
    /// Whether a run that is there already is cleared, so that it runs again.
    #[serde(default)]
    reset_dag_run: bool,
    /// Whether the task is skipped if the run is there already.
    #[serde(default)]
    skip_when_already_exists: bool,
    /// Whether the task fails if the DAG is paused.
    #[serde(default)]
    fail_when_dag_is_paused: bool,
    /// Whether the task ends only when the run has.
    #[serde(default)]
    wait_for_completion: bool,
    /// Seconds between looks at the run.
    #[serde(default = "minute")]
    poke_interval: f64,
    /// States of the run that end the wait well.
    #[serde(default = "success")]
    allowed_states: Vec<State>,
    /// States of the run that fail the task.
    #[serde(default = "failed")]
    failed_states: Vec<State>,
    /// A note on the run.
    #[serde(default)]
    note: Option<String>,
    /// Whether the host calls this task when the run has ended, and not every `poke_interval`.
    #[serde(default)]
    deferrable: bool,
}

#[arguments]
#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Queued,
    Running,
    Success,
    Failed,
}

/// What has to be known when the task goes on waiting.
#[derive(Serialize, Deserialize)]
#[serde(crate = "airlock_sdk::serde")]
struct Waiting {
    dag_id: String,
    run_id: String,
    poke_interval: f64,
    allowed_states: Vec<State>,
    failed_states: Vec<State>,
    deferrable: bool,
}

fn now() -> Option<String> {
    Some("now".to_owned())
}

fn minute() -> f64 {
    60.0
}

fn success() -> Vec<State> {
    vec![State::Success]
}

fn failed() -> Vec<State> {
    vec![State::Failed]
}

/// Makes a run of another DAG, and waits for it if asked to.
///
/// The run's id becomes the XCom `trigger_run_id`. Waiting holds neither a slot nor memory.
#[operator(
    name = "trigger-dag-run",
    template_fields(trigger_dag_id, trigger_run_id, conf, logical_date, run_after, note),
    resume = look_again
)]
fn trigger_dag_run(arguments: TriggerDagRun) -> Result<Outcome> {
    let dag_id = &arguments.trigger_dag_id;
    if arguments.fail_when_dag_is_paused {
        let dag = dag_runs::find_dag(dag_id).map_err(hopeless)?;
        if dag.is_some_and(|dag| dag.is_paused) {
            return Err(Error::fail(format!("the DAG `{dag_id}` is paused")));
        }
    }
    let run = match dag_runs::trigger(&arguments.request()?) {
        Ok(run) => {
            log::info!("triggered the run {} of {dag_id}", run.run_id);
            run
        }
        Err(DagRunError::AlreadyExists(run_id)) if arguments.reset_dag_run => {
            log::info!("the run {run_id} of {dag_id} is there already: clearing it");
            dag_runs::clear(dag_id, &run_id).map_err(hopeless)?
        }
        Err(DagRunError::AlreadyExists(run_id)) if arguments.skip_when_already_exists => {
            return Ok(Outcome::skip(format!("the run {run_id} of {dag_id} is there already")));
        }
        Err(error) => return Err(hopeless(error)),
    };
    xcom::push("trigger_run_id", &run.run_id)?;
    if !arguments.wait_for_completion {
        return Ok(Outcome::done());
    }
    let waiting = Waiting {
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        poke_interval: arguments.poke_interval,
        allowed_states: arguments.allowed_states,
        failed_states: arguments.failed_states,
        deferrable: arguments.deferrable,
    };
    judge(&run, waiting)
}

/// Goes on waiting.
fn look_again(waiting: Waiting, event: Event) -> Result<Outcome> {
    if let Event::Failed(reason) = event {
        return Err(Error::fail(reason));
    }
    match dag_runs::find(&waiting.dag_id, &waiting.run_id)? {
        Some(run) => judge(&run, waiting),
        None => Err(Error::fail(format!("the run {} of {} is gone", waiting.run_id, waiting.dag_id))),
    }
}

fn judge(run: &DagRun, waiting: Waiting) -> Result<Outcome> {
    let state = match run.state {
        RunState::Queued => State::Queued,
        RunState::Running => State::Running,
        RunState::Success => State::Success,
        RunState::Failed => State::Failed,
    };
    log::info!("the run {} of {} is {}", run.run_id, run.dag_id, run.state);
    if waiting.failed_states.contains(&state) {
        return Err(Error::fail(format!("the run {} of {} is {}", run.run_id, run.dag_id, run.state)));
    }
    if waiting.allowed_states.contains(&state) {
        return Ok(Outcome::done());
    }
    if matches!(run.state, RunState::Success | RunState::Failed) {
        // It will not change any more, and waiting for it would have no end.
        return Err(Error::fail(format!(
            "the run {} of {} ended as {}, which is neither among `allowed_states` nor `failed_states`",
            run.run_id, run.dag_id, run.state
        )));
    }
    if waiting.deferrable {
        let ended = DagRunTrigger::ended(&run.dag_id, RunSelector::RunId(run.run_id.clone()));
        return Outcome::defer(ended, waiting);
    }
    let pause = Duration::try_from_secs_f64(waiting.poke_interval).map_err(Error::fail)?;
    Outcome::defer(Trigger::After(pause), waiting)
}

/// What another try would meet again, unless the host has trouble of its own.
fn hopeless(error: DagRunError) -> Error {
    match error {
        DagRunError::Other(_) => Error::retry(error),
        _ => Error::fail(error),
    }
}

impl TriggerDagRun {
    fn request(&self) -> Result<Request> {
        if !(self.poke_interval > 0.0 && self.poke_interval.is_finite()) {
            return Err(Error::fail(format!("`poke_interval` is {}; it must be more than 0", self.poke_interval)));
        }
        let at = |text: &str| moment(text).map_err(Error::fail);
        Ok(Request {
            dag_id: self.trigger_dag_id.clone(),
            run_id: self.trigger_run_id.clone().filter(|run_id| !run_id.is_empty()),
            logical_date: match self.logical_date.as_deref() {
                None | Some("None" | "") => None,
                Some("now") => Some(SystemTime::now()),
                Some(text) => Some(at(text)?),
            },
            run_after: self.run_after.as_deref().map(at).transpose()?,
            conf: conf(self.conf.as_ref())?,
            note: self.note.clone(),
        })
    }
}

fn conf(given: Option<&Value>) -> Result<Map<String, Value>> {
    let text = match given {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(conf)) => return Ok(conf.clone()),
        Some(Value::String(text)) => text,
        Some(other) => return Err(Error::fail(format!("`conf` must be an object, not {other}"))),
    };
    airlock_sdk::serde_json::from_str(text)
        .map_err(|error| Error::fail(format!("`conf` must be an object or the JSON text of one: {error}")))
}

#[cfg(test)]
mod tests;
