use std::sync::Arc;

use airlock_core::dag::{Dag, Task};
use airlock_core::mark::{RunMark, Selection, TaskMark, mark_instances, mark_run};
use airlock_core::run::{Instance, Plan, RunChange};
use airlock_core::state::{RunState, TaskState};
use uuid::Uuid;

use crate::cases::{Moment, dag, task};

fn now() -> Moment {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// `a` before `b` before `c`, with a teardown `t` after `c`.
fn chain() -> Dag {
    let below = |task_id: &str, upstream: &str| Task { upstream: vec![upstream.to_owned()], ..task(task_id) };
    let teardown = Task { is_teardown: true, ..below("t", "c") };
    dag(vec![task("a"), Task { retries: 2, ..below("b", "a") }, below("c", "b"), teardown])
}

fn instances(states: [Option<TaskState>; 4]) -> Vec<Instance> {
    let instance = |(number, state): (usize, Option<TaskState>)| Instance {
        id: Uuid::from_u128(number as u128),
        task_id: ["a", "b", "c", "t"][number].to_owned(),
        map_index: -1,
        state,
        try_number: u32::from(state.is_some()),
        max_tries: 0,
        first_started_at: None,
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        skips: Vec::new(),
        map_length: None,
    };
    states.into_iter().enumerate().map(instance).collect()
}

/// Task ids and the states that they are moved to.
fn moves(change: &RunChange) -> Vec<(&'static str, Option<TaskState>)> {
    let name = |id: Uuid| ["a", "b", "c", "t"][id.as_u128() as usize];
    change.moves.iter().map(|moved| (name(moved.instance), moved.to)).collect()
}

const SUCCESS: Option<TaskState> = Some(TaskState::Success);
const FAILED: Option<TaskState> = Some(TaskState::Failed);
const SKIPPED: Option<TaskState> = Some(TaskState::Skipped);

#[test]
fn marking_a_run_ends_what_runs_skips_what_waits_and_spares_teardowns() {
    let open = instances([SUCCESS, Some(TaskState::Running), None, SUCCESS]);
    let change = mark_run(&chain(), &open, RunMark::Failed, "ada", now());
    assert_eq!(moves(&change), [("b", FAILED), ("c", SKIPPED)]);
    assert_eq!(change.run_state, Some(RunState::Failed));
    assert_eq!(change.moves[0].settles.as_ref().unwrap().final_state, FAILED);
    assert!(change.moves[1].settles.is_none(), "it has no try to end");
    assert_eq!(change.moves[0].message.as_deref(), Some("ada has marked the run as failed"));

    let with_teardown = instances([SUCCESS, Some(TaskState::Deferred), Some(TaskState::UpForRetry), None]);
    let change = mark_run(&chain(), &with_teardown, RunMark::Success, "ada", now());
    assert_eq!(moves(&change), [("b", SUCCESS), ("c", SKIPPED)]);
    assert_eq!(change.run_state, None, "the run ends when its teardown has");
}

#[test]
fn marking_a_task_lets_what_failed_because_of_it_try_again() {
    let plan = Plan::new(Arc::new(chain()));
    let ended = instances([FAILED, Some(TaskState::UpstreamFailed), Some(TaskState::UpstreamFailed), SUCCESS]);
    let only = Selection { task_id: "a".to_owned(), map_index: None, upstream: false, downstream: false };
    let change = mark_instances(&plan, RunState::Failed, &ended, &only, TaskMark::Success, "ada", now());
    assert_eq!(moves(&change), [("a", SUCCESS), ("b", None), ("c", None)]);
    assert_eq!(change.run_state, Some(RunState::Queued));
    assert_eq!(change.moves[1].max_tries, 3, "as many tries ahead as it has retries, on top of what it had");

    let all = Selection { downstream: true, ..only };
    let change = mark_instances(&plan, RunState::Failed, &ended, &all, TaskMark::Skipped, "ada", now());
    assert_eq!(moves(&change), [("a", SKIPPED), ("b", SKIPPED), ("c", SKIPPED)]);
    assert_eq!(change.run_state, None, "nothing is left to run");
}
