//! Assets, their events, and the runs that follow from them.

use airlock_core::asset::{Asset, AssetCondition, AssetRole, NewAssetEvent};
use airlock_core::dag::{Dag, Schedule};
use airlock_core::id::{RunKey, TenantId};
use airlock_core::run::RunChange;
use airlock_core::state::{RunState, RunType, TaskState};
use serde_json::{Map, json};
use uuid::Uuid;

use super::actors::Driver;
use super::fixture::{at, dag, move_to, new_run, page, put_dag, task, tenant};
use crate::assets::{AssetEventFilter, AssetEventRow, AssetFilter, AssetRow, AssetTurn, QueuedEventFilter};
use crate::runs::{NewRun, RunRow, Span};
use crate::{Pattern, Store, StoreError};

fn asset(name: &str) -> Asset {
    Asset { name: name.to_owned(), uri: format!("s3://{name}"), group: Asset::GROUP.to_owned(), extra: Map::new() }
}

/// A DAG with one task, which produces these.
fn producer(dag_id: &str, outlets: &[&str]) -> Dag {
    let mut load = task("load", &[]);
    load.outlets = outlets.iter().map(|name| asset(name).into()).collect();
    Dag { tasks: vec![load], ..dag(dag_id, &[]) }
}

/// A DAG that follows all of these.
fn consumer(dag_id: &str, names: &[&str]) -> Dag {
    let all = names.iter().map(|name| asset(name).into()).collect();
    Dag { schedule: Schedule::Assets { condition: AssetCondition::All { all } }, ..dag(dag_id, &["load"]) }
}

async fn asset_named(store: &dyn Store, tenant: TenantId, name: &str) -> AssetRow {
    let found = store.list_assets(tenant, &AssetFilter::default(), &page(100, 0, &[])).await.unwrap();
    found.items.into_iter().find(|row| row.name == name).unwrap()
}

async fn post(store: &dyn Store, tenant: TenantId, name: &str, seconds: i64) -> AssetEventRow {
    let id = asset_named(store, tenant, name).await.id;
    let extra = json!({ "at": seconds }).as_object().cloned().unwrap();
    store.create_asset_event(tenant, id, &extra, at(seconds)).await.unwrap()
}

async fn queue_of(store: &dyn Store, tenant: TenantId, dag_id: &str) -> Vec<(String, i64)> {
    let filter = QueuedEventFilter { dag_id: Some(dag_id.to_owned()), ..QueuedEventFilter::default() };
    let queued = store.queued_events(tenant, &filter).await.unwrap();
    let mut queued: Vec<_> = queued.into_iter().map(|one| (one.name, (one.created_at - at(0)).num_seconds())).collect();
    queued.sort();
    queued
}

fn following(turn: &AssetTurn, run_id: &str) -> NewRun {
    NewRun {
        run_type: RunType::AssetTriggered,
        run_after: turn.queued.iter().map(|one| one.created_at).max().unwrap(),
        ..new_run(turn.row.tenant, &turn.row.dag_id, run_id)
    }
}

async fn only_turn(store: &dyn Store) -> AssetTurn {
    assert!(store.work(at(0)).await.unwrap().asset_turns);
    let mut turns = store.asset_turns(10).await.unwrap();
    assert_eq!(turns.len(), 1);
    turns.pop().unwrap()
}

async fn events_of(store: &dyn Store, run: RunKey) -> Vec<i64> {
    let events = store.asset_events_of_run(run).await.unwrap();
    events.iter().map(|event| (event.timestamp - at(0)).num_seconds()).collect()
}

