//! Backfills, their slots and their runs.

use airlock_core::backfill::{PassedOver, ReprocessBehavior, reprocess};
use airlock_core::dag::Dag;
use airlock_core::id::TenantId;
use airlock_core::run::{Instance, Plan};
use airlock_core::state::{RunState, RunType, TaskState};
use uuid::Uuid;

use super::actors::Driver;
use super::fixture::{at, dag, new_run, page, put_dag, run_ids, tenant};
use crate::backfills::{BackfillRow, NewBackfill, Opening, SlotRow, Turn};
use crate::dags::NextRun;
use crate::driving::LoadedRun;
use crate::runs::NewRun;
use crate::{Store, StoreError};

/// A run whose data are those of ten seconds.
fn slot(start: i64) -> NextRun {
    NextRun {
        run_after: at(start + 10),
        logical_date: Some(at(start)),
        data_interval: Some((at(start), at(start + 10))),
    }
}

async fn backfill(store: &dyn Store, tenant: TenantId, dag_id: &str, slots: &[NextRun]) -> BackfillRow {
    store.create_backfill(&wanted(tenant, dag_id, slots)).await.unwrap()
}

fn wanted<'a>(tenant: TenantId, dag_id: &'a str, slots: &'a [NextRun]) -> NewBackfill<'a> {
    NewBackfill {
        tenant,
        dag_id,
        from: at(0),
        to: at(100),
        conf: None,
        reprocess: ReprocessBehavior::Completed,
        max_active_runs: 2,
        on_latest_version: true,
        triggering_user: Some("kim"),
        slots,
        now: at(1_000),
    }
}

fn run_of_slot(turn: &Turn) -> NewRun {
    NewRun {
        run_type: RunType::Backfill,
        logical_date: turn.run.logical_date,
        data_interval: turn.run.data_interval,
        run_after: turn.run.run_after,
        now: at(1_000),
        ..new_run(turn.backfill.tenant, &turn.backfill.dag_id, &format!("b{}", turn.ordinal))
    }
}

/// Makes a run for every slot whose turn comes; answers how many.
async fn open_all(store: &dyn Store) -> usize {
    let mut opened = 0;
    loop {
        let work = store.work(at(1_000)).await.unwrap();
        let turns = store.backfill_turns(10).await.unwrap();
        assert!(work.backfills || turns.is_empty(), "what nobody is told of is not there");
        for turn in &turns {
            assert!(store.open_slot(turn, &Opening::Create(&run_of_slot(turn)), at(1_000)).await.unwrap());
            opened += 1;
        }
        if turns.is_empty() {
            return opened;
        }
    }
}

async fn take(store: &dyn Store, driver: &Driver<'_>) -> Vec<LoadedRun> {
    store.take_runs(driver.owner, at(1_001), at(1_060), 50).await.unwrap()
}

async fn slots_of(store: &dyn Store, backfill: &BackfillRow) -> Vec<SlotRow> {
    store.list_backfill_slots(backfill.tenant, backfill.id, &page(100, 0, &[])).await.unwrap().items
}

pub async fn a_dag_has_one_active_backfill(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    put_dag(store, acme, &dag("sales", &["load"])).await;
    put_dag(store, beta, &dag("sales", &["load"])).await;
    let conf = serde_json::Map::from_iter([("region".to_owned(), "eu".into())]);
    let slots = [slot(0)];
    let first = NewBackfill { conf: Some(&conf), ..wanted(acme, "sales", &slots) };
    let first = store.create_backfill(&first).await.unwrap();
    assert_eq!((first.from, first.to, first.conf.as_ref()), (at(0), at(100), Some(&conf)));
    assert_eq!((first.max_active_runs, first.is_paused, first.completed_at), (2, false, None));
    let refused = store.create_backfill(&wanted(acme, "sales", &slots)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)), "{refused}");
    backfill(store, beta, "sales", &slots).await;
    let missing = store.create_backfill(&wanted(acme, "nothing", &slots)).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing}");

    assert_eq!(store.backfill(acme, first.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.backfill(beta, first.id).await.unwrap(), None);
    assert!(!store.cancel_backfill(beta, first.id, at(1_001)).await.unwrap());
    assert!(!store.set_backfill_paused(beta, first.id, true, at(1_001)).await.unwrap());
    assert!(store.cancel_backfill(acme, first.id, at(1_001)).await.unwrap());
    let second = backfill(store, acme, "sales", &slots).await;
    let listed = store.list_backfills(acme, "sales", &page(1, 0, &[("id", true)])).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![second], 2));
    assert!(store.list_backfill_slots(beta, first.id, &page(9, 0, &[])).await.unwrap().items.is_empty());
}

