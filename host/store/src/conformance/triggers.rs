//! What deferred tasks wait for.

use airlock_core::id::TenantId;
use airlock_core::outcome::ResumeEvent;
use airlock_core::run::NewTrigger;
use airlock_core::state::{RunState, TaskState};
use airlock_core::trigger::{DagRunTrigger, RunSelector, Trigger};
use serde_json::{Value, json};

use super::actors::Driver;
use super::fixture::*;
use crate::driving::{RestingRun, RunChange};
use crate::instances::InstanceRow;
use crate::runs::RunRow;
use crate::triggers::{ClaimedTrigger, EndedTrigger, Look, LookOutcome, Posted};
use crate::{Store, StoreError};

fn posted(name: &str) -> Trigger {
    Trigger::PostedEvent { name: name.to_owned() }
}

fn ends(dag_id: &str, run: RunSelector) -> Trigger {
    Trigger::DagRun(DagRunTrigger { dag_id: dag_id.to_owned(), run, states: vec!["success".to_owned()] })
}

/// Lets an instance wait for a trigger from now on.
async fn wait(driver: &Driver<'_>, run: &RunRow, instance: &InstanceRow, trigger: Trigger, seconds: i64) -> bool {
    let moves = vec![move_to(instance, Some(TaskState::Deferred), seconds)];
    let new = NewTrigger { instance: instance.id, try_number: instance.try_number, trigger, at: at(seconds) };
    let change = RunChange { moves, triggers: vec![new], ..RunChange::default() };
    driver.commit(vec![(run.key, run.epoch, change)], seconds).await.triggers_due
}

async fn claim(store: &dyn Store, seconds: i64) -> Vec<ClaimedTrigger> {
    store.claim_triggers(9, at(seconds), at(seconds + 60)).await.unwrap()
}

fn look(claimed: &ClaimedTrigger, seconds: i64, outcome: LookOutcome) -> Look {
    Look {
        tenant: claimed.run.tenant,
        id: claimed.id,
        lease_token: claimed.lease_token,
        at: at(seconds),
        hostname: "worker-1".to_owned(),
        saw: "status 404\0".to_owned(),
        outcome,
    }
}

fn again(next: Option<i64>, troubles: u32) -> LookOutcome {
    LookOutcome::Again { next_look_at: next.map(at), troubles }
}

fn fired() -> ResumeEvent {
    ResumeEvent::Fired { payload: json!({ "rows": [1] }) }
}

async fn post(store: &dyn Store, tenant: TenantId, name: &str, payload: Value, seconds: i64) -> Posted {
    store.post_event(tenant, name, &payload, at(seconds), at(seconds + 100), 2).await.unwrap()
}

