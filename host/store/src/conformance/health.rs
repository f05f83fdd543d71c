//! Which processes are alive.

use airlock_core::state::TaskState;
use uuid::Uuid;

use super::actors::{Driver, Worker};
use super::fixture::{at, dag, move_to, new_run, put_dag, run_of, success, tenant};
use crate::Store;
use crate::driving::RunChange;
use crate::health::{Load, PoolLoad, ProcessRow};
use crate::queue::QueueDepth;
use crate::settings::{DEFAULT_POOL, PoolRow};

fn process(role: &str, started: i64) -> ProcessRow {
    ProcessRow {
        id: Uuid::new_v4(),
        role: role.to_owned(),
        hostname: "host-1".to_owned(),
        version: "0.1.0".to_owned(),
        queues: if role == "worker" { vec!["default".to_owned(), "far".to_owned()] } else { Vec::new() },
        slots: (role == "worker").then_some(8),
        started_at: at(started),
        heartbeat_at: at(started),
        stopped_at: None,
    }
}

pub async fn a_process_is_known_by_its_heartbeats(store: &dyn Store) {
    store.ping().await.unwrap();
    assert_eq!(store.latest_heartbeat("scheduler").await.unwrap(), None);
    let (mut first, second, worker) = (process("scheduler", 1), process("scheduler", 2), process("worker", 3));
    for process in [&first, &second, &worker] {
        store.process_heartbeat(process).await.unwrap();
    }
    assert_eq!(store.latest_heartbeat("scheduler").await.unwrap(), Some(at(2)));
    first.heartbeat_at = at(30);
    first.stopped_at = Some(at(30));
    store.process_heartbeat(&first).await.unwrap();
    assert_eq!(store.latest_heartbeat("scheduler").await.unwrap(), Some(at(30)));
    assert_eq!(store.list_processes().await.unwrap(), [first.clone(), second, worker.clone()]);

    assert_eq!(store.forget_processes(at(3)).await.unwrap(), 1);
    assert_eq!(store.list_processes().await.unwrap(), [first, worker]);
}

pub async fn the_load_is_that_of_all_tenants(store: &dyn Store) {
    store.check_migrations().await.unwrap();
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let pool = |name: &str, slots, include_deferred| PoolRow {
        name: name.to_owned(),
        slots,
        description: None,
        include_deferred,
    };
    store.put_pool(acme, &pool(DEFAULT_POOL, 10, true)).await.unwrap();
    store.put_pool(beta, &pool(DEFAULT_POOL, -1, false)).await.unwrap();
    store.create_pool(acme, &pool("small", 1, false)).await.unwrap();
    let idle = Load { pools: PoolLoad { open: 11, ..PoolLoad::default() }, ..Load::default() };
    assert_eq!(store.load().await.unwrap(), idle, "a pool without bound has no open slots");

    let mut document = dag("sales", &["a", "b", "c", "d", "e"]);
    document.tasks[1].pool_slots = 2;
    document.tasks[1].queue = "gpu".to_owned();
    document.tasks[2].pool = "small".to_owned();
    document.tasks[2].pool_slots = 3;
    put_dag(store, acme, &document).await;
    store.create_run(&new_run(acme, "sales", "one")).await.unwrap();
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1], &instances[2]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    assert_eq!(claimed.task_id, "a");
    let moves = vec![move_to(&instances[3], Some(TaskState::Deferred), 4)];
    driver.change(&run, RunChange { moves, ..RunChange::default() }, 4).await;
    run_of(store, beta, "costs", "one", &["f"]).await;

    let depth = |queue: &str, queued, running| QueueDepth { queue: queue.to_owned(), queued, running };
    let load = Load {
        queues: vec![depth("default", 1, 1), depth("gpu", 1, 0)],
        // Of 10 slots, one runs, two are queued, and one is deferred in a pool that counts it; `small` has less than was taken.
        pools: PoolLoad { open: 6, queued: 5, running: 1, scheduled: 1, deferred: 1 },
        queued_runs: 1,
        running_runs: 1,
        deferred: 1,
    };
    assert_eq!(store.load().await.unwrap(), load);
    worker.report(&claimed, success(), 5).await;
    let pools = store.load().await.unwrap().pools;
    assert_eq!((pools.open, pools.running), (6, 1), "what is not settled holds its slots");
}