pub async fn slots_have_their_turns_in_order(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &["load"])).await;
    let backfill = backfill(store, tenant, "sales", &[slot(30), slot(20), slot(10), slot(0)]).await;
    let turn = store.backfill_turns(10).await.unwrap().pop().unwrap();
    assert_eq!((&turn.backfill, turn.ordinal, &turn.run), (&backfill, 1, &slot(30)));
    let created = Opening::Create(&run_of_slot(&turn));
    assert!(store.open_slot(&turn, &created, at(1_000)).await.unwrap());
    assert!(!store.open_slot(&turn, &created, at(1_000)).await.unwrap(), "its turn is over");

    // The run of the second slot's time comes about just before its turn.
    let turn = store.backfill_turns(10).await.unwrap().pop().unwrap();
    let by_hand = NewRun { logical_date: Some(at(20)), ..new_run(tenant, "sales", "manual__20") };
    store.create_run(&by_hand).await.unwrap();
    assert!(store.open_slot(&turn, &Opening::Create(&run_of_slot(&turn)), at(1_000)).await.unwrap());
    let turn = store.backfill_turns(10).await.unwrap().pop().unwrap();
    assert!(store.open_slot(&turn, &Opening::Pass(PassedOver::AlreadyExists), at(1_000)).await.unwrap());
    assert_eq!(open_all(store).await, 1);

    let found: Vec<_> = slots_of(store, &backfill)
        .await
        .into_iter()
        .map(|slot| (slot.ordinal, slot.run.logical_date, slot.run_id, slot.reason))
        .collect();
    assert_eq!(
        found,
        [
            (1, Some(at(30)), Some("b1".to_owned()), None),
            (2, Some(at(20)), None, Some(PassedOver::InFlight)),
            (3, Some(at(10)), None, Some(PassedOver::AlreadyExists)),
            (4, Some(at(0)), Some("b4".to_owned()), None),
        ]
    );
    let run = store.run(tenant, "sales", "b4").await.unwrap().unwrap();
    assert_eq!((run.run_type, run.state, run.backfill), (RunType::Backfill, RunState::Queued, Some((backfill.id, 4))));
}

pub async fn backfilled_runs_start_within_their_own_limit_and_last(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &Dag { max_active_runs: 1, ..dag("sales", &["load"]) }).await;
    let backfill = backfill(store, tenant, "sales", &[slot(0), slot(10), slot(20), slot(30)]).await;
    assert_eq!(open_all(store).await, 4);
    for run_id in ["m1", "m2"] {
        store.create_run(&NewRun { run_after: at(900), ..new_run(tenant, "sales", run_id) }).await.unwrap();
    }
    let driver = Driver::new(store);
    let first = take(store, &driver).await;
    assert_eq!(
        run_ids(&first),
        "m1 b1 b2",
        "neither limit counts the other's runs, and what is no backfill's goes first"
    );
    assert_eq!(run_ids(&take(store, &driver).await), "");

    driver.finish(&first[1].run, RunState::Failed, 1_002).await;
    assert!(store.set_backfill_paused(tenant, backfill.id, true, at(1_003)).await.unwrap());
    assert_eq!(run_ids(&take(store, &driver).await), "", "a paused backfill starts no run");
    assert!(store.set_backfill_paused(tenant, backfill.id, false, at(1_004)).await.unwrap());
    store.set_dag_paused(tenant, "sales", true).await.unwrap();
    assert_eq!(run_ids(&take(store, &driver).await), "", "neither does one of a paused DAG");
    store.set_dag_paused(tenant, "sales", false).await.unwrap();
    let next = take(store, &driver).await;
    assert_eq!(run_ids(&next), "b3");

    driver.finish(&first[2].run, RunState::Success, 1_005).await;
    driver.finish(&next[0].run, RunState::Success, 1_005).await;
    assert_eq!(store.complete_backfills(at(1_006)).await.unwrap(), 0, "one of its runs is queued");
    let last = take(store, &driver).await;
    assert_eq!(run_ids(&last), "b4");
    driver.finish(&last[0].run, RunState::Success, 1_007).await;
    assert!(store.work(at(1_008)).await.unwrap().backfills);
    assert_eq!(store.complete_backfills(at(1_008)).await.unwrap(), 1);
    assert!(!store.work(at(1_008)).await.unwrap().backfills);
    let completed = store.backfill(tenant, backfill.id).await.unwrap().unwrap();
    assert_eq!((completed.completed_at, completed.updated_at), (Some(at(1_008)), at(1_008)));
    assert!(!store.set_backfill_paused(tenant, backfill.id, true, at(1_009)).await.unwrap());
}