pub async fn a_resting_run_is_woken_by_the_end_of_a_wait(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["wait"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    wait(&driver, &run, &instances[0], posted("go"), 2).await;
    let rest = async |epoch| {
        let resting = RestingRun { key: run.key, epoch, until: None };
        store.rest_runs(driver.owner, &[resting]).await.unwrap()
    };
    assert_eq!(rest(run.epoch).await, 1);
    assert!(driver.take(50).await.is_empty());
    store.post_event(tenant, "go", &Value::Null, at(51), at(99), 9).await.unwrap();
    let taken = driver.take(51).await.pop().expect("its task need not wait any more");
    assert_eq!(store.ended_triggers(driver.owner, 9).await.unwrap().len(), 1);

    // The end may also come before the rest: whoever was about to let go had not seen it.
    assert_eq!(rest(taken.run.epoch).await, 1);
    assert_eq!(driver.take(52).await.len(), 1);
}

pub async fn a_trigger_is_looked_at_until_it_fires_once(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["wait"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    assert!(wait(&driver, &run, &instances[0], posted("go"), 2).await, "it is worth a first look");

    assert!(claim(store, 1).await.is_empty(), "it is not yet time");
    let first = claim(store, 2).await.pop().expect("the trigger");
    assert_eq!((&*first.dag_id, &*first.run_id, &*first.task_id), ("sales", "one", "wait"));
    assert_eq!((first.map_index, first.try_number, first.dag_version), (-1, instances[0].try_number, 1));
    assert_eq!((first.instance, first.looks, first.troubles), (instances[0].id, 0, 0));
    assert_eq!(serde_json::from_value::<Trigger>(first.trigger.clone()).unwrap(), posted("go"));
    assert!(claim(store, 3).await.is_empty(), "somebody looks");

    assert!(store.conclude_look(&look(&first, 4, again(Some(30), 0))).await.unwrap());
    assert!(!store.conclude_look(&look(&first, 4, again(Some(5), 0))).await.unwrap(), "a look is concluded once");
    let row = store.triggers_of(tenant, &[instances[0].id]).await.unwrap().pop().expect("the trigger");
    assert_eq!((row.id, row.created_at, row.next_look_at), (first.id, at(2), Some(at(30))));
    let last = row.last_look.expect("a look");
    assert_eq!((last.at, &*last.hostname, &*last.saw), (at(4), "worker-1", "status 404\u{fffd}"));

    assert!(claim(store, 29).await.is_empty());
    let lost = claim(store, 30).await.pop().expect("it is time again");
    assert_eq!((lost.looks, lost.troubles), (1, 0));
    let second = claim(store, 90).await.pop().expect("its worker was not heard of");
    assert!(!store.conclude_look(&look(&lost, 91, LookOutcome::Over(fired()))).await.unwrap(), "too late");
    assert!(store.conclude_look(&look(&second, 91, again(Some(92), 1))).await.unwrap());
    let third = claim(store, 92).await.pop().expect("it is time again");
    assert_eq!((third.looks, third.troubles), (1, 1), "trouble is no look");
    assert!(store.ended_triggers(driver.owner, 9).await.unwrap().is_empty());
    assert!(!store.work(at(93)).await.unwrap().ended_triggers);
    assert!(store.conclude_look(&look(&third, 93, LookOutcome::Over(fired()))).await.unwrap());
    assert!(claim(store, 1_000).await.is_empty(), "nobody looks any more");

    let ended =
        EndedTrigger { run: run.key, instance: instances[0].id, try_number: instances[0].try_number, event: fired() };
    assert_eq!(store.ended_triggers(driver.owner, 9).await.unwrap(), [ended]);
    assert!(store.work(at(93)).await.unwrap().ended_triggers);
    assert_eq!(store.ended_triggers(uuid::Uuid::new_v4(), 9).await.unwrap(), [], "the run is another's");
    driver.reschedule(&run, instances[0].id, 94).await;
    assert_eq!(store.ended_triggers(driver.owner, 9).await.unwrap(), [], "it goes with the wait");
    assert!(store.triggers_of(tenant, &[instances[0].id]).await.unwrap().is_empty());
}

pub async fn a_trigger_goes_when_its_task_waits_no_more(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["marked", "cleared"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    wait(&driver, &run, &instances[0], posted("go"), 2).await;
    wait(&driver, &run, &instances[1], posted("go"), 2).await;
    let claimed = claim(store, 3).await;
    assert_eq!(claimed.len(), 2);

    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    let marked = move_to(&loaded.instances[0], Some(TaskState::Success), 4);
    let change = RunChange { moves: vec![marked], ..RunChange::default() };
    assert!(store.intervene(run.key, loaded.run.epoch, &change).await.unwrap());
    assert!(store.triggers_of(tenant, &[instances[0].id]).await.unwrap().is_empty(), "marked");
    assert_eq!(store.triggers_of(tenant, &[instances[1].id]).await.unwrap().len(), 1);
    let gone = claimed.iter().find(|claimed| claimed.instance == instances[0].id).unwrap();
    assert!(!store.conclude_look(&look(gone, 5, LookOutcome::Over(fired()))).await.unwrap());
    assert!(!store.take_event(gone, "go", at(5)).await.unwrap());

    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    let change = RunChange { moves: vec![move_to(&loaded.instances[1], None, 6)], ..RunChange::default() };
    assert!(store.intervene(run.key, loaded.run.epoch, &change).await.unwrap());
    assert!(store.triggers_of(tenant, &[instances[1].id]).await.unwrap().is_empty(), "cleared");
}

pub async fn the_end_of_a_run_or_task_makes_triggers_due(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "watcher", "one", &["by_id", "by_date", "other"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    put_dag(store, tenant, &dag("sales", &["load"])).await;
    let mut new = new_run(tenant, "sales", "r1");
    new.logical_date = Some(at(-60));
    store.create_run(&new).await.unwrap();
    let (sales, loads) = driver.start(2).await;
    wait(&driver, &run, &instances[0], ends("sales", RunSelector::RunId("r1".to_owned())), 3).await;
    wait(&driver, &run, &instances[1], ends("sales", RunSelector::LogicalDate(at(-60))), 3).await;
    wait(&driver, &run, &instances[2], ends("sales", RunSelector::RunId("r2".to_owned())), 3).await;
    for claimed in claim(store, 4).await {
        assert!(store.conclude_look(&look(&claimed, 5, again(None, 0))).await.unwrap());
    }
    assert!(claim(store, 1_000).await.is_empty(), "nobody polls");

    let moves = vec![move_to(&loads[0], Some(TaskState::Success), 1_001)];
    let change = RunChange { moves, ..RunChange::default() };
    let told = driver.commit(vec![(sales.key, sales.epoch, change)], 1_001).await;
    assert!(told.triggers_due);
    let early = claim(store, 1_001).await;
    assert_eq!(early.len(), 2, "of the run's id and of its date");
    let change = RunChange { run_state: Some(RunState::Success), at: Some(at(1_002)), ..RunChange::default() };
    assert!(driver.commit(vec![(sales.key, sales.epoch, change)], 1_002).await.triggers_due);
    for claimed in &early {
        let counts = store.conclude_look(&look(claimed, 1_003, again(None, 0))).await.unwrap();
        assert!(!counts, "what was seen may be from before the end");
    }
    assert_eq!(claim(store, 1_003).await.len(), 2, "another look is due");
}

pub async fn a_posted_event_wakes_those_who_wait_or_is_kept_for_the_first(store: &dyn Store) {
    let tenants = (tenant(store, "acme").await, tenant(store, "other").await);
    run_of(store, tenants.0, "sales", "one", &["a", "b", "c", "d"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    wait(&driver, &run, &instances[0], posted("go"), 2).await;
    wait(&driver, &run, &instances[1], posted("go"), 2).await;
    assert_eq!(post(store, tenants.1, "go", json!(0), 3).await, Posted { woken: 0 }, "another tenant's");
    assert_eq!(post(store, tenants.0, "go", json!({ "n": 1 }), 3).await, Posted { woken: 2 });
    let ended = store.ended_triggers(driver.owner, 9).await.unwrap();
    let event = ResumeEvent::Fired { payload: json!({ "n": 1 }) };
    assert!(ended.len() == 2 && ended.iter().all(|ended| ended.event == event), "{ended:?}");

    wait(&driver, &run, &instances[2], posted("go"), 4).await;
    let waiting = claim(store, 4).await.pop().expect("only the newest waits");
    assert!(!store.take_event(&waiting, "go", at(4)).await.unwrap(), "the event was for those who waited");
    assert!(store.conclude_look(&look(&waiting, 4, again(None, 0))).await.unwrap());
    driver.reschedule(&run, instances[2].id, 5).await;

    assert_eq!(post(store, tenants.0, "go", json!(2), 6).await, Posted { woken: 0 });
    assert_eq!(post(store, tenants.0, "go", json!(3), 7).await, Posted { woken: 0 }, "the newest is kept");
    post(store, tenants.0, "x", json!(null), 7).await;
    let too_many = store.post_event(tenants.0, "y", &json!(0), at(7), at(9), 2).await;
    assert!(matches!(too_many, Err(StoreError::Conflict(_))), "{too_many:?}");
    wait(&driver, &run, &instances[3], posted("go"), 8).await;
    let waiting = claim(store, 8).await.pop().expect("the trigger");
    assert!(!store.take_event(&waiting, "stop", at(8)).await.unwrap());
    assert!(store.take_event(&waiting, "go", at(8)).await.unwrap());
    assert!(!store.take_event(&waiting, "go", at(8)).await.unwrap(), "it is taken once");
    let ended = store.ended_triggers(driver.owner, 9).await.unwrap().pop().expect("the newest");
    assert_eq!(ended.event, ResumeEvent::Fired { payload: json!(3) });

    assert_eq!(store.forget_events(at(106)).await.unwrap(), 1, "that of the other tenant");
    assert_eq!(store.forget_events(at(107)).await.unwrap(), 1, "`x`");
}