pub async fn references_follow_the_newest_version(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let mut both = producer("both", &["a", "b"]);
    both.tasks[0].inlets = vec![asset("c").into()];
    put_dag(store, acme, &both).await;
    put_dag(store, acme, &consumer("reader", &["a"])).await;
    put_dag(store, beta, &producer("both", &["a"])).await;
    let a = asset_named(store, acme, "a").await;
    assert_eq!((a.uri.as_str(), a.group.as_str(), a.last_event), ("s3://a", "asset", None));
    let references: Vec<_> =
        a.references.iter().map(|one| (one.role, one.dag_id.as_str(), one.task_id.as_str())).collect();
    assert_eq!(references, [(AssetRole::Outlet, "both", "load"), (AssetRole::Schedule, "reader", "")]);

    let mut fewer = producer("both", &["b"]);
    let owned = Asset { extra: json!({ "owner": "kim" }).as_object().cloned().unwrap(), ..asset("b") };
    fewer.tasks[0].outlets = vec![owned.into()];
    put_dag(store, acme, &fewer).await;
    assert_eq!(asset_named(store, acme, "b").await.extra["owner"], "kim");
    let names = async |filter: &AssetFilter| {
        let found = store.list_assets(acme, filter, &page(10, 0, &[("name", true)])).await.unwrap();
        (found.items.into_iter().map(|row| row.name).collect::<Vec<_>>().join(" "), found.total)
    };
    let active = AssetFilter { only_active: true, ..AssetFilter::default() };
    assert_eq!(names(&AssetFilter::default()).await, ("c b a".to_owned(), 3));
    assert_eq!(names(&active).await, ("b a".to_owned(), 2), "nobody uses c any more");
    let of_reader = AssetFilter { dag_ids: vec!["reader".to_owned()], ..AssetFilter::default() };
    assert_eq!(names(&of_reader).await, ("a".to_owned(), 1));
    let by_uri = AssetFilter { uri_pattern: Pattern::part("S3://B"), ..AssetFilter::default() };
    assert_eq!(names(&by_uri).await, ("b".to_owned(), 1));
    assert_eq!(store.asset(beta, a.id).await.unwrap(), None);
    let links = store.asset_links(acme).await.unwrap();
    let links: Vec<_> = links.iter().map(|link| (link.dag_id.as_str(), link.role, link.name.as_str())).collect();
    assert_eq!(links, [("both", AssetRole::Outlet, "b"), ("reader", AssetRole::Schedule, "a")]);
    assert!(store.delete_dag(acme, "reader").await.unwrap());
    assert_eq!(names(&active).await, ("b".to_owned(), 1));
}

pub async fn an_event_is_queued_for_those_who_listen(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    put_dag(store, acme, &consumer("one", &["a", "b"])).await;
    put_dag(store, acme, &consumer("two", &["a"])).await;
    put_dag(store, acme, &consumer("asleep", &["a"])).await;
    put_dag(store, beta, &consumer("one", &["a"])).await;
    store.set_dag_paused(acme, "asleep", true).await.unwrap();
    let event = post(store, acme, "a", 10).await;
    assert_eq!((event.name.as_str(), event.timestamp, &event.extra["at"]), ("a", at(10), &json!(10)));
    assert_eq!((event.source_dag_id, event.source_map_index), (None, -1));
    assert_eq!(asset_named(store, acme, "a").await.last_event, Some((event.id, at(10))));
    post(store, acme, "a", 20).await;
    assert_eq!(queue_of(store, acme, "one").await, [("a".to_owned(), 20)]);
    assert_eq!(queue_of(store, acme, "two").await, [("a".to_owned(), 20)]);
    assert!(queue_of(store, acme, "asleep").await.is_empty(), "a paused DAG does not listen");
    assert!(queue_of(store, beta, "one").await.is_empty());
    let missing = store.create_asset_event(beta, event.asset_id, &Map::new(), at(20)).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing}");

    let of_asset = QueuedEventFilter { asset_id: Some(event.asset_id), ..QueuedEventFilter::default() };
    assert_eq!(store.queued_events(acme, &of_asset).await.unwrap().len(), 2);
    let early = QueuedEventFilter { before: Some(at(20)), ..of_asset.clone() };
    assert_eq!(store.delete_queued_events(acme, &early).await.unwrap(), 0);
    assert_eq!(store.delete_queued_events(acme, &of_asset).await.unwrap(), 2);
    assert!(store.asset_turns(10).await.unwrap().is_empty());
}

