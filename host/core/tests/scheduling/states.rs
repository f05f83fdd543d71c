//! The states by themselves, and the picture of how one follows another.

use airlock_core::run::diagram;
use airlock_core::state::{RunState, RunType, TaskState};
use serde_json::Value;

use crate::cases::read_object;

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

/// Left out: `schedulable` and `adoptable_by_other_scheduler`, which are not properties of a state here; `triggered_by`, which is a
/// text.
#[test]
fn the_states_are_airflows() {
    let expected = read_object("states.json", "enumerations");
    let of = |key: &str| names(&expected[key]);
    assert_eq!(having(true, |_| true), of("task_instance_states"));
    assert_eq!(having(false, TaskState::is_finished), of("terminal"));
    assert_eq!(having(true, |state| !state.is_finished()), of("unfinished"));
    assert_eq!(having(false, TaskState::is_success_like), of("counts_as_success"));
    assert_eq!(having(false, TaskState::is_failure_like), of("counts_as_failure"));
    assert_eq!(having(false, TaskState::holds_slot), of("holds_worker_slot"));
    assert_eq!(having(false, TaskState::counts_as_active), of("counts_for_task_concurrency"));
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(RunState::ALL.iter().map(ToString::to_string).collect()), of("dag_run_states"));
    assert_eq!(sorted(RunType::ALL.iter().map(ToString::to_string).collect()), of("run_types"));
}

/// The table of transitions is the one place where they are written down; the document shows it.
#[test]
fn the_document_shows_the_table_of_transitions() {
    let document = include_str!("../../../ARCHITECTURE.md");
    let expected = format!("```mermaid\n{}```\n", diagram());
    assert!(document.contains(&expected), "host/ARCHITECTURE.md does not have this diagram:\n{expected}");
}
