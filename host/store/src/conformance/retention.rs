//! What goes when records are cleaned away, and what stays.

use airlock_core::asset::{Asset, AssetCondition};
use airlock_core::backfill::ReprocessBehavior;
use airlock_core::dag::{Dag, Schedule};
use airlock_core::id::TenantId;
use airlock_core::retention::CleanTable;
use airlock_core::run::RunChange;
use airlock_core::state::{RunState, RunType, TaskState};
use serde_json::{Map, json};

use super::actors::{Driver, Worker};
use super::fixture::{at, dag, new_run, page, put_dag, success, tenant};
use crate::Store;
use crate::assets::{AssetEventFilter, AssetFilter};
use crate::audit::{AuditEntry, AuditFilter};
use crate::backfills::NewBackfill;
use crate::dags::NextRun;
use crate::retention::{CleanFilter, CleanStep, Cleaned};
use crate::runs::{NewRun, RunFilter, RunRow};
use crate::xcoms::{XComFilter, XComOwner};

/// Everything in these cases is older than this.
fn everything() -> CleanFilter {
    CleanFilter::before(at(10_000))
}

/// One step of a thousand rows, without the archive: all that there is to remove.
async fn clean(store: &dyn Store, tenant: TenantId, table: CleanTable, filter: &CleanFilter) -> Cleaned {
    let foreseen = store.count_removable(tenant, table, filter).await.unwrap();
    let step = CleanStep { from: 0, limit: 1_000, archive_at: None };
    let cleaned = store.clean_step(tenant, table, filter, &step).await.unwrap();
    assert_eq!((cleaned.rows, cleaned.next), (foreseen, None), "{table}");
    assert_eq!(store.count_removable(tenant, table, filter).await.unwrap(), 0);
    cleaned
}

/// A run that ended in the second in which it was due; its logical date is that second too, if `dated`.
async fn ended(store: &dyn Store, tenant: TenantId, run_id: &str, kind: RunType, seconds: i64, dated: bool) -> RunRow {
    let run = queued(store, tenant, run_id, kind, seconds, dated).await;
    let change = RunChange { run_state: Some(RunState::Success), at: Some(at(seconds)), ..RunChange::default() };
    assert!(store.intervene(run.key, run.epoch, &change).await.unwrap());
    run
}

async fn queued(store: &dyn Store, tenant: TenantId, run_id: &str, kind: RunType, seconds: i64, dated: bool) -> RunRow {
    let run = NewRun {
        run_type: kind,
        run_after: at(seconds),
        logical_date: dated.then(|| at(seconds)),
        now: at(seconds),
        ..new_run(tenant, "sales", run_id)
    };
    store.create_run(&run).await.unwrap()
}

async fn left(store: &dyn Store, tenant: TenantId) -> String {
    let runs = store.list_runs(tenant, &RunFilter::default(), &page(100, 0, &[("run_after", false)])).await.unwrap();
    runs.items.into_iter().map(|run| run.run_id).collect::<Vec<_>>().join(" ")
}

