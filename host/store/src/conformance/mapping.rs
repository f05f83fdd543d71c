//! Instances of mapped tasks.

use airlock_core::outcome::TryResult;
use airlock_core::state::TaskState;
use uuid::Uuid;

use super::actors::{Driver, Worker};
use super::fixture::{new_instance, report, run_of, tenant};
use crate::driving::{NewInstance, RunChange};
use crate::instances::InstanceFilter;
use crate::{Page, Store};

pub async fn what_stood_for_all_instances_becomes_the_first_of_them(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    let create = (1..3).map(|map_index| NewInstance { map_index, ..new_instance("load") }).collect();
    let change = RunChange { create, expand: vec![instances[0].id], ..RunChange::default() };
    driver.change(&run, change, 2).await;

    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    let indexes: Vec<i32> = loaded.instances.iter().map(|instance| instance.map_index).collect();
    assert_eq!(indexes, [0, 1, 2]);
    assert_eq!(loaded.instances[0].id, instances[0].id);
    let mapped = InstanceFilter { only_mapped: true, map_indexes: vec![2, 0], ..InstanceFilter::default() };
    let listed = store.list_instances(tenant, &mapped, &Page { limit: 9, ..Page::default() }).await.unwrap();
    assert_eq!(listed.items.iter().map(|one| one.map_index).collect::<Vec<_>>(), [0, 2]);
}

pub async fn an_instance_keeps_how_much_it_returned_and_what_it_is_called(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    assert_eq!(claimed.epoch, run.epoch, "what a worker keeps holds as long as the run is driven on");
    let name =
        async |token: Uuid, name: &str| store.name_instance(run.key, claimed.instance, token, name).await.unwrap();
    assert!(name(claimed.lease_token, "europe").await);
    assert!(!name(Uuid::new_v4(), "asia").await, "the try is its worker's");

    let result = TryResult::Success { value: None, length: Some(3) };
    assert!(store.report_tries(&[report(&claimed, result, 4)]).await.unwrap().is_empty());
    let reported = store.reported_tries(driver.owner, 9).await.unwrap();
    assert_eq!(reported[0].result, TryResult::Success { value: None, length: Some(3) });
    let mut settled = super::fixture::settle(&reported[0], TaskState::Success, 5);
    settled.settles.as_mut().unwrap().map_length = Some(3);
    driver.change(&run, RunChange { moves: vec![settled], ..RunChange::default() }, 5).await;
    let kept = store.instance(tenant, "sales", "one", "load", -1).await.unwrap().unwrap();
    assert_eq!((kept.map_length, kept.rendered_map_index.as_deref()), (Some(3), Some("europe")));
    assert!(!name(claimed.lease_token, "asia").await, "the try is over");
}
