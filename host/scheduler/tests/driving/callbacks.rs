//! Callbacks and deadlines, as a scheduler makes them due.

use std::time::Duration;

use airlock_core::callback::{CallbackEvent, CallbackState};
use airlock_core::dag::{Callback, Callbacks, Dag, DeadlineAlert, DeadlineReference, Seconds, Task};
use airlock_core::outcome::TryResult;
use airlock_core::state::RunState;
use airlock_scheduler::SchedulerOptions;
use airlock_store::Page;
use airlock_store::callbacks::CallbackRow;
use airlock_store::conformance::fixture::{dag, task};
use airlock_store::deadlines::DeadlineFilter;
use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use crate::world::{World, claim, failure, success};

fn call() -> Callback {
    let task = task("x", &[]);
    Callback {
        operator: task.operator,
        resolved: task.resolved,
        args: task.args,
        grants: None,
        limits: task.limits,
        execution_timeout: None,
        queue: "default".to_owned(),
    }
}

/// A callback for everything.
fn every() -> Callbacks {
    let [on_execute, on_success, on_failure, on_retry, on_skipped] = std::array::from_fn(|_| vec![call()]);
    Callbacks { on_execute, on_success, on_failure, on_retry, on_skipped }
}

/// These tasks, one after the other in name only, with a callback for everything, and so the DAG.
fn watched(tasks: Vec<Task>) -> Dag {
    let tasks = tasks.into_iter().map(|task| Task { callbacks: every(), ..task }).collect();
    let callbacks = Callbacks { on_success: vec![call()], on_failure: vec![call()], ..Callbacks::default() };
    Dag { tasks, callbacks, ..dag("d", &[]) }
}

async fn rows(world: &World) -> Vec<CallbackRow> {
    let run = world.run("d", "manual__1").await;
    world.store.list_callbacks(run.key, &Page::default()).await.unwrap().items
}

/// Task (or `run`), event and try, sorted by task and then as they became due.
async fn due(world: &World) -> Vec<(String, CallbackEvent, u32)> {
    let named = |row: CallbackRow| match row.subject {
        Some(subject) => (subject.task_id, row.event, subject.try_number),
        None => ("run".to_owned(), row.event, 0),
    };
    let mut due: Vec<_> = rows(world).await.into_iter().map(named).collect();
    due.sort_by(|left, right| left.0.cmp(&right.0));
    due
}

fn one(task: &str, event: CallbackEvent, try_number: u32) -> (String, CallbackEvent, u32) {
    (task.to_owned(), event, try_number)
}

#[tokio::test]
async fn every_callback_is_due_once_with_what_causes_it() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.start_worker(|claimed| match claimed.task_id.as_str() {
        "again" if claimed.try_number == 1 => failure(),
        "broken" => failure(),
        "left_out" => TryResult::Skip { reason: Some("not today".to_owned()) },
        "waits" if claimed.reschedules < 2 => TryResult::Reschedule { at: None },
        _ => success(),
    });
    let mut waits = task("waits", &[]);
    waits.sensor.poke_interval = Seconds(0.02);
    let again = Task { retries: 1, retry_delay: Seconds(0.02), ..task("again", &[]) };
    // What an upstream failure decides is nothing that anybody has done.
    let below = task("below", &["broken"]);
    world.put(&watched(vec![again, below, task("broken", &[]), task("left_out", &[]), waits])).await;
    world.trigger("d", "manual__1").await;

    assert_eq!(world.end_of("d", "manual__1").await, RunState::Failed);
    use CallbackEvent::{OnExecute, OnFailure, OnRetry, OnSkipped, OnSuccess};
    let expected = [
        one("again", OnExecute, 1),
        one("again", OnRetry, 1),
        one("again", OnExecute, 2),
        one("again", OnSuccess, 2),
        one("broken", OnExecute, 1),
        one("broken", OnFailure, 1),
        one("left_out", OnExecute, 1),
        one("left_out", OnSkipped, 1),
        one("run", OnFailure, 0),
        one("waits", OnExecute, 1),
        one("waits", OnSuccess, 1),
    ];
    assert_eq!(due(&world).await, expected);
    let rows = rows(&world).await;
    let about = |task: Option<&str>, event| {
        let of = |row: &&CallbackRow| row.subject.as_ref().map(|subject| subject.task_id.as_str()) == task;
        rows.iter().filter(of).find(|row| row.event == event).unwrap().about.clone()
    };
    assert_eq!(about(Some("broken"), OnFailure).exception.as_deref(), Some("as the test has it"));
    assert_eq!(about(Some("left_out"), OnSkipped).reason.as_deref(), Some("not today"));
    assert_eq!(about(None, OnFailure).reason.as_deref(), Some("task_failure"));
    world.stop().await;
}

