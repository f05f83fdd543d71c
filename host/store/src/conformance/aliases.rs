//! Names for assets that are only known when a task runs.

use airlock_core::asset::{Asset, AssetAlias, AssetRole, LinkTarget, NewAssetEvent, OutletEvent};
use airlock_core::dag::{Dag, Schedule};
use airlock_core::id::TenantId;
use airlock_core::run::RunChange;
use airlock_core::state::{RunType, TaskState};
use serde_json::{Map, json};

use super::actors::{Driver, Worker};
use super::fixture::{at, dag, move_to, new_run, page, put_dag, report, run_of, success, task, tenant};
use crate::assets::{AssetEventFilter, AssetFilter, QueuedEventFilter};
use crate::runs::NewRun;
use crate::{Pattern, Store};

fn alias(name: &str) -> AssetAlias {
    AssetAlias { name: name.to_owned(), group: Asset::GROUP.to_owned() }
}

fn asset(name: &str) -> Asset {
    Asset { name: name.to_owned(), uri: format!("s3://{name}"), group: "regions".to_owned(), extra: Map::new() }
}

/// A DAG whose only task says at run time what it has produced.
fn producer(dag_id: &str, aliases: &[&str]) -> Dag {
    let mut load = task("load", &[]);
    load.outlets = aliases.iter().map(|name| alias(name).into()).collect();
    Dag { tasks: vec![load], ..dag(dag_id, &[]) }
}

fn follower(dag_id: &str, name: &str) -> Dag {
    Dag { schedule: Schedule::Assets { condition: alias(name).into() }, ..dag(dag_id, &["load"]) }
}

/// A run of the DAG whose task succeeds and has said that these aliases stand for these assets.
async fn produce(
    store: &dyn Store,
    tenant: TenantId,
    dag_id: &str,
    run_id: &str,
    said: &[(&[&str], &str)],
    seconds: i64,
) {
    store.create_run(&new_run(tenant, dag_id, run_id)).await.unwrap();
    let driver = Driver::new(store);
    let (run, instances) = driver.start(seconds).await;
    let asset_events = said.iter().map(|(aliases, name)| NewAssetEvent {
        instance: instances[0].id,
        task_id: "load".to_owned(),
        map_index: -1,
        asset: asset(name),
        extra: json!({ "of": name }).as_object().cloned().unwrap(),
        source_aliases: aliases.iter().map(|name| (*name).to_owned()).collect(),
        at: at(seconds),
    });
    let moves = vec![move_to(&instances[0], Some(TaskState::Success), seconds)];
    let change = RunChange { moves, asset_events: asset_events.collect(), ..RunChange::default() };
    let changes = vec![(run.key, run.epoch, change)];
    let committed = driver.commit(changes, seconds).await;
    assert!(committed.refused.is_empty() && committed.overtaken.is_empty());
}

async fn queue_of(store: &dyn Store, tenant: TenantId, dag_id: &str) -> Vec<(String, Vec<String>)> {
    let filter = QueuedEventFilter { dag_id: Some(dag_id.to_owned()), ..QueuedEventFilter::default() };
    let queued = store.queued_events(tenant, &filter).await.unwrap();
    queued.into_iter().map(|one| (one.name, one.aliases)).collect()
}

