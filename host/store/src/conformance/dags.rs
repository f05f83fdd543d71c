//! DAGs and their versions.

use airlock_core::access::Role;
use airlock_core::asset::{Asset, AssetCondition};
use airlock_core::dag::{Dag, Schedule};
use airlock_core::id::TenantId;
use airlock_core::state::RunState;
use serde_json::{Map, json};

use super::actors::{Driver, Worker};
use super::fixture::{at, dag, new_run, page, put_dag, run_of, success, tenant};
use crate::dags::{DagFilter, NextRun, PutDag, PutDagResult};
use crate::runs::{NewRun, RunFilter, Span};
use crate::tenants::User;
use crate::xcoms::XComFilter;
use crate::{Page, Pattern, Store, StoreError};

fn put<'a>(tenant: TenantId, dag: &'a Dag, hash: &'a str, now: i64) -> PutDag<'a> {
    PutDag { tenant, dag, hash, source: hash, expected_version: None, now: at(now) }
}

fn next(seconds: i64) -> NextRun {
    NextRun {
        run_after: at(seconds),
        logical_date: Some(at(seconds - 10)),
        data_interval: Some((at(seconds - 10), at(seconds))),
    }
}

pub async fn a_version_is_made_only_where_the_content_changes(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let mut sales = dag("sales", &["load"]);
    sales.params.insert("z".to_owned(), json!({"a": 1, "\u{0}": "\u{0}"}));
    let (made, result) = store.put_dag(put(tenant, &sales, "one", 1)).await.unwrap();
    assert_eq!((result, made.version, made.is_paused, &made.next_run), (PutDagResult::Created, 1, false, &None));
    assert_eq!((&*made.dag, made.created_at, made.updated_at), (&sales, at(1), at(1)));

    let (same, result) = store.put_dag(put(tenant, &sales, "one", 2)).await.unwrap();
    assert_eq!((result, &same), (PutDagResult::Unchanged, &made));

    sales.description = Some("changed".to_owned());
    let (changed, result) = store.put_dag(put(tenant, &sales, "two", 3)).await.unwrap();
    assert_eq!((result, changed.version), (PutDagResult::Changed, 2));
    assert_eq!((changed.created_at, changed.updated_at), (at(1), at(3)));
    assert_ne!(changed.version_id, made.version_id);
    let (back, result) = store.put_dag(put(tenant, &sales, "one", 4)).await.unwrap();
    assert_eq!((result, back.version), (PutDagResult::Changed, 3), "only the newest version counts");

    assert_eq!(store.dag(tenant, "sales").await.unwrap(), Some(back));
    let first = store.dag_version(tenant, "sales", 1).await.unwrap().unwrap();
    assert_eq!((first.id, first.hash.as_str()), (made.version_id, "one"));
    assert_eq!(store.dag_source(tenant, "sales", 1).await.unwrap().as_deref(), Some("one"));
    assert_eq!(store.dag_source(tenant, "sales", 4).await.unwrap(), None);
    assert_eq!((&first.dag, first.created_at), (&made.dag, at(1)));
    assert_eq!(store.dag_version(tenant, "sales", 4).await.unwrap(), None);
    let listed = store.list_dag_versions(tenant, "sales", &page(2, 0, &[])).await.unwrap();
    assert_eq!(listed.items.iter().map(|version| version.version).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(listed.total, 3);
}

pub async fn an_unexpected_version_is_refused(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let sales = dag("sales", &[]);
    let missing = store.put_dag(PutDag { expected_version: Some(1), ..put(tenant, &sales, "one", 1) }).await;
    assert!(matches!(missing, Err(StoreError::Conflict(text)) if text.contains("does not exist")));
    assert_eq!(store.dag(tenant, "sales").await.unwrap(), None);
    store.put_dag(put(tenant, &sales, "one", 1)).await.unwrap();
    let wrong = store.put_dag(PutDag { expected_version: Some(2), ..put(tenant, &sales, "two", 1) }).await;
    assert!(matches!(wrong, Err(StoreError::Conflict(text)) if text.contains("version is 1")));
    let right = store.put_dag(PutDag { expected_version: Some(1), ..put(tenant, &sales, "two", 1) }).await;
    assert_eq!(right.unwrap().1, PutDagResult::Changed);
    let nowhere = store.put_dag(put(TenantId(i64::MAX), &sales, "one", 1)).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound { what: "tenant", .. })));
}