pub async fn old_runs_go_with_all_that_they_had(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    for tenant in [acme, beta] {
        put_dag(store, tenant, &dag("sales", &["load"])).await;
    }
    queued(store, acme, "first", RunType::Manual, 1, false).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    worker.report(&claimed, success(), 4).await;
    driver.settle(&run, TaskState::Success, 5).await;
    let owner = XComOwner { run: run.key, task_id: "load".to_owned(), map_index: -1 };
    store.push_xcom(&owner, "return_value", &json!({ "rows": 3 }), at(5)).await.unwrap();
    driver.finish(&run, RunState::Success, 6).await;
    ended(store, acme, "second", RunType::Manual, 20, false).await;
    ended(store, acme, "third", RunType::Manual, 30, false).await;
    for seconds in [1, 2] {
        ended(store, beta, &format!("theirs{seconds}"), RunType::Manual, seconds, false).await;
    }

    let too_early = clean(store, acme, CleanTable::DagRun, &CleanFilter::before(at(6))).await;
    assert_eq!(too_early, Cleaned::default(), "a run is as old as its end");
    let of_others = CleanFilter { dag_ids: vec!["other".to_owned()], ..everything() };
    assert_eq!(clean(store, acme, CleanTable::DagRun, &of_others).await.rows, 0);
    let but_sales = CleanFilter { excluded_dag_ids: vec!["sales".to_owned()], ..everything() };
    assert_eq!(clean(store, acme, CleanTable::DagRun, &but_sales).await.rows, 0);

    let step = CleanStep { from: 0, limit: 1_000, archive_at: Some(at(99)) };
    let cleaned = store.clean_step(acme, CleanTable::DagRun, &CleanFilter::before(at(7)), &step).await.unwrap();
    assert_eq!((cleaned.rows, cleaned.runs), (1, vec![run.key]));
    assert_eq!(left(store, acme).await, "second third");
    assert_eq!(left(store, beta).await, "theirs1 theirs2");
    assert!(store.load_run(run.key).await.unwrap().is_none());

    assert_eq!(store.count_archived(beta).await.unwrap(), []);
    assert_eq!(store.count_archived(acme).await.unwrap(), [(CleanTable::DagRun, 4)]);
    let archived = store.list_archived(acme, &[CleanTable::DagRun], 0, 100).await.unwrap();
    let sources: Vec<_> = archived.iter().map(|row| row.source.as_str()).collect();
    assert_eq!(sources, ["dag_runs", "task_instances", "task_tries", "xcoms"], "in an order in which they fit again");
    assert!(archived.iter().all(|row| row.archived_at == at(99) && row.table == CleanTable::DagRun));
    assert_eq!(archived[0].content["run_id"], "first");
    assert_eq!(archived[1].content["instance_id"], archived[2].content["instance_id"]);
    let value = &archived[3].content["value"];
    assert!(*value == json!({ "rows": 3 }) || *value == json!("{\"rows\":3}"), "{value}");

    assert_eq!(store.drop_archived(beta, &[CleanTable::DagRun], i64::MAX, 10).await.unwrap(), 0);
    assert_eq!(store.drop_archived(acme, &[CleanTable::Log], i64::MAX, 10).await.unwrap(), 0);
    assert_eq!(store.drop_archived(acme, &[CleanTable::DagRun], archived[1].id, 10).await.unwrap(), 2);
    assert_eq!(store.drop_archived(acme, &[CleanTable::DagRun], i64::MAX, 1).await.unwrap(), 1);
    assert_eq!(store.count_archived(acme).await.unwrap(), [(CleanTable::DagRun, 1)]);
}

pub async fn the_newest_run_of_each_kind_stays(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &[])).await;
    for (kind, name) in [(RunType::Scheduled, "s"), (RunType::Manual, "m"), (RunType::AssetTriggered, "a")] {
        for seconds in [10, 30, 20] {
            ended(store, tenant, &format!("{name}{seconds}"), kind, seconds, false).await;
        }
    }
    assert_eq!(clean(store, tenant, CleanTable::DagRun, &everything()).await.rows, 6);
    let mut names: Vec<String> = left(store, tenant).await.split(' ').map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["a30", "m30", "s30"]);
}

pub async fn an_unfinished_run_and_the_one_before_it_stay(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &[])).await;
    for seconds in [10, 20, 30] {
        ended(store, tenant, &format!("s{seconds}"), RunType::Scheduled, seconds, true).await;
    }
    ended(store, tenant, "m35", RunType::Manual, 35, true).await;
    queued(store, tenant, "s40", RunType::Scheduled, 40, true).await;
    for seconds in [50, 60, 70] {
        ended(store, tenant, &format!("s{seconds}"), RunType::Scheduled, seconds, true).await;
    }
    // It is the last of its kind: what comes before a later run by hand.
    ended(store, tenant, "m80", RunType::Manual, 80, true).await;
    clean(store, tenant, CleanTable::DagRun, &everything()).await;
    // Before the run of second 40: the manual one if all runs count, the scheduled one if only those of the timetable do.
    assert_eq!(left(store, tenant).await, "s30 m35 s40 s70 m80");
}