pub async fn a_run_follows_from_its_events_once(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &consumer("reader", &["a", "b"])).await;
    post(store, tenant, "a", 10).await;
    let turn = only_turn(store).await;
    assert_eq!((turn.row.dag_id.as_str(), turn.queued.len()), ("reader", 1));
    assert_eq!(store.open_asset_run(&turn, None).await.unwrap(), None);
    assert!(store.asset_turns(10).await.unwrap().is_empty(), "it has been looked at");
    assert!(!store.work(at(0)).await.unwrap().asset_turns);
    post(store, tenant, "b", 20).await;
    let stale = only_turn(store).await;
    post(store, tenant, "a", 30).await;
    assert_eq!(store.open_asset_run(&stale, Some(&following(&stale, "r0"))).await.unwrap(), None, "more has come");
    let turn = only_turn(store).await;
    let opened = store.open_asset_run(&turn, Some(&following(&turn, "r1"))).await.unwrap().unwrap();
    assert_eq!((opened.run_type, opened.run_after, opened.logical_date), (RunType::AssetTriggered, at(30), None));
    assert_eq!(store.open_asset_run(&turn, Some(&following(&turn, "r2"))).await.unwrap(), None, "only once");
    assert!(queue_of(store, tenant, "reader").await.is_empty());
    assert_eq!(events_of(store, opened.key).await, [10, 20, 30]);

    for (name, seconds) in [("b", 40), ("a", 50)] {
        post(store, tenant, name, seconds).await;
    }
    let turn = only_turn(store).await;
    let second = store.open_asset_run(&turn, Some(&following(&turn, "r2"))).await.unwrap().unwrap();
    assert_eq!(events_of(store, second.key).await, [40, 50]);
    let all = store.list_asset_events(tenant, &AssetEventFilter::default(), &page(10, 0, &[])).await.unwrap();
    let triggering: Vec<_> = all
        .items
        .iter()
        .map(|event| event.created_runs.iter().map(|(run, first)| (run.run_id.as_str(), *first)).collect::<Vec<_>>())
        .collect();
    assert_eq!(triggering, [[("r1", false)], [("r1", false)], [("r1", true)], [("r2", false)], [("r2", true)]]);
    assert!(store.delete_run(tenant, "reader", "r1").await.unwrap());
}

pub async fn what_came_before_a_dag_listened_is_no_event_of_its(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &producer("writer", &["a"])).await;
    post(store, tenant, "a", -10).await;
    let mut late = consumer("late", &["a"]);
    put_dag(store, tenant, &late).await;
    late.dag_id = "catching_up".to_owned();
    put_dag(store, tenant, &Dag { catchup: true, ..late }).await;
    post(store, tenant, "a", 10).await;
    for turn in store.asset_turns(10).await.unwrap() {
        let run = store.open_asset_run(&turn, Some(&following(&turn, "r"))).await.unwrap().unwrap();
        let expected: &[i64] = if turn.row.dag.catchup { &[-10, 10] } else { &[10] };
        assert_eq!(events_of(store, run.key).await, expected, "{}", run.dag_id);
    }
}