pub async fn a_cancelled_backfill_fails_what_is_queued(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &["load"])).await;
    let backfill = backfill(store, tenant, "sales", &[slot(0), slot(10), slot(20), slot(30)]).await;
    for _ in 0..3 {
        let turn = store.backfill_turns(1).await.unwrap().pop().unwrap();
        store.open_slot(&turn, &Opening::Create(&run_of_slot(&turn)), at(1_000)).await.unwrap();
    }
    let driver = Driver::new(store);
    let running = take(store, &driver).await;
    assert_eq!(run_ids(&running), "b1 b2");
    let turn = store.backfill_turns(1).await.unwrap().pop().unwrap();
    assert!(store.cancel_backfill(tenant, backfill.id, at(1_002)).await.unwrap());
    assert!(!store.cancel_backfill(tenant, backfill.id, at(1_003)).await.unwrap());
    assert!(!store.open_slot(&turn, &Opening::Create(&run_of_slot(&turn)), at(1_003)).await.unwrap());
    assert!(store.backfill_turns(1).await.unwrap().is_empty());
    let cancelled = store.backfill(tenant, backfill.id).await.unwrap().unwrap();
    assert_eq!((cancelled.is_paused, cancelled.completed_at), (true, Some(at(1_002))));
    let state = async |run_id| store.run(tenant, "sales", run_id).await.unwrap().unwrap().state;
    assert_eq!((state("b1").await, state("b3").await), (RunState::Running, RunState::Failed));
    driver.finish(&running[0].run, RunState::Success, 1_004).await;
    assert_eq!(state("b1").await, RunState::Success);
}

pub async fn a_run_that_is_made_anew_belongs_to_its_backfill(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &["load", "old"])).await;
    let ended =
        NewRun { run_type: RunType::Scheduled, logical_date: Some(at(0)), ..new_run(tenant, "sales", "scheduled__0") };
    store.create_run(&ended).await.unwrap();
    let driver = Driver::new(store);
    let (run, _) = driver.start(1).await;
    driver.finish(&run, RunState::Failed, 2).await;
    put_dag(store, tenant, &dag("sales", &["load", "new"])).await;

    let conf = serde_json::Map::from_iter([("region".to_owned(), "eu".into())]);
    let slots = [slot(0)];
    let made = NewBackfill { conf: Some(&conf), ..wanted(tenant, "sales", &slots) };
    let backfill = store.create_backfill(&made).await.unwrap();
    let turn = store.backfill_turns(1).await.unwrap().pop().unwrap();
    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    let instances: Vec<Instance> = loaded.instances.into_iter().map(Instance::from).collect();
    let newest = store.dag(tenant, "sales").await.unwrap().unwrap();
    let change =
        reprocess(&Plan::new(newest.dag), loaded.run.state, &instances, Some(newest.version), Uuid::new_v4, at(1_000));
    let opening = |epoch| Opening::Reprocess { run: run.key, epoch, change: &change };
    let stale = loaded.run.epoch - 1;
    assert!(!store.open_slot(&turn, &opening(stale), at(1_000)).await.unwrap(), "the run has moved on");
    assert_eq!(store.backfill_turns(1).await.unwrap().pop().as_ref(), Some(&turn));
    assert!(store.open_slot(&turn, &opening(loaded.run.epoch), at(1_000)).await.unwrap());

    let again = take(store, &driver).await.pop().unwrap();
    assert_eq!((again.run.key, again.run.run_type, again.run.dag_version), (run.key, RunType::Backfill, 2));
    assert_eq!(again.run.clear_number, 1);
    assert_eq!((&again.run.conf, again.run.backfill), (&conf, Some((backfill.id, 1))));
    let mut states: Vec<_> = again.instances.iter().map(|one| (one.task_id.as_str(), one.state)).collect();
    states.sort();
    assert_eq!(states, [("load", None), ("new", None), ("old", Some(TaskState::Removed))]);
    driver.finish(&again.run, RunState::Success, 1_002).await;
    assert_eq!(store.complete_backfills(at(1_003)).await.unwrap(), 1);
    assert_eq!(slots_of(store, &backfill).await[0].run_id.as_deref(), Some("scheduled__0"));
}

pub async fn a_long_backfill_opens_few_runs_ahead(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &["load"])).await;
    let slots: Vec<NextRun> = (0..300).map(|number| slot(number * 10 - 5_000)).collect();
    let backfill = backfill(store, tenant, "sales", &slots).await;
    assert_eq!(open_all(store).await, 102);
    let driver = Driver::new(store);
    let running = take(store, &driver).await;
    assert_eq!(run_ids(&running), "b1 b2");
    driver.finish(&running[0].run, RunState::Success, 1_002).await;
    assert_eq!(open_all(store).await, 1);
    assert!(store.delete_dag(tenant, "sales").await.is_err(), "its runs are unfinished");
    assert!(store.cancel_backfill(tenant, backfill.id, at(1_003)).await.unwrap());
    driver.finish(&running[1].run, RunState::Success, 1_004).await;
    assert!(store.delete_dag(tenant, "sales").await.unwrap());
    assert_eq!(store.backfill(tenant, backfill.id).await.unwrap(), None);
}
