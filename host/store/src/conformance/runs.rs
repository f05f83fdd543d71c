//! DAG runs, from the outside.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::{RunState, RunType};
use airlock_core::timetable::Partition;
use serde_json::{Map, json};

use super::actors::Driver;
use super::fixture::{at, dag, new_run, page, put_dag, run_of, tenant};
use crate::runs::{NewRun, Range, RunFilter, Span};
use crate::{Page, Pattern, Store, StoreError};

pub async fn a_run_is_of_its_dags_newest_version(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    put_dag(store, acme, &dag("sales", &["a"])).await;
    put_dag(store, acme, &dag("sales", &["a", "b"])).await;
    let wanted = NewRun {
        run_type: RunType::Scheduled,
        logical_date: Some(at(-60)),
        data_interval: Some((at(-60), at(0))),
        conf: Map::from_iter([("z".to_owned(), json!([1.5, null])), ("a".to_owned(), json!("\u{0}é"))]),
        note: Some("by hand".to_owned()),
        triggering_user: Some("kim".to_owned()),
        now: at(5),
        ..new_run(acme, "sales", "scheduled__1")
    };
    let run = store.create_run(&wanted).await.unwrap();
    assert_eq!((run.dag_version, run.state, run.epoch, run.queued_at), (2, RunState::Queued, 0, at(5)));
    assert_eq!((run.started_at, run.ended_at, run.last_scheduling_decision), (None, None, None));
    assert_eq!((run.logical_date, run.data_interval), (wanted.logical_date, wanted.data_interval));
    assert_eq!((&run.conf, &run.note, &run.triggering_user), (&wanted.conf, &wanted.note, &wanted.triggering_user));
    assert_eq!(run.conf.keys().collect::<Vec<_>>(), ["z", "a"], "in the order in which it was sent");

    assert_eq!(store.run(acme, "sales", "scheduled__1").await.unwrap(), Some(run));
    assert_eq!(store.run(beta, "sales", "scheduled__1").await.unwrap(), None);
    let nowhere = store.create_run(&new_run(beta, "sales", "manual__1")).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound { what: "DAG", .. })));
}

pub async fn run_ids_and_logical_dates_are_taken_once(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &[])).await;
    put_dag(store, tenant, &dag("other", &[])).await;
    let dated = |dag_id: &str, run_id: &str| NewRun { logical_date: Some(at(7)), ..new_run(tenant, dag_id, run_id) };
    store.create_run(&dated("sales", "one")).await.unwrap();
    for taken in [new_run(tenant, "sales", "one"), dated("sales", "two")] {
        let refused = store.create_run(&taken).await;
        assert!(matches!(refused, Err(StoreError::AlreadyExists { what: "DAG run", .. })));
    }
    store.create_run(&dated("other", "one")).await.unwrap();
    store.create_run(&new_run(tenant, "sales", "three")).await.unwrap();
    store.create_run(&new_run(tenant, "sales", "four")).await.unwrap();
}