pub async fn a_dag_that_is_busy_or_has_changed_waits(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let narrow = Dag { max_active_runs: 1, ..consumer("reader", &["a", "b"]) };
    put_dag(store, tenant, &narrow).await;
    post(store, tenant, "a", 10).await;
    let turn = only_turn(store).await;
    let run = store.create_run(&new_run(tenant, "reader", "manual")).await.unwrap();
    assert!(store.asset_turns(10).await.unwrap().is_empty(), "it is at its limit");
    let driver = Driver::new(store);
    let (taken, _) = driver.start(11).await;
    assert_eq!(taken.key, run.key);
    driver.finish(&taken, RunState::Success, 12).await;
    store.set_dag_paused(tenant, "reader", true).await.unwrap();
    assert!(store.asset_turns(10).await.unwrap().is_empty(), "it is paused");
    assert_eq!(store.open_asset_run(&turn, Some(&following(&turn, "r"))).await.unwrap(), None);
    store.set_dag_paused(tenant, "reader", false).await.unwrap();
    assert_eq!(store.open_asset_run(&turn, None).await.unwrap(), None);

    // A new version: what is queued is looked at again, and what it does not listen to any more is gone.
    post(store, tenant, "b", 20).await;
    put_dag(store, tenant, &Dag { max_active_runs: 1, ..consumer("reader", &["a"]) }).await;
    assert_eq!(store.open_asset_run(&turn, Some(&following(&turn, "r"))).await.unwrap(), None);
    let turn = only_turn(store).await;
    assert_eq!((turn.row.version, turn.queued.len(), turn.queued[0].name.as_str()), (2, 1, "a"));
}

pub async fn success_is_an_event_of_every_outlet(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &producer("writer", &["a", "b"])).await;
    put_dag(store, tenant, &consumer("reader", &["a"])).await;
    store.create_run(&new_run(tenant, "writer", "one")).await.unwrap();
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    let event = |instance: Uuid, name: &str| NewAssetEvent {
        instance,
        task_id: "load".to_owned(),
        map_index: -1,
        asset: asset(name),
        extra: json!({ "rows": 7 }).as_object().cloned().unwrap(),
        source_aliases: Vec::new(),
        at: at(5),
    };
    let commit = async |run: &RunRow, from: Option<TaskState>| {
        let mut moved = move_to(&instances[0], Some(TaskState::Success), 5);
        moved.from_states = vec![from];
        let asset_events = ["a", "b"].map(|name| event(instances[0].id, name)).to_vec();
        let change = RunChange { moves: vec![moved], asset_events, ..RunChange::default() };
        driver.commit_and_admit(vec![(run.key, run.epoch, change)], Default::default(), 5, &|_| Vec::new()).await
    };
    let refused = commit(&run, Some(TaskState::Deferred)).await;
    assert_eq!(refused.refused, [instances[0].id]);
    let filter = AssetEventFilter::default();
    assert_eq!(store.list_asset_events(tenant, &filter, &page(10, 0, &[])).await.unwrap().total, 0);
    commit(&run, Some(TaskState::Scheduled)).await;
    let events = store.list_asset_events(tenant, &filter, &page(10, 0, &[])).await.unwrap().items;
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let source = (events[0].source_dag_id.as_deref(), events[0].source_run_id.as_deref());
    assert_eq!((source, events[0].source_task_id.as_deref()), ((Some("writer"), Some("one")), Some("load")));
    assert_eq!(events[0].extra["rows"], 7);
    assert_eq!(queue_of(store, tenant, "reader").await, [("a".to_owned(), 5)]);

    let none = [
        AssetEventFilter { source_task_id: Some("other".to_owned()), ..AssetEventFilter::default() },
        AssetEventFilter { source_map_index: Some(0), ..AssetEventFilter::default() },
        AssetEventFilter { timestamp: Span { gt: Some(at(5)), ..Span::default() }, ..AssetEventFilter::default() },
        AssetEventFilter { name_pattern: Pattern::part("nothing"), ..AssetEventFilter::default() },
    ];
    for filter in none {
        assert_eq!(store.list_asset_events(tenant, &filter, &page(10, 0, &[])).await.unwrap().total, 0, "{filter:?}");
    }
    let one = AssetEventFilter { asset_id: Some(events[1].asset_id), ..AssetEventFilter::default() };
    let order = page(10, 0, &[("source_run_id", true), ("timestamp", false)]);
    assert_eq!(store.list_asset_events(tenant, &one, &order).await.unwrap().items, events[1..]);
}