pub async fn runs_of_an_unfinished_backfill_stay(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &[])).await;
    for seconds in [10, 20, 30, 40, 50] {
        ended(store, tenant, &format!("s{seconds}"), RunType::Scheduled, seconds, true).await;
    }
    let slots = [20, 30].map(|start| NextRun {
        run_after: at(start + 10),
        logical_date: Some(at(start)),
        data_interval: Some((at(start), at(start + 10))),
    });
    let new = NewBackfill {
        tenant,
        dag_id: "sales",
        from: at(20),
        to: at(30),
        conf: None,
        reprocess: ReprocessBehavior::None,
        max_active_runs: 1,
        on_latest_version: true,
        triggering_user: None,
        slots: &slots,
        now: at(60),
    };
    let backfill = store.create_backfill(&new).await.unwrap();
    clean(store, tenant, CleanTable::DagRun, &everything()).await;
    assert_eq!(left(store, tenant).await, "s20 s30 s50");
    assert_eq!(clean(store, tenant, CleanTable::Backfill, &everything()).await.rows, 0);

    assert!(store.cancel_backfill(tenant, backfill.id, at(70)).await.unwrap());
    assert_eq!(clean(store, tenant, CleanTable::DagRun, &everything()).await.rows, 2);
    assert_eq!(clean(store, tenant, CleanTable::Backfill, &CleanFilter::before(at(70))).await.rows, 0);
    assert_eq!(clean(store, tenant, CleanTable::Backfill, &everything()).await.rows, 1);
    assert_eq!(store.backfill(tenant, backfill.id).await.unwrap(), None);
}

pub async fn earlier_tries_and_xcoms_go_without_their_run(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &["load"])).await;
    queued(store, tenant, "one", RunType::Manual, 1, false).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    worker.report(&claimed, success(), 4).await;
    driver.fail_for_retry(&run, 5).await;
    let again = driver.reschedule(&run, instances[0].id, 6).await;
    driver.admit(&run, &[&again], 7).await;
    let claimed = worker.claim(1, 8).await.pop().unwrap();
    worker.report(&claimed, success(), 9).await;
    driver.settle(&run, TaskState::Success, 10).await;
    let owner = XComOwner { run: run.key, task_id: "load".to_owned(), map_index: -1 };
    for (key, seconds) in [("old", 20), ("new", 40)] {
        store.push_xcom(&owner, key, &json!(seconds), at(seconds)).await.unwrap();
    }
    let (history, xcom) = (CleanTable::TaskInstanceHistory, CleanTable::XCom);
    ended(store, tenant, "two", RunType::Manual, 50, false).await;
    assert_eq!(clean(store, tenant, history, &everything()).await.rows, 0, "its run goes on");
    assert_eq!(clean(store, tenant, xcom, &everything()).await.rows, 0, "its run goes on");

    driver.finish(&run, RunState::Success, 45).await;
    let cleaned = clean(store, tenant, history, &everything()).await;
    assert_eq!(cleaned.tries, [(run.key, instances[0].id, 1)]);
    let tries = store.tries(tenant, instances[0].id).await.unwrap();
    assert_eq!(tries.iter().map(|one| one.try_number).collect::<Vec<_>>(), [2], "the last try is the instance");
    assert_eq!(clean(store, tenant, xcom, &CleanFilter::before(at(30))).await.rows, 1);
    let values = store.list_xcoms(tenant, &XComFilter::default(), &page(10, 0, &[])).await.unwrap();
    assert_eq!(values.items.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["new"]);
}

pub async fn events_that_a_dag_waits_with_stay(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let asset = |name: &str| Asset {
        name: name.to_owned(),
        uri: format!("s3://{name}"),
        group: Asset::GROUP.to_owned(),
        extra: Map::new(),
    };
    let all = vec![AssetCondition::from(asset("a")), AssetCondition::from(asset("b"))];
    let schedule = Schedule::Assets { condition: AssetCondition::All { all } };
    put_dag(store, tenant, &Dag { schedule, ..dag("sales", &["load"]) }).await;
    let assets = store.list_assets(tenant, &AssetFilter::default(), &page(9, 0, &[("name", false)])).await.unwrap();
    let [a, b] = [assets.items[0].id, assets.items[1].id];
    let post = async |id: i64, seconds: i64| {
        store.create_asset_event(tenant, id, &Map::new(), at(seconds)).await.unwrap();
    };
    let events = async || {
        let filter = AssetEventFilter::default();
        let found = store.list_asset_events(tenant, &filter, &page(9, 0, &[("timestamp", false)])).await.unwrap();
        found.items.iter().map(|event| (event.timestamp - at(0)).num_seconds()).collect::<Vec<_>>()
    };
    post(a, 10).await;
    post(b, 20).await;
    let turn = store.asset_turns(1).await.unwrap().pop().unwrap();
    let run = NewRun { run_type: RunType::AssetTriggered, run_after: at(20), ..new_run(tenant, "sales", "r") };
    let run = store.open_asset_run(&turn, Some(&run)).await.unwrap().unwrap();
    post(a, 30).await;
    assert_eq!(clean(store, tenant, CleanTable::AssetEvent, &everything()).await.rows, 0, "a run goes on with them");
    let change = RunChange { run_state: Some(RunState::Success), at: Some(at(40)), ..RunChange::default() };
    assert!(store.intervene(run.key, run.epoch, &change).await.unwrap());
    assert_eq!(clean(store, tenant, CleanTable::AssetEvent, &everything()).await.rows, 2);
    assert_eq!(events().await, [30], "the DAG waits for the other asset, and will follow this event too");
}

