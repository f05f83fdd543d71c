//! What people change in runs that a scheduler holds.

use airlock_core::id::RunKey;
use airlock_core::state::{RunState, TaskState};

use super::actors::{Driver, Worker};
use super::fixture::{at, dag, move_to, new_instance, put_dag, run_ids, run_of, settle, success, tenant};
use crate::driving::{Committed, Move, NewInstance, RunChange};
use crate::queue::TryOrder;
use crate::xcoms::{XComFilter, XComOwner};
use crate::{Page, Store, StoreError};

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

pub async fn a_run_does_not_end_over_instances_that_nobody_saw(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load", "report"]).await;
    let driver = Driver::new(store);
    let run = driver.take(1).await.pop().unwrap().run;
    let end = |moves| RunChange { moves, run_state: Some(RunState::Success), at: Some(at(2)), ..RunChange::default() };
    // Somebody has loaded the run before its scheduler has made its instances, which does not raise the epoch.
    let create = vec![new_instance("load"), new_instance("report")];
    driver.change(&run, RunChange { create, ..RunChange::default() }, 1).await;
    assert!(!store.intervene(run.key, run.epoch, &end(Vec::new())).await.unwrap());

    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    assert_eq!((loaded.run.state, loaded.run.epoch), (RunState::Running, run.epoch));
    let skipped = loaded.instances.iter().map(|instance| move_to(instance, Some(TaskState::Skipped), 2)).collect();
    assert!(store.intervene(run.key, run.epoch, &end(skipped)).await.unwrap());
    assert_eq!(store.run(tenant, "sales", "one").await.unwrap().unwrap().state, RunState::Success);
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
    let moves = vec![move_to(&again[0].instances[0], Some(TaskState::Skipped), 6)];
    let mark = RunChange { moves, run_state: Some(RunState::Success), at: Some(at(6)), ..RunChange::default() };
    assert!(store.intervene(run.key, again[0].run.epoch, &mark).await.unwrap());
    let late = driver.commit(vec![(run.key, again[0].run.epoch, RunChange::default())], 6).await;
    assert_eq!(late.overtaken, [run.key]);
    assert_eq!(store.renew_runs(driver.owner, at(99)).await.unwrap(), 0);
}

pub async fn a_cleared_run_can_change_to_another_version(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load", "old"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    let end = RunChange { run_state: Some(RunState::Failed), at: Some(at(2)), ..RunChange::default() };
    driver.change(&run, end, 2).await;
    let newer = put_dag(store, tenant, &dag("sales", &["load", "new"])).await;
    assert_eq!(newer.version, 2);

    let ended = store.load_run(run.key).await.unwrap().unwrap();
    let refreshed = NewInstance {
        id: instances[0].id,
        operator: "shell".to_owned(),
        pool: "big".to_owned(),
        pool_slots: 3,
        queue: "far".to_owned(),
        priority_weight: 7,
        ..new_instance("load")
    };
    let change = RunChange {
        expand: Vec::new(),
        create: vec![NewInstance { state: None, scheduled_at: None, ..new_instance("new") }],
        refresh: vec![refreshed],
        moves: vec![move_to(&ended.instances[0], None, 3), move_to(&ended.instances[1], Some(TaskState::Removed), 3)],
        dag_version: Some(2),
        run_state: Some(RunState::Queued),
        clears: true,
        at: Some(at(3)),
        ..RunChange::default()
    };
    assert!(store.intervene(run.key, ended.run.epoch, &change).await.unwrap());

    let taken = driver.take(4).await.pop().unwrap();
    assert_eq!((taken.run.dag_version, taken.run.clear_number), (2, 1));
    assert_eq!(taken.dag.tasks.iter().map(|task| task.task_id.as_str()).collect::<Vec<_>>(), ["load", "new"]);
    let found: Vec<_> = taken.instances.iter().map(|one| (one.task_id.as_str(), one.state, one.dag_version)).collect();
    assert_eq!(found, [("load", None, 2), ("old", Some(TaskState::Removed), 2), ("new", None, 2)]);
    let load = &taken.instances[0];
    assert_eq!((load.operator.as_str(), load.pool.as_str(), load.pool_slots), ("shell", "big", 3));
    assert_eq!((load.queue.as_str(), load.priority_weight, load.max_tries), ("far", 7, instances[0].max_tries));

    // The version alone can change too, of a run that goes on.
    let back = RunChange { dag_version: Some(1), at: Some(at(5)), ..RunChange::default() };
    assert!(store.intervene(run.key, taken.run.epoch, &back).await.unwrap());
    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    assert_eq!((loaded.run.dag_version, loaded.run.clear_number, loaded.run.state), (1, 1, RunState::Running));
}

pub async fn an_instance_goes_with_all_that_it_had(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load", "report"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1]], 2).await;
    let claimed = worker.claim(2, 3).await;
    for one in &claimed {
        let owner = XComOwner { run: run.key, task_id: one.task_id.clone(), map_index: one.map_index };
        store.push_xcom(&owner, "key", &serde_json::json!(1), at(3)).await.unwrap();
    }

    let remove = RunChange { remove: vec![instances[0].id], ..RunChange::default() };
    assert!(store.intervene(run.key, run.epoch, &remove).await.unwrap());

    let left = store.load_run(run.key).await.unwrap().unwrap();
    assert_eq!(left.instances.iter().map(|one| one.task_id.as_str()).collect::<Vec<_>>(), ["report"]);
    assert_eq!(left.run.epoch, run.epoch + 1, "its scheduler is to learn of it");
    let gone = claimed.iter().find(|one| one.instance == instances[0].id).unwrap();
    let tokens: Vec<_> = claimed.iter().map(|one| one.lease_token).collect();
    let orders = store.heartbeat_tries(worker.id, &tokens, at(60)).await.unwrap();
    assert_eq!(orders, [(gone.lease_token, TryOrder::Stop)]);
    assert!(store.tries(tenant, gone.instance).await.unwrap().is_empty());
    let xcoms = store.list_xcoms(tenant, &XComFilter::default(), &Page::default()).await.unwrap();
    assert_eq!(xcoms.items.iter().map(|xcom| xcom.task_id.as_str()).collect::<Vec<_>>(), ["report"]);
}

pub async fn what_a_try_decided_against_is_kept_until_the_next_ends(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["choose"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    let mut instance = instances[0].clone();
    for (try_number, skips) in [(1, vec!["left".to_owned(), "right".to_owned()]), (2, Vec::new())] {
        driver.admit(&run, &[&instance], 2).await;
        let claimed = worker.claim(1, 3).await.pop().unwrap();
        worker.report(&claimed, success(), 4).await;
        let reported = store.reported_tries(driver.owner, 10).await.unwrap().pop().unwrap();
        let mut settled = settle(&reported, TaskState::Success, 4);
        if let Some(settles) = &mut settled.settles {
            settles.skips.clone_from(&skips);
        }
        driver.change(&run, RunChange { moves: vec![settled], ..RunChange::default() }, 4).await;
        let loaded = store.load_run(run.key).await.unwrap().unwrap().instances.remove(0);
        assert_eq!((loaded.try_number, &loaded.skips), (try_number, &skips));
        let clear = RunChange { moves: vec![move_to(&loaded, None, 5)], ..RunChange::default() };
        driver.change(&run, clear, 5).await;
        instance = driver.reschedule(&run, instance.id, 5).await;
        assert_eq!(instance.skips, skips, "clearing forgets nothing");
    }
}
