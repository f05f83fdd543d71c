use airlock_conformance::{equal, field, judge};
use airlock_core::backfill::{ReprocessBehavior, Request, slots};
use airlock_core::dag::{Dag, RunImmediately, Schedule, Task};
use airlock_core::state::{RunState, RunType};
use airlock_store::backfills::{BackfillRow, NewBackfill};
use airlock_store::conformance::fixture::{dag, task};
use airlock_store::runs::{RunFilter, RunRow};
use airlock_store::{Page, StoreError};
use chrono::{DateTime, SubsecRound, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::world::{World, claim, failure, report, success};

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Each task waits for itself in the run before.
fn daily() -> Dag {
    let only = Task { depends_on_past: true, ..task("only", &[]) };
    let schedule = Schedule::CronDataInterval { cron: "0 0 * * *".to_owned() };
    Dag { schedule, tasks: vec![only], ..dag("daily", &[]) }
}

async fn backfill(world: &World, dag: &Dag, from: &str, to: &str, reprocess: ReprocessBehavior) -> BackfillRow {
    let request = Request { from: moment(from), to: moment(to), run_backwards: false, reprocess, conf: None };
    let now = Utc::now().trunc_subsecs(6);
    let slots = slots(dag, &request, now).unwrap();
    let new = NewBackfill {
        tenant: world.tenant,
        dag_id: &dag.dag_id,
        from: request.from,
        to: request.to,
        conf: None,
        reprocess,
        max_active_runs: 3,
        on_latest_version: true,
        triggering_user: None,
        slots: &slots,
        now,
    };
    let backfill = world.store.create_backfill(&new).await.unwrap();
    world.wake.runs().raise();
    backfill
}

async fn completed(world: &World, backfill: &BackfillRow) {
    let is_completed = async || {
        let row = world.store.backfill(world.tenant, backfill.id).await.unwrap().unwrap();
        row.completed_at
    };
    world.until(is_completed).await;
}

async fn runs(world: &World) -> Vec<RunRow> {
    let filter = RunFilter { dag_id: Some("daily".to_owned()), ..RunFilter::default() };
    let order_by = vec![("logical_date".to_owned(), false)];
    world.store.list_runs(world.tenant, &filter, &Page { limit: 100, offset: 0, order_by }).await.unwrap().items
}

/// What a case needs to be under way: another backfill of the same DAG, or as many runs as may be at once.
#[test]
fn conformance_of_backfills_under_way() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    judge(
        "backfill",
        "cases",
        |case| case["expect"]["error"] == "AlreadyRunningBackfill" || !case["expect"]["concurrent_waves"].is_null(),
        |case| runtime.block_on(under_way(case)),
    );
}