pub async fn runs_are_listed_by_filter_order_and_page(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    for dag_id in ["sales", "stock"] {
        put_dag(store, acme, &dag(dag_id, &[])).await;
    }
    run_of(store, beta, "sales", "theirs", &[]).await;
    for (number, dag_id, run_id) in [(1, "sales", "b"), (2, "sales", "A_x"), (3, "stock", "c")] {
        let run_type = if number == 3 { RunType::Backfill } else { RunType::Manual };
        store
            .create_run(&NewRun {
                run_type,
                run_after: at(number),
                logical_date: (number != 2).then(|| at(10 - number)),
                triggering_user: (number == 1).then(|| "Kim".to_owned()),
                now: at(20 + number),
                ..new_run(acme, dag_id, run_id)
            })
            .await
            .unwrap();
    }
    let driver = Driver::new(store);
    for loaded in driver.take(30).await {
        if loaded.run.run_id == "c" {
            driver.finish(&loaded.run, RunState::Failed, 40).await;
        }
    }
    let list = async |filter: RunFilter, page: Page| {
        let listed = store.list_runs(acme, &filter, &page).await.unwrap();
        (listed.items.into_iter().map(|run| run.run_id).collect::<Vec<_>>().join(" "), listed.total)
    };
    let all = RunFilter::default;
    let one = page(9, 0, &[]);
    assert_eq!(list(all(), one.clone()).await, ("b A_x c".to_owned(), 3));
    assert_eq!(list(all(), page(1, 2, &[])).await, ("c".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("run_id", false)])).await, ("A_x b c".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("dag_id", true), ("run_after", true)])).await, ("c A_x b".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("logical_date", false)])).await, ("c b A_x".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("logical_date", true)])).await, ("A_x b c".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("end_date", false), ("id", true)])).await, ("c A_x b".to_owned(), 3));

    let filters = [
        (RunFilter { dag_id: Some("sales".to_owned()), ..all() }, "b A_x"),
        (RunFilter { dag_ids: Some(vec!["stock".to_owned()]), ..all() }, "c"),
        (RunFilter { dag_ids: Some(Vec::new()), ..all() }, ""),
        (RunFilter { dag_id_pattern: Pattern::part("TOC"), ..all() }, "c"),
        (RunFilter { run_id_pattern: Pattern::part("a%"), ..all() }, "A_x"),
        (RunFilter { states: vec![RunState::Failed, RunState::Queued], ..all() }, "c"),
        (RunFilter { run_types: vec![RunType::Backfill], ..all() }, "c"),
        (RunFilter { dag_versions: vec![1], ..all() }, "b A_x c"),
        (RunFilter { dag_versions: vec![2], ..all() }, ""),
        (RunFilter { triggering_user_pattern: Pattern::part("ki"), ..all() }, "b"),
        (RunFilter { logical_date: Span { gte: Some(at(9)), ..Span::default() }, ..all() }, "b"),
        (RunFilter { run_after: Span { gt: Some(at(1)), lt: Some(at(3)), ..Span::default() }, ..all() }, "A_x"),
        (RunFilter { started_at: Span { lte: Some(at(30)), ..Span::default() }, ..all() }, "b A_x c"),
        (RunFilter { ended_at: Span { lte: Some(at(40)), ..Span::default() }, ..all() }, "c"),
        (RunFilter { updated_at: Span { gt: Some(at(30)), ..Span::default() }, ..all() }, "c"),
        (RunFilter { duration: Range { gte: Some(10.0), lt: Some(10.5), ..Range::default() }, ..all() }, "c"),
        (RunFilter { duration: Range { gt: Some(10.0), ..Range::default() }, ..all() }, ""),
        (RunFilter { conf_pattern: Pattern::part("no such thing"), ..all() }, ""),
        (RunFilter { conf_pattern: Pattern::part("{"), ..all() }, "b A_x c"),
        (RunFilter { consumed_asset: Some("lake".to_owned()), ..all() }, ""),
    ];
    for (filter, expected) in filters {
        let (listed, total) = list(filter.clone(), one.clone()).await;
        assert_eq!(listed, expected, "{filter:?}");
        assert_eq!(total as usize, expected.split_whitespace().count(), "{filter:?}");
    }
    assert!(store.list_runs(acme, &all(), &page(1, 0, &[("epoch", false)])).await.is_err());
}

pub async fn a_run_can_be_annotated(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let run = run_of(store, acme, "sales", "one", &[]).await;
    assert!(store.set_run_note(run.key, Some("look"), Some("kim")).await.unwrap());
    assert_eq!(store.run(acme, "sales", "one").await.unwrap().unwrap().note.as_deref(), Some("look"));
    let theirs = RunKey { tenant: beta, id: run.key.id };
    assert!(!store.set_run_note(theirs, Some("mine"), None).await.unwrap(), "a key of another tenant names nothing");
    assert!(store.set_run_note(run.key, None, None).await.unwrap());
    assert_eq!(store.run(acme, "sales", "one").await.unwrap().unwrap().note, None);
}

