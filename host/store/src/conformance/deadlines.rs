//! Deadlines: set with their run, met or missed, once.

use airlock_core::callback::{CallbackEvent, MissedDeadline, missed};
use airlock_core::dag::{Callback, Dag, DeadlineAlert, DeadlineReference, Seconds};
use airlock_core::state::RunState;
use chrono::TimeDelta;
use uuid::Uuid;

use super::actors::Driver;
use super::fixture::{at, dag, new_run, page, put_dag, task, tenant};
use crate::deadlines::{DeadlineFilter, DeadlineRow};
use crate::driving::RunChange;
use crate::runs::{NewRun, RunRow, Span};
use crate::{Page, Store};

fn callback() -> Callback {
    let task = task("x", &[]);
    Callback {
        operator: task.operator,
        resolved: task.resolved,
        args: task.args,
        grants: None,
        limits: task.limits,
        execution_timeout: None,
        queue: "default".to_owned(),
    }
}

/// A DAG with a deadline for each reference, 100 seconds after it.
fn with_deadlines(references: Vec<DeadlineReference>) -> Dag {
    let alert = |(place, reference): (u32, DeadlineReference)| DeadlineAlert {
        name: Some(format!("alert {place}")),
        reference,
        interval: Seconds(100.0),
        callback: callback(),
    };
    Dag { deadlines: (0..).zip(references).map(alert).collect(), ..dag("sales", &[]) }
}

async fn of(store: &dyn Store, run: &RunRow) -> Vec<DeadlineRow> {
    let (dag_id, run_id) = (Some(run.dag_id.clone()), Some(run.run_id.clone()));
    let filter = DeadlineFilter { dag_id, run_id, ..DeadlineFilter::default() };
    let order = page(50, 0, &[("alert_name", false)]);
    store.list_deadlines(run.key.tenant, &filter, &order).await.unwrap().items
}

/// Places and times, in seconds.
async fn times(store: &dyn Store, run: &RunRow) -> Vec<(u32, i64)> {
    of(store, run).await.iter().map(|row| (row.place, (row.deadline_time - at(0)).num_seconds())).collect()
}

async fn miss(store: &dyn Store, deadline: &DeadlineRow, seconds: i64) -> bool {
    let told =
        MissedDeadline { id: deadline.id, name: deadline.alert_name.clone(), deadline_time: deadline.deadline_time };
    let due = missed(&callback(), deadline.place, told, Uuid::new_v4(), at(seconds));
    store.miss_deadline(deadline, &due, at(seconds)).await.unwrap()
}

pub async fn deadlines_come_with_their_run(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let average = DeadlineReference::AverageRuntime { max_runs: 2, min_runs: 2 };
    let references = vec![
        DeadlineReference::DagrunQueuedAt,
        DeadlineReference::DagrunLogicalDate,
        DeadlineReference::Fixed(at(7_000)),
        average,
    ];
    put_dag(store, tenant, &with_deadlines(references)).await;
    let driver = Driver::new(store);
    let first = store.create_run(&new_run(tenant, "sales", "r0")).await.unwrap();
    assert_eq!(
        times(store, &first).await,
        [(0, 100), (2, 7_100)],
        "it has no logical date, and nothing came before it"
    );
    // Runs of 10, 20 and 60 seconds; the last two count.
    for (number, length) in [(0, 10), (1, 20), (2, 60)] {
        if number > 0 {
            let logical_date = Some(at(number));
            let new = NewRun { logical_date, ..new_run(tenant, "sales", &format!("r{number}")) };
            store.create_run(&new).await.unwrap();
        }
        let run = driver.take(1_000).await.pop().unwrap().run;
        driver.finish(&run, RunState::Success, 1_000 + length).await;
    }
    let new = NewRun { logical_date: Some(at(-50)), now: at(2_000), ..new_run(tenant, "sales", "last") };
    let last = store.create_run(&new).await.unwrap();
    assert_eq!(times(store, &last).await, [(0, 2_100), (1, 50), (2, 7_100), (3, 2_140)]);

    let all = DeadlineFilter::default();
    let soon = DeadlineFilter { deadline_time: Span { lt: Some(at(2_120)), ..Span::default() }, ..all.clone() };
    let listed = store.list_deadlines(tenant, &soon, &page(1, 0, &[("deadline_time", true)])).await.unwrap();
    // Six of earlier runs were over before those ended, and stay to be missed.
    assert_eq!((listed.total, listed.items[0].deadline_time), (8, at(2_100)));
    let alerts = store.list_deadline_alerts(tenant, "sales", 1, &Page::default()).await.unwrap();
    let names: Vec<_> = alerts.items.iter().map(|alert| alert.reference_type.as_str()).collect();
    let airflows =
        ["DagRunQueuedAtDeadline", "DagRunLogicalDateDeadline", "FixedDatetimeDeadline", "AverageRuntimeDeadline"];
    assert_eq!((names, alerts.total), (airflows.to_vec(), 4));
    assert_eq!((alerts.items[0].interval, alerts.items[0].id), (100.0, of(store, &last).await[0].alert_id));
    assert_eq!(
        store.list_deadlines(super::fixture::tenant(store, "b").await, &all, &Page::default()).await.unwrap().total,
        0
    );
}

