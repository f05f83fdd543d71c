//! What a scheduler changes in its runs.

use airlock_core::state::{RunState, TaskState};
use serde_json::json;
use uuid::Uuid;

use super::actors::{Driver, Worker};
use super::fixture::{at, move_to, new_instance, report, run_of, settle, success, tenant};
use crate::driving::{Batch, Committed, Move, NewInstance, ReportedTry, RunChange, Settles};
use crate::instances::InstanceRow;
use crate::queue::TryOrder;
use crate::xcoms::XComPull;
use crate::{Store, StoreError};

pub async fn a_run_goes_from_its_creation_to_its_end(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let created = run_of(store, tenant, "sales", "manual__1", &["load"]).await;
    assert_eq!(created.state, RunState::Queued);

    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    assert_eq!((run.key, run.state, run.started_at), (created.key, RunState::Running, Some(at(1))));
    driver.admit(&run, &[&instances[0]], 2).await;

    let worker = Worker::new(store);
    let claimed = worker.claim(10, 3).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].task_id.as_str(), claimed[0].try_number), ("load", 1));
    let mut done = report(&claimed[0], success(), 5);
    done.xcoms.push(("return_value".to_owned(), json!({"rows": 3})));
    assert!(store.report_tries(&[done]).await.unwrap().is_empty());

    driver.settle(&run, TaskState::Success, 6).await;
    driver.finish(&run, RunState::Success, 6).await;

    let ended = store.run(tenant, "sales", "manual__1").await.unwrap().unwrap();
    assert_eq!((ended.state, ended.ended_at), (RunState::Success, Some(at(6))));
    let instance = store.instance(tenant, "sales", "manual__1", "load", -1).await.unwrap().unwrap();
    assert_eq!((instance.state, instance.try_number), (Some(TaskState::Success), 1));
    assert_eq!((instance.queued_at, instance.started_at, instance.ended_at), (Some(at(2)), Some(at(3)), Some(at(5))));
    assert_eq!(instance.hostname.as_deref(), Some("worker-1"));
    let tries = store.tries(tenant, instance.id).await.unwrap();
    assert_eq!(tries.len(), 1);
    assert_eq!((tries[0].state, tries[0].ended_at), (Some(TaskState::Success), Some(at(5))));
    let pull =
        XComPull { run: run.key, task_ids: None, key: "return_value", map_indexes: None, include_prior_dates: false };
    let pulled = store.pull_xcoms(&pull).await.unwrap();
    assert_eq!(pulled.len(), 1);
    assert_eq!(pulled[0].value, json!({"rows": 3}));
    assert!(store.queue_depths().await.unwrap().is_empty());
    assert!(driver.take(100).await.is_empty(), "a finished run is taken by nobody");
}

pub async fn a_move_names_the_state_and_the_try_that_it_leaves(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a", "b", "c"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    let mut moves = vec![
        move_to(&instances[0], Some(TaskState::Skipped), 5),
        Move { from_states: vec![None, Some(TaskState::Queued)], ..move_to(&instances[1], Some(TaskState::Failed), 5) },
        Move { from_try: 1, ..move_to(&instances[2], Some(TaskState::Failed), 5) },
        Move { instance: Uuid::new_v4(), ..move_to(&instances[2], Some(TaskState::Failed), 5) },
    ];
    moves[0].message = Some("not today".to_owned());
    let refused: Vec<Uuid> = moves[1..].iter().map(|one| one.instance).collect();
    let committed = driver.commit(vec![(run.key, run.epoch, RunChange { moves, ..RunChange::default() })], 5).await;
    assert_eq!(committed, Committed { refused, ..Committed::default() });
    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    let skipped = &loaded.instances[0];
    assert_eq!((skipped.state, skipped.message.as_deref()), (Some(TaskState::Skipped), Some("not today")));
    assert_eq!((skipped.started_at, skipped.ended_at), (Some(at(5)), Some(at(5))), "as in Airflow");
    assert_eq!(loaded.instances[1..], instances[1..]);
}

pub async fn moves_of_one_instance_come_in_their_order(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a"]).await;
    let driver = Driver::new(store);
    let loaded = driver.take(1).await.pop().unwrap();
    let id = Uuid::new_v4();
    let create = vec![NewInstance { id, state: None, ..new_instance("a") }];
    let step = |from: Option<TaskState>, to, from_try, to_try, seconds| Move {
        instance: id,
        from_states: vec![from],
        from_try,
        to,
        to_try,
        max_tries: 4,
        at: at(seconds),
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        message: None,
        settles: None,
    };
    let moves = vec![
        step(None, Some(TaskState::Scheduled), 0, 0, 2),
        step(Some(TaskState::Scheduled), Some(TaskState::UpForRetry), 0, 1, 3),
        step(Some(TaskState::UpForRetry), Some(TaskState::Scheduled), 1, 1, 4),
    ];
    driver.change(&loaded.run, RunChange { create, moves, ..RunChange::default() }, 5).await;
    let instance = store.load_run(loaded.run.key).await.unwrap().unwrap().instances.pop().unwrap();
    assert_eq!((instance.state, instance.try_number, instance.max_tries), (Some(TaskState::Scheduled), 1, 4));
    assert_eq!(instance.scheduled_at, Some(at(4)));
}

