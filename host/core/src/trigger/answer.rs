//! What it means what was seen.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    DagRunTrigger, HttpTrigger, JsonCondition, ObjectsTrigger, SqlCondition, SqlTrigger, StatusSet, TasksTrigger,
};
use crate::state::{RunState, TaskState};

/// Keys that a payload names at most.
const PAYLOAD_KEYS: usize = 1_000;

/// What a look came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// In words for people.
    NotYet(String),
    Fired {
        payload: Value,
        saw: String,
    },
}

impl StatusSet {
    pub fn contains(&self, status: u16) -> bool {
        match self {
            Self::OneOf(statuses) => statuses.contains(&status),
            Self::NoneOf(statuses) => !statuses.contains(&status),
        }
    }
}

impl HttpTrigger {
    /// `body` is none where it is larger than what is read of it. A condition is not asked of an error's body.
    pub fn answer(&self, status: u16, body: Option<&[u8]>) -> Answer {
        if !self.statuses.contains(status) {
            return Answer::NotYet(format!("status {status}"));
        }
        if let Some(condition) = self.expect.as_ref().filter(|_| status < 400)
            && let Err(why) = condition.holds(body)
        {
            return Answer::NotYet(format!("status {status}, and {why}"));
        }
        let text = body.and_then(|body| std::str::from_utf8(body).ok());
        Answer::Fired { payload: json!({ "status": status, "body": text }), saw: format!("status {status}") }
    }
}

impl JsonCondition {
    fn holds(&self, body: Option<&[u8]>) -> Result<(), String> {
        let body = body.ok_or("the body is too large to be looked into")?;
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
        let found = body.pointer(&self.pointer);
        let fits = match found {
            None => false,
            Some(found) if self.one_of.is_empty() => is_true(found),
            Some(found) => self.one_of.contains(found),
        };
        let shown = found.map_or_else(|| "nothing".to_owned(), |value| clipped(value.to_string()));
        if fits { Ok(()) } else { Err(format!("at `{}` there is {shown}", self.pointer)) }
    }
}

impl ObjectsTrigger {
    /// What was found of each of the keys.
    pub fn answer(&self, found: Vec<Vec<String>>) -> Answer {
        if let Some((key, _)) = self.keys.iter().zip(&found).find(|(_, objects)| objects.is_empty()) {
            return Answer::NotYet(format!("nothing at `{key}`"));
        }
        let keys: Vec<String> = found.into_iter().flatten().take(PAYLOAD_KEYS).collect();
        let saw = format!("{} objects", keys.len());
        Answer::Fired { payload: json!({ "keys": keys }), saw }
    }
}

impl SqlTrigger {
    /// `is_true`: whether Python would take the row's first value for true.
    pub fn answer(&self, first_row: Option<(Vec<Value>, bool)>) -> Answer {
        let Some((row, is_true)) = first_row else { return Answer::NotYet("no row".to_owned()) };
        let saw = clipped(Value::from(row.clone()).to_string());
        if self.until == SqlCondition::FirstValue && !is_true {
            return Answer::NotYet(format!("a row, {saw}"));
        }
        Answer::Fired { payload: json!({ "row": row }), saw: format!("a row, {saw}") }
    }
}

impl DagRunTrigger {
    /// The run, if there is one.
    pub fn answer(&self, run: Option<(&str, RunState)>) -> Answer {
        let Some((run_id, state)) = run else { return Answer::NotYet("there is no such run".to_owned()) };
        let saw = format!("the run `{run_id}` is {state}");
        if !self.states.iter().any(|wanted| wanted == state.as_str()) {
            return Answer::NotYet(saw);
        }
        Answer::Fired { payload: json!({ "run_id": run_id, "state": state }), saw }
    }
}

impl TasksTrigger {
    /// The run and the instances of the tasks in it, if there is one. A run that has ended makes no more instances: what is missing
    /// then will not come, until somebody clears the run.
    pub fn answer(&self, run: Option<(&str, &[(String, Option<TaskState>)])>) -> Answer {
        let Some((run_id, instances)) = run else { return Answer::NotYet("there is no such run".to_owned()) };
        let is_in = |states: &[String], state: Option<TaskState>| {
            state.is_some_and(|state| states.iter().any(|wanted| wanted == state.as_str()))
        };
        let mut counts: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
        for (task_id, state) in instances {
            let name = state.map_or("no_status", TaskState::as_str);
            *counts.entry(task_id).or_default().entry(name).or_default() += 1;
        }
        let any = instances.iter().any(|(_, state)| is_in(&self.any_in, *state));
        let there = self.task_ids.iter().all(|task_id| counts.contains_key(task_id.as_str()));
        let all = !self.all_in.is_empty() && there && instances.iter().all(|(_, state)| is_in(&self.all_in, *state));
        let saw = clipped(format!("the run `{run_id}` has {}", json!(counts)));
        if !any && !all {
            return Answer::NotYet(saw);
        }
        Answer::Fired { payload: json!({ "run_id": run_id, "states": counts }), saw }
    }
}

/// As Python takes a JSON value.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// A sentence for people holds no document.
fn clipped(mut text: String) -> String {
    const LONGEST: usize = 200;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push_str(" ...");
    }
    text
}
