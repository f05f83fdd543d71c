//! XComs.

use airlock_core::id::{RunKey, TenantId};
use serde_json::{Value, json};

use super::fixture::{at, new_run, page, run_of, tenant};
use crate::runs::{NewRun, RunRow, Span};
use crate::xcoms::{XComFilter, XComOwner, XComPull};
use crate::{Page, Pattern, Store, StoreError};

fn owner(run: &RunRow, task_id: &str, map_index: i32) -> XComOwner {
    XComOwner { run: run.key, task_id: task_id.to_owned(), map_index }
}

async fn push(store: &dyn Store, run: &RunRow, task_id: &str, map_index: i32, value: Value) {
    store.push_xcom(&owner(run, task_id, map_index), "return_value", &value, at(1)).await.unwrap();
}

fn pull(run: RunKey) -> XComPull<'static> {
    XComPull { run, task_ids: None, key: "return_value", map_indexes: None, include_prior_dates: false }
}

pub async fn a_value_replaces_the_one_before_it(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let ours = run_of(store, acme, "sales", "one", &["load"]).await;
    let theirs = run_of(store, beta, "sales", "one", &["load"]).await;
    push(store, &ours, "load", -1, json!(1)).await;
    push(store, &theirs, "load", -1, json!("theirs")).await;
    let value = json!({"z": "\u{0}é", "a": [1e300, 9_007_199_254_740_993_i64, null]});
    store.push_xcom(&owner(&ours, "load", -1), "return_value", &value, at(9)).await.unwrap();

    let found = store.xcom(acme, "sales", "one", "load", -1, "return_value").await.unwrap().unwrap();
    assert_eq!((&found.value, found.pushed_at, found.run_after), (&value, at(9), at(0)));
    assert_eq!((found.dag_id.as_str(), found.run_id.as_str(), found.logical_date), ("sales", "one", None));
    let other = store.xcom(beta, "sales", "one", "load", -1, "return_value").await.unwrap().unwrap();
    assert_eq!(other.value, json!("theirs"));
    assert_eq!(store.xcom(acme, "sales", "one", "load", 0, "return_value").await.unwrap(), None);

    let foreign = XComOwner { run: RunKey { tenant: beta, id: ours.key.id }, ..owner(&ours, "load", -1) };
    let refused = store.push_xcom(&foreign, "return_value", &json!(2), at(9)).await;
    assert!(matches!(refused, Err(StoreError::NotFound { what: "DAG run", .. })));
    assert!(!store.delete_xcom(&foreign, "return_value").await.unwrap());
    assert!(store.pull_xcoms(&pull(foreign.run)).await.unwrap().is_empty());

    assert!(store.delete_xcom(&owner(&ours, "load", -1), "return_value").await.unwrap());
    assert!(!store.delete_xcom(&owner(&ours, "load", -1), "return_value").await.unwrap());
    assert!(store.xcom(beta, "sales", "one", "load", -1, "return_value").await.unwrap().is_some());
}

pub async fn values_are_pulled_by_task_and_map_index(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let run = run_of(store, tenant, "sales", "one", &[]).await;
    for (task_id, map_index) in [("b", 1), ("b", 0), ("a", -1), ("c", 2)] {
        push(store, &run, task_id, map_index, json!(format!("{task_id}{map_index}"))).await;
    }
    store.push_xcom(&owner(&run, "a", -1), "other", &json!("other"), at(1)).await.unwrap();
    let values = async |pull: XComPull<'_>| {
        let pulled = store.pull_xcoms(&pull).await.unwrap();
        pulled.into_iter().map(|row| row.value.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(values(pull(run.key)).await, "a-1 b0 b1 c2");
    assert_eq!(values(XComPull { key: "other", ..pull(run.key) }).await, "other");
    let tasks = ["c".to_owned(), "b".to_owned()];
    assert_eq!(values(XComPull { task_ids: Some(&tasks), ..pull(run.key) }).await, "b0 b1 c2");
    assert_eq!(values(XComPull { map_indexes: Some(&[1, 2]), ..pull(run.key) }).await, "b1 c2");
    assert_eq!(values(XComPull { task_ids: Some(&[]), ..pull(run.key) }).await, "");
    let both = XComPull { task_ids: Some(&tasks), map_indexes: Some(&[0]), ..pull(run.key) };
    assert_eq!(values(both).await, "b0");
    let indexes = async |task_id: &str| store.xcom_map_indexes(run.key, task_id, "return_value").await.unwrap();
    assert_eq!((indexes("b").await, indexes("a").await, indexes("d").await), (vec![0, 1], vec![-1], vec![]));
}

pub async fn earlier_runs_stand_in_where_a_run_has_no_value(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "other", "one", &[]).await;
    super::fixture::put_dag(store, tenant, &super::fixture::dag("sales", &[])).await;
    let mut runs = Vec::new();
    for (run_id, date) in [("third", 30), ("first", 10), ("second", 20), ("fourth", 40)] {
        let run = NewRun { logical_date: Some(at(date)), ..new_run(tenant, "sales", run_id) };
        runs.push(store.create_run(&run).await.unwrap());
    }
    let [third, first, second, fourth] = runs.try_into().unwrap();
    push(store, &first, "a", -1, json!("a of first")).await;
    push(store, &first, "b", -1, json!("b of first")).await;
    push(store, &second, "b", -1, json!("b of second")).await;
    push(store, &third, "c", -1, json!("c of third")).await;
    push(store, &fourth, "a", -1, json!("a of fourth")).await;
    let prior = XComPull { include_prior_dates: true, ..pull(third.key) };
    let pulled = store.pull_xcoms(&prior).await.unwrap();
    let values: Vec<_> = pulled.iter().map(|row| row.value.as_str().unwrap()).collect();
    assert_eq!(values, ["a of first", "b of second", "c of third"]);
    assert_eq!(pulled[0].run_id, "first");
    assert_eq!(store.pull_xcoms(&pull(third.key)).await.unwrap().len(), 1);
}

