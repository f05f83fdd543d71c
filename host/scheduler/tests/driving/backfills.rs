use airlock_core::backfill::{ReprocessBehavior, Request, slots};
use airlock_core::dag::{Dag, Schedule, Task};
use airlock_core::state::{RunState, RunType};
use airlock_store::Page;
use airlock_store::backfills::{BackfillRow, NewBackfill};
use airlock_store::conformance::fixture::{dag, task};
use airlock_store::runs::{RunFilter, RunRow};
use chrono::{DateTime, SubsecRound, Utc};

use crate::world::{World, failure, success};

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