pub async fn a_deadline_that_is_met_goes_and_one_that_is_missed_stays(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let references = vec![DeadlineReference::DagrunQueuedAt, DeadlineReference::Fixed(at(7_000))];
    put_dag(store, tenant, &with_deadlines(references)).await;
    let run = store.create_run(&new_run(tenant, "sales", "one")).await.unwrap();
    let overdue = async |seconds| store.overdue_deadlines(at(seconds), 9).await.unwrap();
    assert!(overdue(100).await.is_empty());
    let late = overdue(101).await;
    assert_eq!((late.len(), late[0].run, late[0].alert_name.as_deref()), (1, run.key, Some("alert 0")));

    // Nobody drives the run yet. The first scheduler that notes it makes the callback due, of the version that sets the deadline.
    assert!(miss(store, &late[0], 102).await);
    assert!(!miss(store, &late[0], 103).await, "somebody has noted it");
    assert!(overdue(200).await.is_empty());
    let callbacks = store.list_callbacks(run.key, &Page::default()).await.unwrap().items;
    assert_eq!(callbacks.len(), 1);
    let told = callbacks[0].about.deadline.clone().unwrap();
    assert_eq!((callbacks[0].event, callbacks[0].place, callbacks[0].dag_version), (CallbackEvent::Deadline, 0, 1));
    assert_eq!((told.id, told.deadline_time, told.name.as_deref()), (late[0].id, at(100), Some("alert 0")));

    let driver = Driver::new(store);
    let run = driver.take(300).await.pop().unwrap().run;
    driver.finish(&run, RunState::Failed, 301).await;
    let left = of(store, &run).await;
    assert_eq!((left.len(), left[0].missed, left[0].updated_at), (1, true, at(102)));
    let missed = DeadlineFilter { missed: Some(false), ..DeadlineFilter::default() };
    assert_eq!(store.list_deadlines(tenant, &missed, &Page::default()).await.unwrap().total, 0);
}

pub async fn a_run_that_is_queued_again_has_another_deadline(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let references = vec![DeadlineReference::DagrunQueuedAt, DeadlineReference::Fixed(at(50))];
    put_dag(store, tenant, &with_deadlines(references)).await;
    store.create_run(&new_run(tenant, "sales", "one")).await.unwrap();
    let driver = Driver::new(store);
    let run = driver.take(1).await.pop().unwrap().run;
    driver.finish(&run, RunState::Success, 20).await;
    assert!(times(store, &run).await.is_empty());
    let clear =
        RunChange { run_state: Some(RunState::Queued), clears: true, at: Some(at(500)), ..RunChange::default() };
    let ended = store.run(tenant, "sales", "one").await.unwrap().unwrap();
    assert!(store.intervene(run.key, ended.epoch, &clear).await.unwrap());
    assert_eq!(times(store, &run).await, [(0, 600)], "what is fixed was met");

    // Cleared again before it is over, it is put off; what was seen of it before holds no more.
    let before = of(store, &run).await.pop().unwrap();
    let run = driver.take(510).await.pop().unwrap().run;
    let clear = RunChange { at: Some(at(550)), ..clear };
    assert!(store.intervene(run.key, run.epoch, &clear).await.unwrap());
    assert_eq!(times(store, &run).await, [(0, 650)]);
    assert!(!miss(store, &before, 651).await);
    let late = store.overdue_deadlines(at(651), 9).await.unwrap().pop().unwrap();
    assert_eq!(late.deadline_time - before.deadline_time, TimeDelta::seconds(50));
    assert!(miss(store, &late, 651).await);

    // Missed once, it is missed for good.
    let run = driver.take(700).await.pop().unwrap().run;
    driver.finish(&run, RunState::Success, 710).await;
    let ended = store.run(tenant, "sales", "one").await.unwrap().unwrap();
    let clear = RunChange { at: Some(at(800)), ..clear };
    assert!(store.intervene(run.key, ended.epoch, &clear).await.unwrap());
    assert_eq!(times(store, &run).await, [(0, 650)]);
    assert!(store.overdue_deadlines(at(9_999), 9).await.unwrap().is_empty());
}
