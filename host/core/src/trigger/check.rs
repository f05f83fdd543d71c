//! What can be wrong about a trigger, before anybody looks.

use super::{HttpTrigger, KeyPattern, ObjectsTrigger, RunSelector, SqlTrigger, StatusSet, TasksTrigger, Trigger};
use crate::state::{RunState, TaskState};

/// Keys, or tasks, of one trigger.
const MOST_NAMES: usize = 100;

/// Bytes of the name of an event.
const LONGEST_NAME: usize = 250;

/// Whatever would keep the trigger from ever firing, in words for its author.
pub fn faults(trigger: &Trigger) -> Vec<String> {
    let mut found = Vec::new();
    let mut unless = |fits: bool, fault: &str| {
        if !fits {
            found.push(fault.to_owned());
        }
    };
    match trigger {
        Trigger::At { .. } | Trigger::After { .. } => {}
        Trigger::Http(http) => return of_http(http),
        Trigger::Objects(objects) => return of_objects(objects),
        Trigger::Sql(SqlTrigger { conn_id, statement, parameters, .. }) => {
            unless(!conn_id.is_empty(), "names no connection");
            unless(!statement.trim().is_empty(), "has no statement");
            let is_plain = |value: &serde_json::Value| !value.is_array() && !value.is_object();
            unless(parameters.iter().all(is_plain), "has parameters that are neither text, number, boolean nor null");
        }
        Trigger::DagRun(of) => {
            return of_run(&of.dag_id, &of.run, &of.states, |name| {
                name.parse::<RunState>().is_ok_and(RunState::is_finished)
            });
        }
        Trigger::Tasks(of) => return of_tasks(of),
        Trigger::PostedEvent { name } => {
            let fits = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
            unless(fits, "has a name that is empty, longer than 250 bytes, or has control characters");
        }
    }
    found
}

fn of_http(http: &HttpTrigger) -> Vec<String> {
    let mut found = Vec::new();
    let (StatusSet::OneOf(statuses) | StatusSet::NoneOf(statuses)) = &http.statuses;
    if let Some(status) = statuses.iter().find(|status| !(100..600).contains(*status)) {
        found.push(format!("waits for the status {status}, which HTTP does not have"));
    }
    if matches!(&http.statuses, StatusSet::OneOf(statuses) if statuses.is_empty()) {
        found.push("names no status to wait for".to_owned());
    }
    if http.expect.as_ref().is_some_and(|expect| !expect.pointer.is_empty() && !expect.pointer.starts_with('/')) {
        found.push("has a JSON pointer that is neither empty nor begins with `/`".to_owned());
    }
    found
}

fn of_objects(objects: &ObjectsTrigger) -> Vec<String> {
    let mut found = Vec::new();
    if objects.conn_id.is_empty() {
        found.push("names no connection".to_owned());
    }
    if objects.keys.is_empty() || objects.keys.len() > MOST_NAMES {
        found.push(format!("has {} keys, and needs 1 to {MOST_NAMES}", objects.keys.len()));
    }
    found.extend(objects.keys.iter().filter_map(|key| KeyPattern::new(key, objects.matching).err()));
    found
}

fn of_tasks(of: &TasksTrigger) -> Vec<String> {
    let states: Vec<String> = of.all_in.iter().chain(&of.any_in).cloned().collect();
    let mut found =
        of_run(&of.dag_id, &of.run, &states, |name| name.parse::<TaskState>().is_ok_and(TaskState::is_finished));
    if of.task_ids.is_empty() || of.task_ids.len() > MOST_NAMES {
        found.push(format!("has {} tasks, and needs 1 to {MOST_NAMES}", of.task_ids.len()));
    }
    found
}

fn of_run(dag_id: &str, run: &RunSelector, states: &[String], is_end: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    if dag_id.is_empty() || matches!(run, RunSelector::RunId(run_id) if run_id.is_empty()) {
        found.push("names no run".to_owned());
    }
    if states.is_empty() {
        found.push("names no state to wait for".to_owned());
    }
    if let Some(state) = states.iter().find(|state| !is_end(state)) {
        found.push(format!("waits for the state `{state}`; a trigger waits only for states that are an end"));
    }
    found
}
