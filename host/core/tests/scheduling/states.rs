//! The states by themselves, and the picture of how one follows another.

use std::sync::Arc;

use airlock_core::dag::Task;
use airlock_core::run::{EndedTry, Event, Instance, Plan, RunFacts, RunMachine, TRANSITIONS, diagram};
use airlock_core::state::{RunState, RunType, TaskState, TriggeredBy};
use serde_json::Value;
use uuid::Uuid;

use crate::cases::{Moment, dag, equal, judge, task};

/// Sorted; the seeds' `null` and `"null"` are both no state.
fn names(value: &Value) -> Vec<String> {
    let name = |item: &Value| item.as_str().unwrap_or("null").to_owned();
    let mut names: Vec<String> = value.as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

fn having(no_state: bool, test: impl Fn(TaskState) -> bool) -> Vec<String> {
    let states = TaskState::ALL.iter().copied().filter(|state| test(*state)).map(|state| state.to_string());
    let mut names: Vec<String> = states.chain(no_state.then(|| "null".to_owned())).collect();
    names.sort();
    names
}

/// Whether another scheduler has to find out what became of an instance in this state: it moves when its try is lost, or when it is
/// looked at, though no rule decides about it.
fn is_in_somebodys_hands(state: TaskState) -> bool {
    let only = Task { retries: 1, ..task("only") };
    let instance = Instance {
        id: Uuid::from_u128(1),
        task_id: "only".to_owned(),
        map_index: -1,
        state: Some(state),
        try_number: 1,
        max_tries: 1,
        first_started_at: None,
        wake_at: Some(Moment::MAX_UTC),
        reschedules: 0,
        resume_state: None,
        skips: Vec::new(),
        map_length: None,
    };
    let facts = RunFacts { logical_date: None, started_at: None, ignores_past: false };
    let mut machine = RunMachine::new(Arc::new(Plan::new(dag(vec![only]).into())), facts, vec![instance]);
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    machine.on_event(Event::Begin, now);
    let lost = EndedTry::lost(Uuid::from_u128(1), 1, Uuid::nil(), None, None, now);
    machine.on_event(Event::Ended(lost), now);
    machine.states().next().unwrap().2 != Some(state)
}

/// What a trigger rule may still decide about.
fn is_schedulable(state: Option<TaskState>) -> bool {
    TRANSITIONS.iter().any(|row| row.from == state && row.to == Some(TaskState::UpstreamFailed))
}

#[test]
fn conformance_of_states() {
    judge(
        "states",
        "enumerations",
        |_| true,
        |case| {
            let every = |names: Vec<String>| {
                let mut names = names;
                names.sort();
                names
            };
            let found = match case.name {
                "task_instance_states" => having(true, |_| true),
                "terminal" => having(false, TaskState::is_finished),
                "unfinished" => having(true, |state| !state.is_finished()),
                "counts_as_success" => having(false, TaskState::is_success_like),
                "counts_as_failure" => having(false, TaskState::is_failure_like),
                "holds_worker_slot" => having(false, TaskState::holds_slot),
                "counts_for_task_concurrency" => having(false, TaskState::counts_as_active),
                "schedulable" => having(is_schedulable(None), |state| is_schedulable(Some(state))),
                "adoptable_by_other_scheduler" => {
                    having(false, |state| !is_schedulable(Some(state)) && is_in_somebodys_hands(state))
                }
                "dag_run_states" => every(RunState::ALL.iter().map(ToString::to_string).collect()),
                "run_types" => every(RunType::ALL.iter().map(ToString::to_string).collect()),
                "triggered_by" => every(TriggeredBy::ALL.iter().map(ToString::to_string).collect()),
                other => return Err(format!("nobody knows the enumeration `{other}`")),
            };
            equal(found, names(case))
        },
    );
}

/// The table of transitions is the one place where they are written down; the document shows it.
#[test]
fn the_document_shows_the_table_of_transitions() {
    let document = include_str!("../../../ARCHITECTURE.md");
    let expected = format!("```mermaid\n{}```\n", diagram());
    assert!(document.contains(&expected), "host/ARCHITECTURE.md does not have this diagram:\n{expected}");
}