pub async fn xcoms_are_listed_by_filter_order_and_page(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let run = run_of(store, acme, "sales", "one", &[]).await;
    let theirs = run_of(store, beta, "sales", "one", &[]).await;
    push(store, &theirs, "load", -1, json!(0)).await;
    push(store, &run, "load", 1, json!(1)).await;
    push(store, &run, "load", 0, json!(2)).await;
    store.push_xcom(&owner(&run, "check", -1), "rows", &json!(3), at(2)).await.unwrap();
    let list = async |filter: XComFilter, page: Page| {
        let listed = store.list_xcoms(acme, &filter, &page).await.unwrap();
        (listed.items.into_iter().map(|row| row.value.to_string()).collect::<Vec<_>>().join(" "), listed.total)
    };
    let all = XComFilter::default;
    let one = page(9, 0, &[]);
    assert_eq!(list(all(), one.clone()).await, ("3 2 1".to_owned(), 3));
    assert_eq!(list(all(), page(1, 1, &[("timestamp", true), ("map_index", true)])).await, ("1".to_owned(), 3));
    assert_eq!(list(XComFilter { key: Some("rows".to_owned()), ..all() }, one.clone()).await, ("3".to_owned(), 1));
    assert_eq!(list(XComFilter { task_id: Some("load".to_owned()), ..all() }, one.clone()).await.0, "2 1");
    assert_eq!(list(XComFilter { map_index: Some(1), ..all() }, one.clone()).await.0, "1");
    assert_eq!(list(XComFilter { run_id: Some("two".to_owned()), ..all() }, one.clone()).await.1, 0);
    for (filter, expected) in [
        (XComFilter { key_pattern: Pattern::part("OW"), ..all() }, 1),
        (XComFilter { dag_id_pattern: Pattern::new(None, Some("sal")), ..all() }, 3),
        (XComFilter { dag_display_name_pattern: Pattern::part("sales"), ..all() }, 3),
        (XComFilter { dag_display_name_pattern: Pattern::part("other"), ..all() }, 0),
        (XComFilter { run_id_pattern: Pattern::part("on"), ..all() }, 3),
        (XComFilter { task_id_pattern: Pattern::part("che|x"), ..all() }, 0),
        (XComFilter { task_id_pattern: Pattern::new(Some("che|x"), None), ..all() }, 1),
        (XComFilter { logical_date: Span { gte: Some(at(0)), ..Span::default() }, ..all() }, 0),
        (XComFilter { run_after: Span { lte: Some(at(0)), ..Span::default() }, ..all() }, 3),
    ] {
        assert_eq!(list(filter.clone(), one.clone()).await.1, expected, "{filter:?}");
    }
    assert_eq!(list(XComFilter { dag_id: Some("sales".to_owned()), ..all() }, one).await.1, 3);
    let nobody = store.list_xcoms(TenantId(i64::MAX), &all(), &page(9, 0, &[])).await.unwrap();
    assert_eq!(nobody.total, 0);
}
