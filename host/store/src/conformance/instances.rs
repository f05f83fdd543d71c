//! Task instances and their tries, from the outside.

use airlock_core::state::TaskState;

use super::actors::{Driver, Worker};
use super::fixture::{at, move_to, page, run_of, success, tenant};
use crate::driving::RunChange;
use crate::instances::InstanceFilter;
use crate::runs::{Range, Span};
use crate::{Page, Pattern, Store};

pub async fn instances_are_listed_by_filter_order_and_page(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    run_of(store, acme, "sales", "one", &["load", "Report", "check"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    run_of(store, beta, "sales", "one", &["load"]).await;
    driver.start(1).await;
    driver.admit(&run, &[&instances[1]], 5).await;
    Worker::new(store).claim(1, 6).await;
    let clear = move_to(&instances[2], None, 7);
    driver.change(&run, RunChange { moves: vec![clear], ..RunChange::default() }, 7).await;

    let list = async |filter: InstanceFilter, page: Page| {
        let listed = store.list_instances(acme, &filter, &page).await.unwrap();
        (listed.items.into_iter().map(|one| one.task_id).collect::<Vec<_>>().join(" "), listed.total)
    };
    let all = InstanceFilter::default;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(list(all(), page(9, 0, &[])).await, ("load Report check".to_owned(), 3));
    assert_eq!(list(all(), page(1, 1, &[])).await, ("Report".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("task_id", true)])).await, ("load check Report".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("start_date", false)])).await, ("Report load check".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("state", false), ("map_index", true)])).await.0, "Report load check");

    let filters = [
        (InstanceFilter { dag_id: Some("sales".to_owned()), run_id: Some("one".to_owned()), ..all() }, 3),
        (InstanceFilter { dag_id: Some("stock".to_owned()), ..all() }, 0),
        (InstanceFilter { run_id: Some("two".to_owned()), ..all() }, 0),
        (InstanceFilter { dag_ids: Some(texts(&["sales", "stock"])), ..all() }, 3),
        (InstanceFilter { dag_ids: Some(Vec::new()), ..all() }, 0),
        (InstanceFilter { run_ids: Some(texts(&["one"])), ..all() }, 3),
        (InstanceFilter { run_ids: Some(texts(&["two"])), ..all() }, 0),
        (InstanceFilter { task_ids: texts(&["load", "check"]), ..all() }, 2),
        (InstanceFilter { map_indexes: vec![5, -1], ..all() }, 3),
        (InstanceFilter { map_indexes: vec![0], ..all() }, 0),
        (InstanceFilter { only_mapped: true, ..all() }, 0),
        (InstanceFilter { states: vec![Some(TaskState::Running)], ..all() }, 1),
        (InstanceFilter { states: vec![None, Some(TaskState::Scheduled)], ..all() }, 2),
        (InstanceFilter { pools: texts(&["default_pool"]), ..all() }, 3),
        (InstanceFilter { pools: texts(&["other"]), ..all() }, 0),
        (InstanceFilter { queues: texts(&["other"]), ..all() }, 0),
        (InstanceFilter { operators: texts(&["empty"]), ..all() }, 3),
        (InstanceFilter { try_numbers: vec![1], ..all() }, 1),
        (InstanceFilter { dag_versions: vec![1, 2], ..all() }, 3),
        (InstanceFilter { dag_id_pattern: Pattern::part("ALE"), ..all() }, 3),
        (InstanceFilter { run_id_pattern: Pattern::part("x"), ..all() }, 0),
        (InstanceFilter { task_id_pattern: Pattern::part("r%t"), ..all() }, 1),
        (InstanceFilter { pool_pattern: Pattern::part("ault"), ..all() }, 3),
        (InstanceFilter { queue_pattern: Pattern::new(None, Some("x|def")), ..all() }, 3),
        (InstanceFilter { operator_pattern: Pattern::new(Some("EMP|x"), None), ..all() }, 3),
        (InstanceFilter { rendered_map_index_pattern: Pattern::part("%"), ..all() }, 0),
        (InstanceFilter { updated_at: Span { gt: Some(at(5)), ..Span::default() }, ..all() }, 1),
        (InstanceFilter { duration: Range { gte: Some(0.0), ..Range::default() }, ..all() }, 0),
        (InstanceFilter { logical_date: Span { gte: Some(at(0)), ..Span::default() }, ..all() }, 0),
        (InstanceFilter { run_after: Span { gte: Some(at(0)), ..Span::default() }, ..all() }, 3),
        (InstanceFilter { started_at: Span { gt: Some(at(5)), ..Span::default() }, ..all() }, 1),
        (InstanceFilter { ended_at: Span { gt: Some(at(5)), ..Span::default() }, ..all() }, 0),
    ];
    for (filter, expected) in filters {
        assert_eq!(list(filter.clone(), page(0, 0, &[])).await, (String::new(), expected), "{filter:?}");
    }
    assert!(store.list_instances(acme, &all(), &page(1, 0, &[("note", false)])).await.is_err());
}

pub async fn an_instance_can_be_annotated(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    run_of(store, acme, "sales", "one", &["load"]).await;
    let (_, instances) = Driver::new(store).start(1).await;
    assert!(store.set_instance_note(acme, instances[0].id, Some("odd")).await.unwrap());
    assert!(!store.set_instance_note(beta, instances[0].id, Some("mine")).await.unwrap());
    let instance = store.instance(acme, "sales", "one", "load", -1).await.unwrap().unwrap();
    assert_eq!(instance.note.as_deref(), Some("odd"));
    assert_eq!(store.instance(acme, "sales", "one", "load", 0).await.unwrap(), None);
    assert_eq!(store.instance(beta, "sales", "one", "load", -1).await.unwrap(), None);
}

pub async fn every_try_is_kept_and_the_newest_may_be_unfinished(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    run_of(store, acme, "sales", "one", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    let id = instances[0].id;
    assert!(store.tries(acme, id).await.unwrap().is_empty(), "no try has begun");

    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await;
    let tries = store.tries(acme, id).await.unwrap();
    assert_eq!(tries.len(), 1);
    assert_eq!((tries[0].try_number, tries[0].state), (1, Some(TaskState::Running)));
    assert_eq!((tries[0].queued_at, tries[0].started_at, tries[0].ended_at), (Some(at(2)), Some(at(3)), None));

    worker.report(&claimed[0], success(), 4).await;
    driver.fail_for_retry(&run, 5).await;
    let failed = store.tries(acme, id).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].state, failed[0].ended_at), (Some(TaskState::Failed), Some(at(4))));
    assert_eq!((failed[0].cause.as_deref(), failed[0].message.as_deref()), (Some("operator"), Some("no\u{fffd}")));
    assert_eq!(failed[0].hostname.as_deref(), Some("worker-1"));

    driver.reschedule(&run, id, 6).await;
    let instance = store.instance(acme, "sales", "one", "load", -1).await.unwrap().unwrap();
    driver.admit(&run, &[&instance], 7).await;
    let tries = store.tries(acme, id).await.unwrap();
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[0], failed[0], "a finished try never changes");
    assert_eq!((tries[1].try_number, tries[1].state, tries[1].started_at), (2, Some(TaskState::Queued), None));
    assert!(store.tries(beta, id).await.unwrap().is_empty());
}