async fn under_way(case: &Value) -> Result<(), String> {
    let mut world = World::new().await;
    let schedule = &case["dag"]["schedule"];
    let Some("cron_data_interval") = schedule["type"].as_str() else {
        return Err(format!("the schedule {schedule} is not known"));
    };
    let dag = Dag {
        schedule: Schedule::CronDataInterval { cron: field(schedule, "cron") },
        max_active_runs: case["dag"]["dag_max_active_runs"].as_u64().unwrap_or(16) as u32,
        ..daily()
    };
    let dag = Dag { tasks: vec![task("only", &[])], ..dag };
    world.put(&dag).await;
    let asked = &case["request"];
    let request = Request {
        from: field(asked, "from_date"),
        to: field(asked, "to_date"),
        run_backwards: field(asked, "run_backwards"),
        reprocess: field(asked, "reprocess_behavior"),
        conf: None,
    };
    let slots = slots(&dag, &request, field(case, "now")).map_err(|refusal| refusal.to_string())?;
    let new = NewBackfill {
        tenant: world.tenant,
        dag_id: &dag.dag_id,
        from: request.from,
        to: request.to,
        conf: None,
        reprocess: request.reprocess,
        max_active_runs: field(asked, "max_active_runs"),
        on_latest_version: true,
        triggering_user: None,
        slots: &slots,
        now: Utc::now().trunc_subsecs(6),
    };
    world.store.create_backfill(&new).await.map_err(|error| error.to_string())?;
    if case["expect"]["error"] == "AlreadyRunningBackfill" {
        let second = world.store.create_backfill(&new).await;
        return match second {
            Err(StoreError::Conflict(_)) => Ok(()),
            other => Err(format!("a second backfill is answered with {other:?}")),
        };
    }
    world.start_scheduler();
    world.wake.runs().raise();
    for wave in field::<Vec<Vec<DateTime<Utc>>>>(&case["expect"], "concurrent_waves") {
        // Whatever runs has a try to claim; more than the wave would be claimed with it, or before it.
        let mut claimed = Vec::new();
        while claimed.len() < wave.len() {
            claimed.extend(
                world
                    .until(async || {
                        Some(claim(&*world.store, Uuid::nil(), 1_000).await).filter(|some| !some.is_empty())
                    })
                    .await,
            );
        }
        let running = runs(&world).await.into_iter().filter(|run| run.state == RunState::Running);
        let mut running: Vec<DateTime<Utc>> = running.filter_map(|run| run.logical_date).collect();
        running.sort();
        let mut expected = wave.clone();
        expected.sort();
        equal(running, expected)?;
        equal(claimed.len(), wave.len())?;
        let reports: Vec<_> = claimed.iter().map(|one| report(one, success())).collect();
        world.store.report_tries(&reports).await.map_err(|error| error.to_string())?;
        world.wake.reports().raise();
    }
    world.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_backfill_runs_to_its_end_and_makes_anew_what_failed() {
    let mut world = World::new().await;
    world.start_scheduler();
    let dag = daily();
    world.put(&dag).await;
    // The fourth day fails at its first try, and holds up what depends on it.
    world.start_worker(|claimed| {
        let fails = claimed.run_id.contains("2024-01-05") && claimed.try_number == 1;
        if fails { failure() } else { success() }
    });
    let failed = ReprocessBehavior::Failed;
    let first = backfill(&world, &dag, "2024-01-01T00:00:00Z", "2024-01-04T00:00:00Z", failed).await;
    completed(&world, &first).await;
    let states: Vec<RunState> = runs(&world).await.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Success, RunState::Success, RunState::Success, RunState::Failed]);

    // The first slot of a backfill does not look at the run before it.
    let second = backfill(&world, &dag, "2024-01-04T00:00:00Z", "2024-01-06T00:00:00Z", failed).await;
    completed(&world, &second).await;
    let runs = runs(&world).await;
    assert_eq!(runs.len(), 6);
    assert!(runs.iter().all(|run| run.state == RunState::Success && run.run_type == RunType::Backfill));
    assert_eq!(runs[3].backfill, Some((second.id, 1)));
    assert_eq!(world.instance("daily", &runs[3].run_id, "only").await.try_number, 2);
    assert!(
        runs.windows(2).skip(3).all(|pair| pair[1].ended_at > pair[0].ended_at),
        "each day waits for the one before"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_backfill_of_partitions_makes_a_run_of_each() {
    let mut world = World::new().await;
    world.start_scheduler();
    let schedule = Schedule::CronPartition {
        cron: "0 2 * * *".to_owned(),
        run_offset: -1,
        key_format: "%Y-%m-%d".to_owned(),
        run_immediately: RunImmediately::Never,
    };
    let dag = Dag { schedule, ..dag("daily", &["only"]) };
    world.put(&dag).await;
    world.start_worker(|_| success());
    let none = ReprocessBehavior::None;
    let first = backfill(&world, &dag, "2024-01-02T00:00:00Z", "2024-01-03T12:00:00Z", none).await;
    completed(&world, &first).await;
    let made = async || {
        let mut runs = runs(&world).await;
        runs.sort_by_key(|run| (run.run_after, run.key.id));
        runs
    };
    let runs = made().await;
    let keys: Vec<_> = runs.iter().map(|run| run.partition.clone().unwrap().key).collect();
    assert_eq!(keys, ["2024-01-01", "2024-01-02"]);
    assert_eq!(runs[0].run_id, "backfill__2024-01-02T02:00:00+00:00__2024-01-01");
    assert_eq!((runs[0].logical_date, runs[0].backfill), (None, Some((first.id, 1))));

    // What a partition has already stays, and beside it another run is made if that is asked for.
    let second = backfill(&world, &dag, "2024-01-03T00:00:00Z", "2024-01-04T12:00:00Z", none).await;
    completed(&world, &second).await;
    assert_eq!(made().await.len(), 3);
    let again = ReprocessBehavior::Completed;
    let third = backfill(&world, &dag, "2024-01-02T00:00:00Z", "2024-01-02T12:00:00Z", again).await;
    completed(&world, &third).await;
    let runs = made().await;
    assert_eq!(runs.len(), 4);
    assert_eq!(runs[0].partition, runs[1].partition);
    assert!(runs[1].run_id.starts_with("backfill__2024-01-02T02:00:00+00:00__2024-01-01__"), "{}", runs[1].run_id);
    assert!(runs.iter().all(|run| run.state == RunState::Success));
    world.stop().await;
}
