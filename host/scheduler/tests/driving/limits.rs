use airlock_core::dag::{Dag, Schedule, Seconds, Task};
use airlock_core::mark::{RunMark, mark_run};
use airlock_core::run::Instance;
use airlock_core::state::{RunState, RunType, TaskState};
use airlock_core::timetable::next_run;
use airlock_scheduler::SchedulerOptions;
use airlock_store::Page;
use airlock_store::conformance::fixture::{dag, task};
use airlock_store::runs::RunFilter;
use airlock_store::settings::PoolRow;
use chrono::{SubsecRound, TimeDelta, Utc};
use std::time::Duration;
use uuid::Uuid;

use crate::world::{World, claim, failure, success};

impl World {
    /// Puts a DAG that is scheduled, and says when it is due, as the API does.
    async fn schedule(&self, dag: &Dag) {
        self.put(dag).await;
        let next = next_run(dag, None, Utc::now().trunc_subsecs(6)).unwrap();
        assert!(self.store.set_next_run(self.tenant, &dag.dag_id, 1, next.as_ref()).await.unwrap());
        self.wake.runs().raise();
    }

    /// Logical dates and states of a DAG's scheduled runs.
    async fn scheduled_runs(&self, dag_id: &str) -> Vec<(String, RunState)> {
        let filter =
            RunFilter { dag_id: Some(dag_id.to_owned()), run_types: vec![RunType::Scheduled], ..RunFilter::default() };
        let order_by = vec![("logical_date".to_owned(), false)];
        let page = Page { limit: 1_000, offset: 0, order_by };
        let runs = self.store.list_runs(self.tenant, &filter, &page).await.unwrap().items;
        runs.into_iter().map(|run| (run.logical_date.unwrap().to_rfc3339(), run.state)).collect()
    }
}

fn daily(catchup: bool) -> Dag {
    let now = Utc::now();
    let cron = Schedule::CronDataInterval { cron: "0 0 * * *".to_owned() };
    Dag { schedule: cron, start_date: Some(now - TimeDelta::days(5)), catchup, max_active_runs: 2, ..dag("d", &["t"]) }
}

#[tokio::test]
async fn catching_up_makes_every_run_and_never_more_at_once_than_allowed() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.schedule(&daily(true)).await;
    world.until(async || (world.scheduled_runs("d").await.len() >= 2).then_some(())).await;
    world.start_worker(|_| success());

    let due = next_run(&daily(true), None, Utc::now()).unwrap().unwrap().logical_date.unwrap();
    let expected = (Utc::now() - due).num_days();
    let is_done = |runs: &Vec<(String, RunState)>| {
        runs.len() as i64 == expected && runs.iter().all(|(_, state)| *state == RunState::Success)
    };
    let runs = world.until(async || Some(world.scheduled_runs("d").await).filter(is_done)).await;
    assert_eq!(runs[0].0, due.to_rfc3339());
    let row = world.store.dag(world.tenant, "d").await.unwrap().unwrap();
    assert!(row.next_run.unwrap().run_after > Utc::now(), "the next one lies ahead");
    world.stop().await;
}

#[tokio::test]
async fn without_catching_up_only_the_newest_interval_is_run() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.start_worker(|_| success());
    world.schedule(&daily(false)).await;
    let is_done = |runs: &Vec<(String, RunState)>| runs.iter().any(|(_, state)| state.is_finished());
    let runs = world.until(async || Some(world.scheduled_runs("d").await).filter(is_done)).await;
    let yesterday = (Utc::now() - TimeDelta::days(1)).date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
    assert_eq!(runs, [(yesterday.to_rfc3339(), RunState::Success)]);
    world.stop().await;
}

#[tokio::test]
async fn a_due_time_is_met_without_a_pass() {
    let mut world = World::new().await;
    let pass_interval = Duration::from_secs(3_600);
    world.start_scheduler_with(SchedulerOptions { pass_interval, ..SchedulerOptions::default() });
    world.start_worker(|_| success());
    let soon = Utc::now().trunc_subsecs(6) + TimeDelta::milliseconds(300);
    let events = Schedule::Events { dates: vec![soon] };
    world.schedule(&Dag { schedule: events, catchup: true, ..dag("d", &["t"]) }).await;
    let is_done = |runs: &Vec<(String, RunState)>| runs.iter().any(|(_, state)| state.is_finished());
    world.until(async || Some(world.scheduled_runs("d").await).filter(is_done)).await;
    world.stop().await;
}

