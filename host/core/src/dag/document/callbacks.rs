//! `callbacks` of tasks and of the DAG, and `deadlines`.

use serde_json::Value;

use super::fields::{Fields, Found};
use super::settings::{DEFAULT_QUEUE, grants, limits, positive, queue};
use super::task::{Context, args, operator};
use crate::callback::CallbackEvent;
use crate::dag::{Callback, Callbacks, DeadlineAlert, DeadlineReference, OperatorKind};

const FIELDS: &[&str] = &["operator", "args", "grants", "limits", "execution_timeout", "queue"];
const ALERT_FIELDS: &[&str] = &["name", "reference", "interval", "callback"];

/// What a task can have callbacks for.
const OF_TASKS: &[&str] = &["on_execute", "on_success", "on_failure", "on_retry", "on_skipped"];
const OF_RUNS: &[&str] = &["on_success", "on_failure"];

/// Callbacks for one thing, and deadlines of one DAG: each costs a call.
const MOST: usize = 16;

/// Characters of an alert's name, as in Airflow.
const LONGEST_NAME: usize = 250;

/// Airflow's default of `AVERAGE_RUNTIME`.
const AVERAGED_RUNS: u32 = 10;
/// What is averaged is read whenever a run is made.
const MOST_AVERAGED: u32 = 1_000;

/// Of a task, layered over its defaults: as in Airflow, each kind of callback has a default of its own, and workers of the task's queue
/// call them unless they say otherwise.
pub(super) fn of_task(layered: &Fields<'_>, queue: &str, context: &mut Context<'_, '_>) -> Callbacks {
    read(layered, "a task's `callbacks`", OF_TASKS, &mut Reading { queue, context })
}

/// The DAG's own, which `default_args` say nothing of.
pub(super) fn of_runs(fields: &Fields<'_>, context: &mut Context<'_, '_>) -> Callbacks {
    read(fields, "a DAG's `callbacks`", OF_RUNS, &mut Reading { queue: DEFAULT_QUEUE, context })
}

struct Reading<'r, 'a, 'c> {
    /// Of callbacks that name none.
    queue: &'r str,
    context: &'r mut Context<'a, 'c>,
}

fn read(fields: &Fields<'_>, what: &str, kinds: &[&str], reading: &mut Reading<'_, '_, '_>) -> Callbacks {
    let Some(callbacks) = fields.inner("callbacks") else { return Callbacks::default() };
    callbacks.refuse_unknown(what, &[kinds]);
    let mut of = |event: CallbackEvent| {
        let known = kinds.contains(&event.as_str());
        let found = callbacks.get(event.as_str()).filter(|_| known);
        found.map(|found| list(&found, reading)).unwrap_or_default()
    };
    Callbacks {
        on_execute: of(CallbackEvent::OnExecute),
        on_success: of(CallbackEvent::OnSuccess),
        on_failure: of(CallbackEvent::OnFailure),
        on_retry: of(CallbackEvent::OnRetry),
        on_skipped: of(CallbackEvent::OnSkipped),
    }
}

/// One or several.
fn list(found: &Found<'_>, reading: &mut Reading<'_, '_, '_>) -> Vec<Callback> {
    match found.value {
        Value::Array(items) if items.len() > MOST => {
            found.fault(format!("{} callbacks are more than the {MOST} that there may be for one thing", items.len()));
            Vec::new()
        }
        Value::Array(_) => found.items().into_iter().flatten().filter_map(|item| callback(&item, reading)).collect(),
        Value::Object(_) => callback(found, reading).into_iter().collect(),
        _ => {
            found.expected("a callback such as {\"operator\": \"http\", \"args\": {...}}, or an array of them");
            Vec::new()
        }
    }
}

fn callback(found: &Found<'_>, reading: &mut Reading<'_, '_, '_>) -> Option<Callback> {
    let own = found.fields()?;
    own.refuse_unknown("a callback", &[FIELDS]);
    let (operator, resolved) = operator(&own, None, reading.context);
    if resolved.kind != OperatorKind::Action
        && let Some(found) = own.get("operator")
    {
        found.fault(format!(
            "a callback is called once and has no tasks after it, so that its operator is an action; `{operator}` is a {}",
            resolved.kind
        ));
    }
    Some(Callback {
        operator,
        resolved,
        args: args(&own),
        grants: own.get("grants").and_then(|found| grants(&found)),
        limits: own.get("limits").and_then(|found| limits(&found)).unwrap_or_default(),
        execution_timeout: own.get("execution_timeout").and_then(|found| positive(&found)),
        queue: own.get("queue").and_then(|found| queue(&found)).unwrap_or_else(|| reading.queue.to_owned()),
    })
}

pub(super) fn deadlines(fields: &Fields<'_>, context: &mut Context<'_, '_>) -> Vec<DeadlineAlert> {
    let Some(found) = fields.get("deadlines") else { return Vec::new() };
    if let Some(count) = found.value.as_array().map(Vec::len).filter(|count| *count > MOST) {
        found.fault(format!("{count} deadlines are more than the {MOST} that a DAG may have"));
        return Vec::new();
    }
    found.items().into_iter().flatten().filter_map(|item| alert(&item.fields()?, context)).collect()
}

fn alert(fields: &Fields<'_>, context: &mut Context<'_, '_>) -> Option<DeadlineAlert> {
    fields.refuse_unknown("a deadline", &[ALERT_FIELDS]);
    let name = fields.text("name");
    if let Some(found) = fields.get("name")
        && name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > LONGEST_NAME)
    {
        found.fault(format!("a deadline's name is 1 to {LONGEST_NAME} characters long"));
    }
    let reference = fields.required("reference").and_then(|found| reference(&found));
    let interval = fields.required("interval").and_then(|found| found.seconds());
    let mut reading = Reading { queue: DEFAULT_QUEUE, context };
    let callback = fields.required("callback").and_then(|found| callback(&found, &mut reading));
    Some(DeadlineAlert { name, reference: reference?, interval: interval?, callback: callback? })
}

fn reference(found: &Found<'_>) -> Option<DeadlineReference> {
    match found.value {
        Value::String(name) if name == "dagrun_queued_at" => Some(DeadlineReference::DagrunQueuedAt),
        Value::String(name) if name == "dagrun_logical_date" => Some(DeadlineReference::DagrunLogicalDate),
        Value::Object(members) if members.len() == 1 => {
            let fields = found.fields()?;
            fields.refuse_unknown("a deadline's reference", &[&["fixed", "average_runtime"]]);
            match fields.get("average_runtime") {
                Some(found) => average_runtime(&found.fields()?),
                None => fields.instant("fixed").map(DeadlineReference::Fixed),
            }
        }
        _ => {
            found.expected(
                "\"dagrun_queued_at\", \"dagrun_logical_date\", {\"fixed\": instant} or {\"average_runtime\": {\"max_runs\": 10}}",
            );
            None
        }
    }
}

fn average_runtime(fields: &Fields<'_>) -> Option<DeadlineReference> {
    fields.refuse_unknown("`average_runtime`", &[&["max_runs", "min_runs"]]);
    let given = |name| fields.get(name).map(|found| found.whole(1..=MOST_AVERAGED));
    let max_runs = given("max_runs").unwrap_or(Some(AVERAGED_RUNS))?;
    let min_runs = given("min_runs").unwrap_or(Some(max_runs))?;
    if let Some(found) = fields.get("min_runs").filter(|_| min_runs > max_runs) {
        found.expected(format_args!("at most `max_runs`, which is {max_runs}"));
    }
    Some(DeadlineReference::AverageRuntime { max_runs, min_runs })
}