pub async fn versions_that_runs_are_of_stay(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    for (tasks, run_id) in [(&["a"][..], Some("of1")), (&["b"], None), (&["c"], Some("of3")), (&["d"], None)] {
        put_dag(store, tenant, &dag("sales", tasks)).await;
        if let Some(run_id) = run_id {
            ended(store, tenant, run_id, RunType::Manual, 10, false).await;
        }
    }
    let versions = async || {
        let found = store.list_dag_versions(tenant, "sales", &page(9, 0, &[])).await.unwrap();
        let mut numbers: Vec<u32> = found.items.iter().map(|version| version.version).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(clean(store, tenant, CleanTable::DagVersion, &CleanFilter::before(at(0))).await.rows, 0);
    assert_eq!(clean(store, tenant, CleanTable::DagVersion, &everything()).await.rows, 1);
    assert_eq!(versions().await, [1, 3, 4]);
    clean(store, tenant, CleanTable::DagRun, &everything()).await;
    clean(store, tenant, CleanTable::DagVersion, &everything()).await;
    assert_eq!(versions().await, [3, 4]);
}

pub async fn much_goes_in_small_steps(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    for seconds in 0..25 {
        let entry = AuditEntry {
            at: at(seconds),
            event: "clear".to_owned(),
            owner: "ada".to_owned(),
            dag_id: (seconds % 5 == 0).then(|| "sales".to_owned()),
            ..AuditEntry::default()
        };
        store.add_audit(acme, &entry).await.unwrap();
    }
    store.add_audit(beta, &AuditEntry { at: at(0), owner: "bob".to_owned(), ..AuditEntry::default() }).await.unwrap();
    let of_sales = CleanFilter { dag_ids: vec!["sales".to_owned()], ..CleanFilter::before(at(11)) };
    assert_eq!(clean(store, acme, CleanTable::Log, &of_sales).await.rows, 3);
    let (mut from, mut steps) = (Some(0), Vec::new());
    while let Some(start) = from {
        let step = CleanStep { from: start, limit: 10, archive_at: Some(at(99)) };
        let done = store.clean_step(acme, CleanTable::Log, &CleanFilter::before(at(24)), &step).await.unwrap();
        steps.push(done.rows);
        from = done.next;
    }
    assert_eq!(steps, [10, 10, 1]);
    let rest = store.list_audit(acme, &AuditFilter::default(), &page(9, 0, &[])).await.unwrap();
    assert_eq!(rest.items.iter().map(|row| row.entry.at).collect::<Vec<_>>(), [at(24)]);
    assert_eq!(store.list_audit(beta, &AuditFilter::default(), &page(9, 0, &[])).await.unwrap().total, 1);
    assert_eq!(store.count_archived(acme).await.unwrap(), [(CleanTable::Log, 21)]);
    let archived = store.list_archived(acme, &[CleanTable::Log], 0, 1).await.unwrap();
    assert_eq!((archived[0].source.as_str(), &archived[0].content["event"]), ("audit_log", &json!("clear")));

    // Runs go whole: a step has as many of them as fit, and at least one.
    put_dag(store, acme, &dag("sales", &["a", "b", "c"])).await;
    let driver = Driver::new(store);
    for seconds in [1, 2, 3, 4] {
        queued(store, acme, &format!("r{seconds}"), RunType::Manual, seconds, false).await;
        let (run, _) = driver.start(seconds).await;
        driver.finish(&run, RunState::Failed, seconds).await;
    }
    let step = CleanStep { from: 0, limit: 8, archive_at: None };
    let first = store.clean_step(acme, CleanTable::DagRun, &everything(), &step).await.unwrap();
    assert_eq!(first.rows, 2);
    let step = CleanStep { from: first.next.unwrap(), limit: 2, ..step };
    let second = store.clean_step(acme, CleanTable::DagRun, &everything(), &step).await.unwrap();
    assert_eq!((second.rows, second.next), (1, None));
    assert_eq!(left(store, acme).await, "r4");
}
