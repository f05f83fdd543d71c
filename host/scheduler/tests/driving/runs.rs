use std::time::Duration;

use airlock_core::dag::{Dag, Seconds, Task};
use airlock_core::outcome::{Deferral, TryResult};
use airlock_core::state::{RunState, TaskState};
use airlock_core::trigger::Trigger;
use airlock_scheduler::SchedulerOptions;
use airlock_store::conformance::fixture::{dag, task};
use chrono::Utc;
use serde_json::Value;

use crate::world::{World, failure, success};

fn chain(length: usize) -> Dag {
    let name = |number: usize| format!("t{number:02}");
    let tasks = (0..length).map(|number| match number.checked_sub(1) {
        None => task(&name(0), &[]),
        Some(before) => task(&name(number), &[name(before).as_str()]),
    });
    Dag { tasks: tasks.collect(), ..dag("chain", &[]) }
}

#[tokio::test]
async fn a_chain_runs_to_its_end_by_wake_ups_alone() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.start_worker(|_| success());
    world.put(&chain(50)).await;
    world.trigger("chain", "manual__1").await;

    assert_eq!(world.end_of("chain", "manual__1").await, RunState::Success);
    let instances = world.instances("chain", "manual__1").await;
    assert!(instances.iter().all(|one| one.state == Some(TaskState::Success) && one.try_number == 1));
    let gaps: Vec<_> =
        instances.windows(2).map(|pair| pair[1].started_at.unwrap() - pair[0].ended_at.unwrap()).collect();
    assert!(gaps.iter().all(|gap| gap.num_microseconds() > Some(0)), "a task began before the one above it ended");
    let run = world.run("chain", "manual__1").await;
    let mut sorted = gaps.clone();
    sorted.sort();
    println!("median gap {} in a run of {}", sorted[sorted.len() / 2], run.ended_at.unwrap() - run.started_at.unwrap());
    world.stop().await;
}

#[tokio::test]
async fn a_run_in_which_everything_waits_is_held_by_nobody() {
    let mut world = World::new().await;
    let (pass_interval, rest_after) = (Duration::from_millis(20), Duration::ZERO);
    world.start_scheduler_with(SchedulerOptions { pass_interval, rest_after, ..SchedulerOptions::default() });
    let deferral = || Deferral {
        trigger: Trigger::PostedEvent { name: "go".to_owned() },
        state: Value::Null,
        timeout_ms: Some(3_600_000),
    };
    world.start_worker(move |claimed| match claimed.resume {
        None => TryResult::Defer { deferral: deferral() },
        Some(_) => success(),
    });
    world.put(&dag("waits", &["wait"])).await;
    world.trigger("waits", "manual__1").await;
    // The end of its rest is the only thing that is due in this database.
    world.until(async || world.store.work(Utc::now()).await.unwrap().next_due).await;
    let resting = world.run("waits", "manual__1").await;
    assert_eq!(world.instance("waits", "manual__1", "wait").await.state, Some(TaskState::Deferred));

    let now = resting.started_at.unwrap();
    world.store.post_event(world.tenant, "go", &Value::Null, now, now, 9).await.unwrap();
    world.wake.runs().raise();
    assert_eq!(world.end_of("waits", "manual__1").await, RunState::Success);
    assert!(world.run("waits", "manual__1").await.epoch > resting.epoch + 1, "it was taken anew");
    world.stop().await;
}

#[tokio::test]
async fn a_task_is_tried_again_after_its_delay_and_its_tries_are_kept() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.start_worker(|claimed| if claimed.try_number < 3 { failure() } else { success() });
    let flaky = Task { retries: 2, retry_delay: Seconds(0.05), ..task("flaky", &[]) };
    world.put(&Dag { tasks: vec![flaky], ..dag("d", &[]) }).await;
    world.trigger("d", "manual__1").await;

    assert_eq!(world.end_of("d", "manual__1").await, RunState::Success);
    let instance = world.instance("d", "manual__1", "flaky").await;
    let tries = world.store.tries(world.tenant, instance.id).await.unwrap();
    let states: Vec<_> = tries.iter().map(|one| (one.try_number, one.state)).collect();
    let (again, done) = (Some(TaskState::Failed), Some(TaskState::Success));
    assert_eq!(states, [(1, again), (2, again), (3, done)]);
    assert_eq!(tries[0].message.as_deref(), Some("as the test has it"));
    for pair in tries.windows(2) {
        let gap = pair[1].started_at.unwrap() - pair[0].ended_at.unwrap();
        assert!(gap.num_milliseconds() >= 50, "the next try began after {gap}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_sensor_is_asked_again_within_one_try() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.start_worker(|claimed| if claimed.reschedules < 3 { TryResult::Reschedule { at: None } } else { success() });
    let mut waits = task("waits", &[]);
    waits.sensor.poke_interval = Seconds(0.02);
    world.put(&Dag { tasks: vec![waits], ..dag("d", &[]) }).await;
    world.trigger("d", "manual__1").await;

    assert_eq!(world.end_of("d", "manual__1").await, RunState::Success);
    let instance = world.instance("d", "manual__1", "waits").await;
    assert_eq!(instance.try_number, 1);
    assert!(instance.first_started_at < instance.started_at);
    world.stop().await;
}

#[tokio::test]
async fn a_branch_skips_what_it_does_not_follow() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.start_worker(|claimed| match claimed.task_id.as_str() {
        "choose" => TryResult::Branch { follow: vec!["left".to_owned()] },
        _ => success(),
    });
    let tasks = vec![task("choose", &[]), task("left", &["choose"]), task("right", &["choose"])];
    world.put(&Dag { tasks, ..dag("d", &[]) }).await;
    world.trigger("d", "manual__1").await;

    assert_eq!(world.end_of("d", "manual__1").await, RunState::Success);
    let (done, skipped) = (Some(TaskState::Success), Some(TaskState::Skipped));
    let expected = [("choose".to_owned(), done), ("left".to_owned(), done), ("right".to_owned(), skipped)];
    assert_eq!(world.states("d", "manual__1").await, expected);
    let right = world.instance("d", "manual__1", "right").await;
    assert_eq!(right.message.as_deref(), Some("`choose` does not branch to it"));
    world.stop().await;
}