#[tokio::test]
async fn a_run_that_times_out_has_failed_and_its_tasks_have_not() {
    let mut world = World::new().await;
    world.start_scheduler();
    let document = Dag { dagrun_timeout: Some(Seconds(0.3)), ..watched(vec![task("stuck", &[])]) };
    world.put(&document).await;
    world.trigger("d", "manual__1").await;
    assert_eq!(world.end_of("d", "manual__1").await, RunState::Failed);
    assert_eq!(due(&world).await, [one("run", CallbackEvent::OnFailure, 0)]);
    assert_eq!(rows(&world).await[0].about.reason.as_deref(), Some("timed_out"));
    world.stop().await;
}

#[tokio::test]
async fn a_lost_try_is_called_for_as_any_that_failed() {
    let mut world = World::new().await;
    let options = SchedulerOptions { pass_interval: Duration::from_millis(50), ..SchedulerOptions::default() };
    world.start_scheduler_with(options);
    world.put(&watched(vec![task("stuck", &[])])).await;
    world.trigger("d", "manual__1").await;
    let silent = Uuid::new_v4();
    let claimed = world.until(async || claim(&*world.store, silent, 1).await.pop()).await;
    let ends = Utc::now() - TimeDelta::seconds(1);
    world.store.heartbeat_tries(silent, &[claimed.lease_token], ends).await.unwrap();
    assert_eq!(world.end_of("d", "manual__1").await, RunState::Failed);
    use CallbackEvent::{OnExecute, OnFailure};
    let expected = [one("run", OnFailure, 0), one("stuck", OnExecute, 1), one("stuck", OnFailure, 1)];
    assert_eq!(due(&world).await, expected);

    // So is a callback whose worker is silent.
    let queues = ["default".to_owned()];
    let now = Utc::now();
    let lost = world.store.claim_callbacks(silent, "gone", &queues, 3, now, now - TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(lost.len(), 3);
    let is_queued = async || rows(&world).await.iter().all(|row| row.state == CallbackState::Queued).then_some(());
    world.until(is_queued).await;
    world.stop().await;
}

#[tokio::test]
async fn a_deadline_is_missed_once_although_two_schedulers_look() {
    let mut world = World::new().await;
    let options = SchedulerOptions { pass_interval: Duration::from_millis(50), ..SchedulerOptions::default() };
    world.start_scheduler_with(options.clone());
    world.start_scheduler_with(options);
    let alert = |interval| DeadlineAlert {
        name: Some("soon".to_owned()),
        reference: DeadlineReference::DagrunQueuedAt,
        interval: Seconds(interval),
        callback: call(),
    };
    let document = Dag { deadlines: vec![alert(600.0), alert(0.1)], ..dag("d", &["a"]) };
    world.put(&document).await;
    // Nobody claims its task.
    world.trigger("d", "manual__1").await;
    let is_missed = async || (!rows(&world).await.is_empty()).then_some(());
    world.until(is_missed).await;
    world.start_worker(|_| success());
    world.wake.queue().raise();
    assert_eq!(world.end_of("d", "manual__1").await, RunState::Success);
    assert_eq!(due(&world).await, [one("run", CallbackEvent::Deadline, 0)]);
    let row = rows(&world).await.pop().unwrap();
    assert_eq!((row.place, row.about.deadline.unwrap().name.as_deref()), (1, Some("soon")));
    let left = world.store.list_deadlines(world.tenant, &DeadlineFilter::default(), &Page::default()).await.unwrap();
    assert_eq!(left.items.iter().map(|row| (row.place, row.missed)).collect::<Vec<_>>(), [(1, true)]);
    world.stop().await;
}