pub async fn the_same_id_in_two_tenants_is_two_dags(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let ours = put_dag(store, acme, &Dag { owner: "ours".to_owned(), ..dag("sales", &["load"]) }).await;
    assert_eq!(store.dag(beta, "sales").await.unwrap(), None);
    assert_eq!(store.dag_version(beta, "sales", 1).await.unwrap(), None);
    assert_eq!(store.dag_source(beta, "sales", 1).await.unwrap(), None);
    assert_eq!(store.list_dag_versions(beta, "sales", &Page::default()).await.unwrap().total, 0);
    assert!(!store.set_dag_paused(beta, "sales", true).await.unwrap());
    assert!(!store.set_next_run(beta, "sales", 1, Some(&next(10))).await.unwrap());
    assert!(!store.delete_dag(beta, "sales").await.unwrap());
    assert_eq!(store.dag(acme, "sales").await.unwrap(), Some(ours));

    put_dag(store, beta, &Dag { owner: "theirs".to_owned(), ..dag("sales", &["load"]) }).await;
    assert_eq!(store.dag(acme, "sales").await.unwrap().unwrap().dag.owner, "ours");
    assert_eq!(store.dag(beta, "sales").await.unwrap().unwrap().dag.owner, "theirs");
    assert_eq!(store.list_dags(acme, &DagFilter::default(), &Page::default()).await.unwrap().total, 1);
}

pub async fn a_dag_is_paused_from_its_document_only_when_it_is_new(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let paused = Dag { is_paused_upon_creation: true, ..dag("sales", &[]) };
    let (row, _) = store.put_dag(put(tenant, &paused, "one", 1)).await.unwrap();
    assert!(row.is_paused);
    assert!(store.set_dag_paused(tenant, "sales", false).await.unwrap());
    let (row, _) = store.put_dag(put(tenant, &paused, "two", 2)).await.unwrap();
    assert!(!row.is_paused);
    assert!(!store.set_dag_paused(tenant, "nothing", true).await.unwrap());
}

pub async fn a_next_run_is_set_for_the_version_it_was_reckoned_from(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    store.put_dag(put(tenant, &dag("sales", &[]), "one", 1)).await.unwrap();
    assert!(store.set_next_run(tenant, "sales", 1, Some(&next(60))).await.unwrap());
    assert_eq!(store.dag(tenant, "sales").await.unwrap().unwrap().next_run, Some(next(60)));
    store.put_dag(put(tenant, &dag("sales", &[]), "two", 2)).await.unwrap();
    assert!(!store.set_next_run(tenant, "sales", 1, Some(&next(90))).await.unwrap());
    assert_eq!(store.dag(tenant, "sales").await.unwrap().unwrap().next_run, Some(next(60)));
    let bare = NextRun { run_after: at(70), logical_date: None, data_interval: None };
    assert!(store.set_next_run(tenant, "sales", 2, Some(&bare)).await.unwrap());
    assert_eq!(store.dag(tenant, "sales").await.unwrap().unwrap().next_run, Some(bare));
    assert!(store.set_next_run(tenant, "sales", 2, None).await.unwrap());
    assert_eq!(store.dag(tenant, "sales").await.unwrap().unwrap().next_run, None);
}