#[tokio::test]
async fn what_one_round_leaves_the_next_takes() {
    let mut world = World::new().await;
    let pass_interval = Duration::from_secs(3_600);
    let narrow = SchedulerOptions { pass_interval, changes: 1, admissions: 1, ..SchedulerOptions::default() };
    world.put(&Dag { tasks: vec![task("a", &[]), task("b", &["a"]), task("c", &["a"])], ..dag("d", &[]) }).await;
    for number in 0..5 {
        world.trigger("d", &format!("manual__{number}")).await;
    }
    world.start_scheduler_with(narrow);
    world.start_worker(|_| success());
    for number in 0..5 {
        assert_eq!(world.end_of("d", &format!("manual__{number}")).await, RunState::Success);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_pool_is_never_over_its_slots_and_a_missing_one_holds_only_its_tasks() {
    let mut world = World::new().await;
    let pool = PoolRow { name: "two".to_owned(), slots: 2, description: None, include_deferred: false };
    world.store.put_pool(world.tenant, &pool).await.unwrap();
    world.start_scheduler();
    let pooled = |name: &str, pool: &str| Task { pool: pool.to_owned(), ..task(name, &[]) };
    let mut tasks: Vec<Task> = (0..6).map(|number| pooled(&format!("t{number}"), "two")).collect();
    tasks.push(pooled("lost", "nowhere"));
    world.put(&Dag { tasks, ..dag("d", &[]) }).await;
    world.trigger("d", "manual__1").await;

    let worker = Uuid::new_v4();
    let mut claimed = Vec::new();
    while claimed.len() < 6 {
        let some = world
            .until(async || Some(claim(&*world.store, worker, 10).await).filter(|claimed| !claimed.is_empty()))
            .await;
        let depths = world.store.queue_depths().await.unwrap();
        assert!(depths.iter().map(|depth| depth.queued + depth.running).sum::<u64>() <= 2);
        let reports: Vec<_> = some.iter().map(|one| crate::world::report(one, success())).collect();
        world.store.report_tries(&reports).await.unwrap();
        world.wake.reports().raise();
        claimed.extend(some);
    }
    let is_done = |state: &Option<TaskState>| *state == Some(TaskState::Success);
    world
        .until(async || {
            let states = world.states("d", "manual__1").await;
            (states.iter().filter(|(_, state)| is_done(state)).count() == 6).then_some(())
        })
        .await;
    assert_eq!(world.instance("d", "manual__1", "lost").await.state, Some(TaskState::Scheduled));
    assert_eq!(world.run("d", "manual__1").await.state, RunState::Running);
    world.stop().await;
}

#[tokio::test]
async fn runs_by_hand_queue_behind_the_limit_of_runs() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.put(&Dag { max_active_runs: 1, ..dag("d", &["t"]) }).await;
    world.trigger("d", "manual__1").await;
    world.trigger("d", "manual__2").await;
    world
        .until(async || Some(world.run("d", "manual__1").await.state).filter(|state| *state == RunState::Running))
        .await;
    assert_eq!(world.run("d", "manual__2").await.state, RunState::Queued);
    world.start_worker(|_| success());
    assert_eq!(world.end_of("d", "manual__1").await, RunState::Success);
    assert_eq!(world.end_of("d", "manual__2").await, RunState::Success);
    world.stop().await;
}

#[tokio::test]
async fn a_run_that_takes_too_long_fails_and_its_tries_are_taken_off_the_queue() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.put(&Dag { dagrun_timeout: Some(Seconds(0.2)), ..dag("d", &["t"]) }).await;
    world.trigger("d", "manual__1").await;
    assert_eq!(world.end_of("d", "manual__1").await, RunState::Failed);
    assert_eq!(world.instance("d", "manual__1", "t").await.state, Some(TaskState::Skipped));
    assert!(world.store.queue_depths().await.unwrap().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_dag_that_keeps_failing_is_paused() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.start_worker(|_| failure());
    world.put(&Dag { max_consecutive_failed_dag_runs: 2, ..dag("d", &["t"]) }).await;
    let is_paused = async || world.store.dag(world.tenant, "d").await.unwrap().unwrap().is_paused;
    world.trigger("d", "manual__1").await;
    assert_eq!(world.end_of("d", "manual__1").await, RunState::Failed);
    assert!(!is_paused().await);
    world.trigger("d", "manual__2").await;
    assert_eq!(world.end_of("d", "manual__2").await, RunState::Failed);
    world.until(async || is_paused().await.then_some(())).await;
    world.trigger("d", "manual__3").await;
    world.put(&dag("other", &["t"])).await;
    world.trigger("other", "manual__1").await;
    assert_eq!(world.end_of("other", "manual__1").await, RunState::Failed);
    assert_eq!(world.run("d", "manual__3").await.state, RunState::Queued, "a paused DAG begins no run");
    world.stop().await;
}

#[tokio::test]
async fn a_task_waits_for_itself_in_the_run_before() {
    let mut world = World::new().await;
    world.start_scheduler();
    let careful = Task { depends_on_past: true, ..task("t", &[]) };
    world.schedule(&Dag { tasks: vec![careful], ..daily(true) }).await;
    world.until(async || (world.scheduled_runs("d").await.len() == 2).then_some(())).await;
    let worker = Uuid::new_v4();
    let mut dates = Vec::new();
    for _ in 0..3 {
        let claimed =
            world.until(async || Some(claim(&*world.store, worker, 10).await).filter(|some| !some.is_empty())).await;
        assert_eq!(claimed.len(), 1, "the second run waits for the first");
        dates.push(claimed[0].run_id.clone());
        world.store.report_tries(&[crate::world::report(&claimed[0], success())]).await.unwrap();
        world.wake.reports().raise();
    }
    assert!(dates.is_sorted(), "{dates:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_run_that_is_marked_ends_at_once() {
    let mut world = World::new().await;
    world.start_scheduler();
    world.put(&dag("d", &["a", "b"])).await;
    world.trigger("d", "manual__1").await;
    let worker = Uuid::new_v4();
    world.until(async || Some(claim(&*world.store, worker, 1).await).filter(|some| !some.is_empty())).await;

    let key = world.run("d", "manual__1").await.key;
    let loaded = world.store.load_run(key).await.unwrap().unwrap();
    let instances: Vec<Instance> = loaded.instances.into_iter().map(Instance::from).collect();
    let change = mark_run(&loaded.dag, &instances, RunMark::Failed, "ada", Utc::now().trunc_subsecs(6));
    assert!(world.store.intervene(key, loaded.run.epoch, &change).await.unwrap());
    world.wake.runs().raise();
    assert_eq!(world.run("d", "manual__1").await.state, RunState::Failed);
    let states: Vec<_> = world.states("d", "manual__1").await.into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [Some(TaskState::Failed), Some(TaskState::Skipped)]);
    assert!(world.store.queue_depths().await.unwrap().is_empty());
    // The scheduler that drove it goes on with others.
    world.start_worker(|_| success());
    world.trigger("d", "manual__2").await;
    assert_eq!(world.end_of("d", "manual__2").await, RunState::Success);
    world.stop().await;
}

#[tokio::test]
async fn another_scheduler_goes_on_where_one_died() {
    let mut world = World::new().await;
    let quick = SchedulerOptions {
        run_lease: Duration::from_millis(300),
        pass_interval: Duration::from_millis(50),
        ..SchedulerOptions::default()
    };
    let dying = world.spawn_scheduler(quick.clone());
    let chain = vec![task("a", &[]), task("b", &["a"])];
    world.put(&Dag { tasks: chain, ..dag("d", &[]) }).await;
    world.trigger("d", "manual__1").await;
    let worker = Uuid::new_v4();
    let claimed =
        world.until(async || Some(claim(&*world.store, worker, 1).await).filter(|some| !some.is_empty())).await;
    dying.abort();

    world.store.report_tries(&[crate::world::report(&claimed[0], success())]).await.unwrap();
    world.start_scheduler_with(quick);
    world.start_worker(|_| success());
    assert_eq!(world.end_of("d", "manual__1").await, RunState::Success);
    let instances = world.instances("d", "manual__1").await;
    assert!(instances.iter().all(|one| one.try_number == 1), "nothing was run twice");
    world.stop().await;
}

#[tokio::test]
async fn a_try_whose_worker_is_silent_is_lost_and_tried_again() {
    let mut world = World::new().await;
    let pass_interval = Duration::from_millis(50);
    world.start_scheduler_with(SchedulerOptions { pass_interval, ..SchedulerOptions::default() });
    let again = Task { retries: 1, ..task("t", &[]) };
    world.put(&Dag { tasks: vec![again], ..dag("d", &[]) }).await;
    world.trigger("d", "manual__1").await;
    let silent = world
        .until(async || {
            let now = Utc::now().trunc_subsecs(6);
            let queues = ["default".to_owned()];
            let until = now + TimeDelta::milliseconds(50);
            let claimed = world.store.claim_tries(Uuid::new_v4(), "w", &queues, 1, now, until).await.unwrap();
            claimed.into_iter().next()
        })
        .await;
    world
        .until(async || {
            Some(world.instance("d", "manual__1", "t").await).filter(|one| one.state != Some(TaskState::Running))
        })
        .await;
    let stale = world.store.report_tries(&[crate::world::report(&silent, success())]).await.unwrap();
    assert_eq!(stale, [silent.lease_token], "a late result is refused");
    world.start_worker(|_| success());
    assert_eq!(world.end_of("d", "manual__1").await, RunState::Success);
    let instance = world.instance("d", "manual__1", "t").await;
    let tries = world.store.tries(world.tenant, instance.id).await.unwrap();
    assert_eq!(tries.iter().map(|one| one.cause.as_deref()).collect::<Vec<_>>(), [Some("lost"), None]);
    world.stop().await;
}
