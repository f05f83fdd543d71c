//! What people change in runs that a scheduler holds.

use airlock_core::id::RunKey;
use airlock_core::state::{RunState, TaskState};

use super::actors::{Driver, Worker};
use super::fixture::{at, move_to, run_ids, run_of, tenant};
use crate::driving::{Committed, Move, RunChange};
use crate::queue::TryOrder;
use crate::{Store, StoreError};

pub async fn an_intervention_overtakes_the_scheduler(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    run_of(store, acme, "sales", "one", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    let running = store.load_run(run.key).await.unwrap().unwrap().instances.pop().unwrap();

    let clear = Move { max_tries: 5, ..move_to(&running, None, 4) };
    let clear = RunChange { moves: vec![clear], ..RunChange::default() };
    let foreign = RunKey { tenant: beta, id: run.key.id };
    assert!(!store.intervene(foreign, run.epoch, &clear).await.unwrap());
    assert!(!store.intervene(run.key, run.epoch + 1, &clear).await.unwrap());
    let gone = Move { from_states: vec![Some(TaskState::Queued)], ..move_to(&running, None, 4) };
    let outdated = RunChange { moves: vec![gone], ..RunChange::default() };
    assert!(
        !store.intervene(run.key, run.epoch, &outdated).await.unwrap(),
        "a move that does not fit refuses the whole"
    );
    let undisturbed = driver.commit(vec![(run.key, run.epoch, RunChange::default())], 4).await;
    assert_eq!(undisturbed, Committed::default());

    assert!(store.intervene(run.key, run.epoch, &clear).await.unwrap());
    let orders = store.heartbeat_tries(worker.id, &[claimed.lease_token], at(60)).await.unwrap();
    assert_eq!(orders, [(claimed.lease_token, TryOrder::Stop)]);
    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    assert_eq!((loaded.run.epoch, loaded.run.state), (run.epoch + 1, RunState::Running));
    let cleared = &loaded.instances[0];
    assert_eq!((cleared.state, cleared.try_number, cleared.max_tries), (None, 1, 5));
    assert_eq!((cleared.started_at, cleared.ended_at), (None, None));
    let late = driver.commit(vec![(run.key, run.epoch, RunChange::default())], 5).await;
    assert_eq!(late.overtaken, [run.key]);
    let reloaded = driver.commit(vec![(run.key, loaded.run.epoch, RunChange::default())], 5).await;
    assert_eq!(reloaded.overtaken, [run.key], "the lease is given up");
    assert_eq!(run_ids(&driver.take(5).await), "one", "whoever looks for runs finds it");
}

pub async fn a_finished_run_that_is_cleared_runs_again(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    let failed = vec![move_to(&instances[0], Some(TaskState::Failed), 2)];
    let end = RunChange { moves: failed, run_state: Some(RunState::Failed), at: Some(at(2)), ..RunChange::default() };
    driver.change(&run, end, 2).await;
    assert!(driver.take(3).await.is_empty());

    let ended = store.load_run(run.key).await.unwrap().unwrap();
    let too_late = RunChange { moves: vec![move_to(&ended.instances[0], None, 3)], ..RunChange::default() };
    assert!(!store.intervene(run.key, run.epoch, &too_late).await.unwrap(), "it was decided on a running run");
    let clear = RunChange {
        moves: vec![move_to(&ended.instances[0], None, 4)],
        run_state: Some(RunState::Queued),
        at: Some(at(4)),
        ..RunChange::default()
    };
    let timeless = RunChange { at: None, ..clear.clone() };
    let refused = store.intervene(run.key, ended.run.epoch, &timeless).await;
    assert!(matches!(refused, Err(StoreError::Conflict(text)) if text.contains("time")));
    assert!(store.intervene(run.key, ended.run.epoch, &clear).await.unwrap());
    let queued = store.run(tenant, "sales", "one").await.unwrap().unwrap();
    assert_eq!((queued.state, queued.queued_at), (RunState::Queued, at(4)));
    assert_eq!((queued.started_at, queued.ended_at), (None, None));
    let again = driver.take(5).await;
    assert_eq!(run_ids(&again), "one");
    assert_eq!((again[0].run.state, again[0].run.started_at), (RunState::Running, Some(at(5))));
    assert_eq!(again[0].instances[0].state, None);

    // Marking it while it is held ends it for its driver too.
    let mark = RunChange { run_state: Some(RunState::Success), at: Some(at(6)), ..RunChange::default() };
    assert!(store.intervene(run.key, again[0].run.epoch, &mark).await.unwrap());
    let late = driver.commit(vec![(run.key, again[0].run.epoch, RunChange::default())], 6).await;
    assert_eq!(late.overtaken, [run.key]);
    assert_eq!(store.renew_runs(driver.owner, at(99)).await.unwrap(), 0);
}