pub async fn dags_are_listed_by_filter_order_and_page(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    for (dag_id, owner, tags, name) in [
        ("alpha", "kim", &["daily", "eu"][..], Some("Zulu")),
        ("Beta", "ada", &["daily"], None),
        ("gamma_1", "ada", &[], Some("Alfa")),
    ] {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let document = Dag { owner: owner.to_owned(), tags, schedule: Schedule::Once, ..dag(dag_id, &[]) };
        put_dag(store, tenant, &Dag { dag_display_name: name.map(str::to_owned), ..document }).await;
    }
    store.set_next_run(tenant, "Beta", 1, Some(&next(60))).await.unwrap();
    store.set_dag_paused(tenant, "alpha", true).await.unwrap();
    let list = async |filter: DagFilter, page: Page| {
        let listed = store.list_dags(tenant, &filter, &page).await.unwrap();
        (listed.items.into_iter().map(|row| row.dag_id).collect::<Vec<_>>().join(" "), listed.total)
    };
    let all = DagFilter::default;
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    let first = page(10, 0, &[]);
    assert_eq!(list(all(), first.clone()).await, ("Beta alpha gamma_1".to_owned(), 3));
    assert_eq!(list(all(), page(1, 1, &[("dag_id", true)])).await, ("alpha".to_owned(), 3));
    assert_eq!(list(all(), page(9, 0, &[("dag_display_name", false)])).await, ("gamma_1 Beta alpha".to_owned(), 3));
    assert_eq!(
        list(all(), page(9, 0, &[("next_dagrun", false)])).await,
        ("Beta alpha gamma_1".to_owned(), 3),
        "what has no next run comes last"
    );
    let pattern = DagFilter { dag_id_pattern: Pattern::part("ET%a"), ..all() };
    assert_eq!(list(pattern, first.clone()).await, ("Beta".to_owned(), 1));
    let ids = DagFilter { dag_ids: Some(vec!["alpha".to_owned(), "nothing".to_owned()]), ..all() };
    assert_eq!(list(ids, first.clone()).await, ("alpha".to_owned(), 1));
    assert_eq!(list(DagFilter { dag_ids: Some(Vec::new()), ..all() }, first.clone()).await, (String::new(), 0));
    let any = DagFilter { tags: tags(&["daily", "eu"]), ..all() };
    assert_eq!(list(any.clone(), first.clone()).await, ("Beta alpha".to_owned(), 2));
    assert_eq!(list(DagFilter { match_all_tags: true, ..any }, first.clone()).await, ("alpha".to_owned(), 1));
    let owners = DagFilter { owners: vec!["ada".to_owned()], ..all() };
    assert_eq!(list(owners, first.clone()).await, ("Beta gamma_1".to_owned(), 2));
    assert_eq!(list(DagFilter { paused: Some(true), ..all() }, first.clone()).await, ("alpha".to_owned(), 1));
    assert_eq!(list(DagFilter { paused: Some(false), ..all() }, first).await, ("Beta gamma_1".to_owned(), 2));
    assert_eq!(store.list_dag_tags(tenant).await.unwrap(), ["daily", "eu"]);
    let named = DagFilter { display_name_pattern: Pattern::new(None, Some("Al")), ..all() };
    assert_eq!(list(named, page(9, 0, &[])).await, ("gamma_1".to_owned(), 1));
    let unknown = store.list_dags(tenant, &all(), &page(1, 0, &[("owner; DROP TABLE dags", false)])).await;
    assert!(matches!(unknown, Err(StoreError::Conflict(_))));
}

pub async fn dags_are_found_by_their_newest_run_and_their_assets(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let lake =
        Asset { name: "lake".to_owned(), uri: "s3://Deep".to_owned(), group: "asset".to_owned(), extra: Map::new() };
    let condition = AssetCondition::from(lake);
    put_dag(store, tenant, &Dag { schedule: Schedule::Assets { condition }, ..dag("fishing", &[]) }).await;
    put_dag(store, tenant, &dag("idle", &[])).await;
    let driver = Driver::new(store);
    for (dag_id, run_id, seconds, state) in
        [("walk", "a", 1, RunState::Failed), ("walk", "b", 10, RunState::Success), ("run", "c", 20, RunState::Failed)]
    {
        put_dag(store, tenant, &dag(dag_id, &[])).await;
        let run = NewRun { run_after: at(seconds), ..new_run(tenant, dag_id, run_id) };
        store.create_run(&run).await.unwrap();
        let (run, _) = driver.start(seconds).await;
        driver.finish(&run, state, seconds + 5).await;
    }
    let list = async |filter: DagFilter, order: &[(&str, bool)]| {
        let listed = store.list_dags(tenant, &filter, &page(9, 0, order)).await.unwrap();
        listed.items.into_iter().map(|row| row.dag_id).collect::<Vec<_>>().join(" ")
    };
    let all = DagFilter::default;
    assert_eq!(list(DagFilter { last_run_states: vec![RunState::Failed], ..all() }, &[]).await, "run");
    let both = vec![RunState::Failed, RunState::Success];
    assert_eq!(list(DagFilter { last_run_states: both, ..all() }, &[]).await, "run walk");
    let late = Span { gt: Some(at(10)), ..Span::default() };
    assert_eq!(list(DagFilter { last_run_started_at: late, ..all() }, &[]).await, "run");
    let early = Span { lte: Some(at(15)), ..Span::default() };
    assert_eq!(list(DagFilter { last_run_ended_at: early, ..all() }, &[]).await, "walk");
    assert_eq!(list(all(), &[("last_run_start_date", false)]).await, "walk run fishing idle");
    assert_eq!(list(all(), &[("last_run_state", true)]).await, "fishing idle walk run");
    assert_eq!(list(DagFilter { has_asset_schedule: Some(true), ..all() }, &[]).await, "fishing");
    assert_eq!(list(DagFilter { has_asset_schedule: Some(false), ..all() }, &[]).await, "idle run walk");
    assert_eq!(list(DagFilter { asset_dependency: Some("3://dEE".to_owned()), ..all() }, &[]).await, "fishing");
    assert_eq!(list(DagFilter { asset_dependency: Some("%".to_owned()), ..all() }, &[]).await, "");
}