pub async fn an_alias_comes_to_stand_for_assets(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    put_dag(store, acme, &producer("writer", &["exports", "regions"])).await;
    put_dag(store, acme, &follower("reader", "exports")).await;
    put_dag(store, beta, &follower("reader", "exports")).await;
    let all = Pattern::default();
    let aliases = store.list_asset_aliases(acme, &all, &page(10, 0, &[("name", true)])).await.unwrap();
    let names: Vec<_> = aliases.items.iter().map(|row| (row.name.as_str(), row.group.as_str())).collect();
    assert_eq!((names, aliases.total), (vec![("regions", "asset"), ("exports", "asset")], 2));
    let exports =
        store.list_asset_aliases(acme, &Pattern::part("EXPO"), &page(10, 0, &[])).await.unwrap().items.remove(0);
    assert_eq!(store.asset_alias(acme, exports.id).await.unwrap(), Some(exports.clone()));
    assert_eq!(store.asset_alias(beta, exports.id).await.unwrap(), None);
    let links = store.asset_links(acme).await.unwrap();
    assert!(links.iter().all(|link| link.target == LinkTarget::Alias), "{links:?}");

    produce(store, acme, "writer", "one", &[(&["exports", "regions"], "eu"), (&["regions"], "us")], 10).await;
    let active = AssetFilter { only_active: true, ..AssetFilter::default() };
    let assets = store.list_assets(acme, &active, &page(10, 0, &[("name", false)])).await.unwrap().items;
    let known: Vec<_> = assets
        .iter()
        .map(|row| (row.name.as_str(), row.group.as_str(), row.aliases.iter().map(|one| one.name.as_str()).collect()))
        .collect::<Vec<(_, _, Vec<_>)>>();
    assert_eq!(known, [("eu", "regions", vec!["exports", "regions"]), ("us", "regions", vec!["regions"])]);
    let produced = store.asset_links(acme).await.unwrap();
    let produced: Vec<_> = produced
        .iter()
        .filter(|link| link.target == LinkTarget::Asset)
        .map(|link| (link.dag_id.as_str(), link.role, link.name.as_str()))
        .collect();
    assert_eq!(produced, [("writer", AssetRole::Outlet, "eu"), ("writer", AssetRole::Outlet, "us")]);
    assert_eq!(store.list_assets(beta, &AssetFilter::default(), &page(10, 0, &[])).await.unwrap().total, 0);

    let by_alias = |name: &str| AssetEventFilter { source_alias: Some(name.to_owned()), ..AssetEventFilter::default() };
    let newest = page(10, 0, &[("timestamp", true), ("id", true)]);
    let events = store.list_asset_events(acme, &by_alias("regions"), &newest).await.unwrap().items;
    let came: Vec<_> = events.iter().map(|event| (event.name.as_str(), event.source_aliases.join(" "))).collect();
    assert_eq!(came, [("us", "regions".to_owned()), ("eu", "exports regions".to_owned())]);
    assert_eq!(store.list_asset_events(acme, &by_alias("exports"), &newest).await.unwrap().total, 1);
    assert_eq!(store.list_asset_events(beta, &by_alias("exports"), &newest).await.unwrap().total, 0);
    let of = AssetEventFilter { asset: Some(("eu".to_owned(), "s3://eu".to_owned())), ..AssetEventFilter::default() };
    assert_eq!(store.list_asset_events(acme, &of, &newest).await.unwrap().total, 1);
}

pub async fn a_dag_follows_what_came_by_its_alias(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &producer("writer", &["exports", "regions"])).await;
    put_dag(store, tenant, &follower("reader", "exports")).await;
    produce(store, tenant, "writer", "one", &[(&["exports", "regions"], "eu"), (&["regions"], "us")], 10).await;
    let both = vec!["exports".to_owned(), "regions".to_owned()];
    assert_eq!(queue_of(store, tenant, "reader").await, [("eu".to_owned(), both.clone())], "nothing by another alias");
    let turn = store.asset_turns(10).await.unwrap().pop().unwrap();
    let run_after = turn.queued[0].created_at;
    let run = NewRun { run_type: RunType::AssetTriggered, run_after, ..new_run(tenant, "reader", "r1") };
    let run = store.open_asset_run(&turn, Some(&run)).await.unwrap().unwrap();
    let events = store.asset_events_of_run(run.key).await.unwrap();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["eu"]);

    // An event of the asset itself did not come by the alias.
    let id = events[0].asset_id;
    store.create_asset_event(tenant, id, &Map::new(), at(20)).await.unwrap();
    assert!(queue_of(store, tenant, "reader").await.is_empty());
    produce(store, tenant, "writer", "two", &[(&["exports"], "eu")], 30).await;
    let queued = [("eu".to_owned(), both)];
    assert_eq!(queue_of(store, tenant, "reader").await, queued);
    put_dag(store, tenant, &Dag { max_active_runs: 3, ..follower("reader", "exports") }).await;
    assert_eq!(queue_of(store, tenant, "reader").await, queued, "it still listens");
    put_dag(store, tenant, &follower("reader", "regions")).await;
    assert_eq!(queue_of(store, tenant, "reader").await, queued, "the other alias stands for the asset too");
    put_dag(store, tenant, &follower("reader", "else")).await;
    assert!(queue_of(store, tenant, "reader").await.is_empty());
}

pub async fn what_a_try_has_said_goes_with_its_report(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    let extra = json!({ "text": "a \u{0} b", "rows": 7 }).as_object().cloned().unwrap();
    let said = vec![
        OutletEvent::Extra { name: "a".to_owned(), uri: "s3://a".to_owned(), extra: extra.clone() },
        OutletEvent::ByAlias { alias: "exports".to_owned(), asset: asset("eu"), extra },
    ];
    let mut done = report(&claimed, success(), 20);
    done.outlet_events = said.clone();
    assert!(store.report_tries(&[done]).await.unwrap().is_empty());
    let reported = store.reported_tries(driver.owner, 10).await.unwrap();
    assert_eq!(reported[0].outlet_events, said);
}