pub async fn new_instances_are_as_they_were_asked_for(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a"]).await;
    let driver = Driver::new(store);
    let loaded = driver.take(1).await.pop().unwrap();
    let wanted = NewInstance {
        map_index: 7,
        state: None,
        max_tries: 3,
        pool: "db".to_owned(),
        pool_slots: 2,
        queue: "gpu".to_owned(),
        priority_weight: -5,
        scheduled_at: None,
        ..new_instance("mapped")
    };
    let change = RunChange { create: vec![wanted.clone()], ..RunChange::default() };
    driver.change(&loaded.run, change.clone(), 2).await;
    let made = store.instance(tenant, "sales", "one", "mapped", 7).await.unwrap().unwrap();
    assert_eq!((made.id, made.run, made.state, made.try_number), (wanted.id, loaded.run.key, None, 0));
    assert_eq!((made.max_tries, made.pool.as_str(), made.pool_slots), (3, "db", 2));
    assert_eq!((made.queue.as_str(), made.priority_weight, made.operator.as_str()), ("gpu", -5, "empty"));
    assert_eq!((made.scheduled_at, made.queued_at, made.started_at, made.ended_at), (None, None, None, None));
    assert_eq!((made.dag_version, made.run_after, made.logical_date), (1, at(0), None));

    let batch = Batch {
        owner: driver.owner,
        now: at(3),
        changes: vec![(loaded.run.key, loaded.run.epoch, change)],
        ..Batch::default()
    };
    let twice = store.commit(&batch, &|_| Vec::new()).await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists { what: "task instance", .. })));
}

pub async fn a_settlement_with_a_stale_token_is_refused(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    worker.report(&claimed, success(), 4).await;
    let reported = store.reported_tries(driver.owner, 9).await.unwrap().pop().unwrap();
    let forged = ReportedTry { lease_token: Uuid::new_v4(), ..reported.clone() };
    let change = RunChange { moves: vec![settle(&forged, TaskState::Failed, 5)], ..RunChange::default() };
    let committed = driver.commit(vec![(run.key, run.epoch, change)], 5).await;
    assert_eq!(committed.refused, [reported.instance]);
    assert_eq!(store.reported_tries(driver.owner, 9).await.unwrap(), [reported]);
    assert_eq!(store.tries(tenant, claimed.instance).await.unwrap()[0].state, Some(TaskState::Running));

    driver.settle(&run, TaskState::Success, 6).await;
    assert_eq!(store.tries(tenant, claimed.instance).await.unwrap()[0].state, Some(TaskState::Success));
    assert_eq!(store.report_tries(&[report(&claimed, success(), 7)]).await.unwrap(), [claimed.lease_token]);
    assert_eq!(store.tries(tenant, claimed.instance).await.unwrap()[0].late_results, 1);
}

pub async fn an_instance_that_is_taken_off_the_queue_needs_no_token(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a", "b"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    let cancel = |instance: &InstanceRow| {
        let settles = Settles {
            skips: Vec::new(),
            lease_token: None,
            started_at: None,
            ended_at: at(4),
            hostname: None,
            final_state: Some(TaskState::Failed),
            cause: Some("cancelled".to_owned()),
            message: None,
            rendered_fields: None,
            map_length: None,
            outlet_events: Vec::new(),
        };
        let from_states = vec![Some(TaskState::Queued), Some(TaskState::Running)];
        let to = Some(TaskState::Failed);
        Move { from_states, from_try: 1, to_try: 1, settles: Some(settles), ..move_to(instance, to, 4) }
    };
    let moves = instances.iter().map(cancel).collect();
    driver.change(&run, RunChange { moves, ..RunChange::default() }, 4).await;
    assert!(store.queue_depths().await.unwrap().is_empty());
    let orders = store.heartbeat_tries(worker.id, &[claimed.lease_token], at(60)).await.unwrap();
    assert_eq!(orders, [(claimed.lease_token, TryOrder::Stop)], "its worker learns that it is to stop");
    let running = store.tries(tenant, instances[0].id).await.unwrap();
    assert_eq!((running[0].state, running[0].started_at), (Some(TaskState::Failed), Some(at(3))));
    assert_eq!(running[0].cause.as_deref(), Some("cancelled"));
    assert_eq!(store.report_tries(&[report(&claimed, success(), 5)]).await.unwrap(), [claimed.lease_token]);
    assert_eq!(store.tries(tenant, instances[0].id).await.unwrap()[0].late_results, 1);
}