pub async fn people_pick_out_dags(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    for (tenant, name) in [(acme, "ada"), (acme, "bob"), (beta, "ada")] {
        let user = User {
            tenant,
            username: name.to_owned(),
            password_hash: String::new(),
            role: Role::Viewer,
            platform_admin: false,
            created_at: at(0),
        };
        store.create_user(&user).await.unwrap();
        put_dag(store, tenant, &dag("sales", &[])).await;
    }
    put_dag(store, acme, &dag("stock", &[])).await;
    assert!(store.set_dag_favorite(acme, "sales", "ada", true).await.unwrap());
    assert!(!store.set_dag_favorite(acme, "sales", "ada", true).await.unwrap());
    let of = async |tenant: TenantId, name: &str, favorite: bool| {
        let filter = DagFilter { favorite_of: Some((name.to_owned(), favorite)), ..DagFilter::default() };
        let listed = store.list_dags(tenant, &filter, &page(9, 0, &[])).await.unwrap();
        listed.items.into_iter().map(|row| row.dag_id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of(acme, "ada", true).await, "sales");
    assert_eq!(of(acme, "ada", false).await, "stock");
    assert_eq!((of(acme, "bob", true).await, of(beta, "ada", true).await), (String::new(), String::new()));
    let missing = store.set_dag_favorite(acme, "nothing", "ada", true).await;
    assert!(matches!(missing, Err(StoreError::NotFound { what: "DAG", .. })));
    assert!(store.set_dag_favorite(acme, "sales", "ada", false).await.unwrap());
    assert!(!store.set_dag_favorite(acme, "sales", "ada", false).await.unwrap());
    store.set_dag_favorite(acme, "stock", "bob", true).await.unwrap();
    assert!(store.delete_dag(acme, "stock").await.unwrap());
    assert!(store.delete_user(acme, "ada").await.unwrap());
}

pub async fn a_dag_goes_with_all_that_it_had(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    run_of(store, acme, "sales", "manual__1", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 1).await;
    let claimed = worker.claim(1, 2).await;
    let mut done = super::fixture::report(&claimed[0], success(), 3);
    done.xcoms.push(("return_value".to_owned(), json!(1)));
    store.report_tries(&[done]).await.unwrap();
    run_of(store, beta, "sales", "manual__1", &["load"]).await;

    let refused = store.delete_dag(acme, "sales").await;
    assert!(matches!(refused, Err(StoreError::Conflict(text)) if text.contains("unfinished")));
    // The run ends while a try of it is still on the queue.
    driver.finish(&run, RunState::Failed, 4).await;
    assert!(store.delete_dag(acme, "sales").await.unwrap());
    assert!(!store.delete_dag(acme, "sales").await.unwrap());

    assert_eq!(store.dag_version(acme, "sales", 1).await.unwrap(), None);
    assert_eq!(store.list_runs(acme, &RunFilter::default(), &Page::default()).await.unwrap().total, 0);
    assert_eq!(store.instance(acme, "sales", "manual__1", "load", -1).await.unwrap(), None);
    assert!(store.tries(acme, instances[0].id).await.unwrap().is_empty());
    assert_eq!(store.list_xcoms(acme, &XComFilter::default(), &Page::default()).await.unwrap().total, 0);
    assert!(store.queue_depths().await.unwrap().is_empty());
    assert!(store.load_run(run.key).await.unwrap().is_none());

    assert!(store.run(beta, "sales", "manual__1").await.unwrap().is_some());
    put_dag(store, acme, &dag("sales", &["load"])).await;
    let anew = store.create_run(&new_run(acme, "sales", "manual__1")).await.unwrap();
    assert_ne!(anew.key, run.key, "a run key is never given twice");
}
