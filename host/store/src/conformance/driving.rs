//! Runs from their creation to their end.

use airlock_core::state::{RunState, TaskState};
use serde_json::json;

use super::fixture::{Driver, Worker, at, report, run_of, success, tenant};
use crate::Store;
use crate::xcoms::XComPull;

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