pub async fn a_run_goes_unless_it_is_running(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    run_of(store, acme, "sales", "one", &["load"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    let refused = store.delete_run(acme, "sales", "one").await;
    assert!(matches!(refused, Err(StoreError::Conflict(text)) if text.contains("sales/one")));
    driver.finish(&run, RunState::Success, 2).await;
    assert!(!store.delete_run(beta, "sales", "one").await.unwrap());
    assert!(store.delete_run(acme, "sales", "one").await.unwrap());
    assert!(!store.delete_run(acme, "sales", "one").await.unwrap());
    assert!(store.load_run(run.key).await.unwrap().is_none());
    assert!(!store.set_instance_note(acme, instances[0].id, None).await.unwrap());

    // A queued run can go too, and gives its DAG's place in the queue free.
    store.create_run(&new_run(acme, "sales", "two")).await.unwrap();
    assert!(store.delete_run(acme, "sales", "two").await.unwrap());
    assert!(driver.take(3).await.is_empty());
}

pub async fn the_last_automated_run_is_the_one_with_the_latest_date(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    put_dag(store, acme, &dag("sales", &[])).await;
    assert_eq!(store.last_automated_run(acme, "sales").await.unwrap(), None);
    for (run_id, run_type, date) in [
        ("a", RunType::Scheduled, 30),
        ("b", RunType::Backfill, 40),
        ("c", RunType::Scheduled, 20),
        ("d", RunType::Manual, 50),
    ] {
        let run = NewRun { run_type, logical_date: Some(at(date)), ..new_run(acme, "sales", run_id) };
        store.create_run(&run).await.unwrap();
    }
    assert_eq!(store.last_automated_run(acme, "sales").await.unwrap().unwrap().run_id, "b");

    // A partition's run has no date of its own; one that a person asked for is none of the timetable's.
    for (run_id, run_type, due) in [("e", RunType::Scheduled, 60), ("f", RunType::Manual, 70)] {
        let partition = Some(Partition { key: "p".to_owned(), date: (run_id == "e").then(|| at(55)) });
        let run =
            NewRun { run_type, partition, logical_date: None, run_after: at(due), ..new_run(acme, "sales", run_id) };
        assert_eq!(store.create_run(&run).await.unwrap().partition, run.partition);
    }
    for (filter, expected) in [
        (RunFilter { partition_key_pattern: Pattern::part("P"), ..RunFilter::default() }, 2),
        (RunFilter { partition_key_pattern: Pattern::new(None, Some("q")), ..RunFilter::default() }, 0),
        (RunFilter { partition_date: Span { gte: Some(at(55)), ..Span::default() }, ..RunFilter::default() }, 1),
        (RunFilter { partition_key: Some("p".to_owned()), ..RunFilter::default() }, 2),
        (RunFilter { partition_key: Some("P".to_owned()), ..RunFilter::default() }, 0),
    ] {
        assert_eq!(store.list_runs(acme, &filter, &page(9, 0, &[])).await.unwrap().total, expected, "{filter:?}");
    }
    assert_eq!(store.last_automated_run(acme, "sales").await.unwrap().unwrap().run_id, "e");
    assert_eq!(store.last_automated_run(beta, "sales").await.unwrap(), None);
    assert_eq!(store.last_automated_run(TenantId(i64::MAX), "sales").await.unwrap(), None);
    let parted = RunFilter { partition_key: Some("p".to_owned()), ..RunFilter::default() };
    let keys: Vec<RunKey> =
        store.list_runs(acme, &parted, &page(9, 0, &[])).await.unwrap().items.iter().map(|run| run.key).collect();
    assert_eq!(store.forget_partitions(tenant(store, "else").await, &keys).await.unwrap(), 0, "they are the tenant's");
    assert_eq!(store.forget_partitions(acme, &keys[..1]).await.unwrap(), 1);
    assert_eq!(store.forget_partitions(acme, &keys).await.unwrap(), 1, "one said something");
    assert_eq!(store.list_runs(acme, &parted, &page(9, 0, &[])).await.unwrap().total, 0);
}

pub async fn runs_are_counted_by_state(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    put_dag(store, acme, &dag("sales", &[])).await;
    for run_id in ["a", "b", "c"] {
        store.create_run(&new_run(acme, "sales", run_id)).await.unwrap();
    }
    let driver = Driver::new(store);
    let taken = store.take_runs(driver.owner, at(1), at(60), 2).await.unwrap();
    driver.finish(&taken[0].run, RunState::Success, 2).await;
    let mut counts = store.count_runs(acme, "sales").await.unwrap();
    counts.sort();
    assert_eq!(counts, [(RunState::Queued, 1), (RunState::Running, 1), (RunState::Success, 1)]);
    assert!(store.count_runs(beta, "sales").await.unwrap().is_empty());
}
