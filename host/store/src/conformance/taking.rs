//! Runs that are due, and who drives them.

use std::collections::BTreeSet;

use airlock_core::dag::Dag;
use airlock_core::id::{RunKey, TenantId};
use airlock_core::limits::TenantPolicy;
use airlock_core::run::Past;
use airlock_core::state::{RunState, RunType, TaskState};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::actors::Driver;
use super::fixture::{admission, at, dag, move_to, new_run, put_dag, run_ids, run_of, tenant};
use crate::Store;
use crate::dags::NextRun;
use crate::driving::{Committed, RestingRun, RunChange, UsageQuery, Work};
use crate::runs::NewRun;

fn next(seconds: i64) -> NextRun {
    NextRun { run_after: at(seconds), logical_date: Some(at(seconds)), data_interval: Some((at(seconds), at(seconds))) }
}

fn scheduled(tenant: TenantId, dag_id: &str, due: &NextRun) -> NewRun {
    NewRun {
        run_type: RunType::Scheduled,
        logical_date: due.logical_date,
        data_interval: due.data_interval,
        run_after: due.run_after,
        ..new_run(tenant, dag_id, &format!("scheduled__{}", due.run_after.timestamp()))
    }
}

async fn next_due(store: &dyn Store) -> Option<DateTime<Utc>> {
    store.work(at(0)).await.unwrap().next_due
}

pub async fn due_dags_are_found_by_their_time(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    assert_eq!(next_due(store).await, None);
    for (tenant, dag_id, due) in [(acme, "late", 90), (beta, "soon", 30), (acme, "soon", 20), (acme, "paused", 10)] {
        put_dag(store, tenant, &dag(dag_id, &["load"])).await;
        store.set_next_run(tenant, dag_id, 1, Some(&next(due))).await.unwrap();
    }
    put_dag(store, acme, &dag("never", &[])).await;
    store.set_dag_paused(acme, "paused", true).await.unwrap();
    assert_eq!(next_due(store).await, Some(at(20)));
    let due = async |seconds, limit| {
        let due = store.due_dags(at(seconds), limit).await.unwrap();
        due.into_iter().map(|due| (due.row.tenant, due.row.dag_id, due.due)).collect::<Vec<_>>()
    };
    assert_eq!(due(19, 9).await, []);
    assert_eq!(due(30, 9).await, [(acme, "soon".to_owned(), next(20)), (beta, "soon".to_owned(), next(30))]);
    assert_eq!(due(99, 1).await, [(acme, "soon".to_owned(), next(20))]);
    let found = store.due_dags(at(20), 9).await.unwrap().pop().unwrap();
    assert_eq!((found.row.version, found.row.dag.tasks.len(), found.row.next_run), (1, 1, Some(next(20))));
}

pub async fn a_look_finds_what_there_is_to_do(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let look = async |seconds| store.work(at(seconds)).await.unwrap();
    assert_eq!(look(99).await, Work::default(), "an empty database");
    put_dag(store, tenant, &dag("sales", &["load"])).await;
    store.set_next_run(tenant, "sales", 1, Some(&next(20))).await.unwrap();
    let later = Work { next_due: Some(at(20)), ..Work::default() };
    assert_eq!(look(19).await, later);
    assert_eq!(look(20).await, Work { due_dags: true, ..later });
    store.set_next_run(tenant, "sales", 1, None).await.unwrap();

    // Queued, held, resting, and nobody's.
    let run = NewRun { run_after: at(10), ..new_run(tenant, "sales", "one") };
    store.create_run(&run).await.unwrap();
    assert_eq!(look(9).await, Work::default(), "it is not its time");
    assert_eq!(look(10).await, Work { runs: true, ..Work::default() });
    store.set_dag_paused(tenant, "sales", true).await.unwrap();
    assert_eq!(look(10).await, Work::default());
    store.set_dag_paused(tenant, "sales", false).await.unwrap();
    let driver = Driver::new(store);
    let (run, _) = driver.start(10).await;
    assert_eq!(look(11).await, Work::default(), "somebody drives it");
    assert_eq!(look(99).await, Work { runs: true, ..Work::default() }, "its lease is over");
    let resting = RestingRun { key: run.key, epoch: run.epoch, until: Some(at(500)) };
    assert_eq!(store.rest_runs(driver.owner, &[resting]).await.unwrap(), 1);
    assert_eq!(look(99).await, Work { next_due: Some(at(500)), ..Work::default() });
    assert_eq!(look(500).await, Work { next_due: Some(at(500)), runs: true, ..Work::default() });
    assert!(store.intervene(run.key, run.epoch, &RunChange::default()).await.unwrap());
    assert_eq!(look(12).await, Work { runs: true, ..Work::default() });
}

pub async fn a_dag_at_its_limit_is_not_due(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &Dag { max_active_runs: 2, ..dag("narrow", &["load"]) }).await;
    store.set_next_run(tenant, "narrow", 1, Some(&next(10))).await.unwrap();
    store.create_run(&new_run(tenant, "narrow", "manual__1")).await.unwrap();
    assert_eq!(store.due_dags(at(99), 9).await.unwrap().len(), 1);
    let driver = Driver::new(store);
    let (run, _) = driver.start(1).await;
    store.create_run(&new_run(tenant, "narrow", "manual__2")).await.unwrap();
    assert!(store.due_dags(at(99), 9).await.unwrap().is_empty(), "a queued run counts as a running one does");
    assert_eq!(next_due(store).await, None);
    driver.finish(&run, RunState::Success, 2).await;
    assert_eq!(store.due_dags(at(99), 9).await.unwrap().len(), 1);
    assert_eq!(next_due(store).await, Some(at(10)));
}

pub async fn a_run_knows_what_came_before_it(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    put_dag(store, acme, &dag("sales", &["load", "check"])).await;
    put_dag(store, acme, &dag("other", &["load"])).await;
    put_dag(store, beta, &dag("sales", &["load"])).await;
    let mut keys = Vec::new();
    for (tenant, dag_id, date, run_type) in [
        (acme, "sales", Some(10), RunType::Scheduled),
        (acme, "sales", Some(20), RunType::Scheduled),
        (acme, "sales", Some(30), RunType::Manual),
        (acme, "sales", Some(40), RunType::Scheduled),
        (acme, "sales", None, RunType::Manual),
        (acme, "other", Some(39), RunType::Scheduled),
        (beta, "sales", Some(39), RunType::Scheduled),
    ] {
        let run_id = format!("run_{}", keys.len());
        let run = NewRun { logical_date: date.map(at), run_type, ..new_run(tenant, dag_id, &run_id) };
        keys.push(store.create_run(&run).await.unwrap().key);
    }
    let driver = Driver::new(store);
    for loaded in driver.take(1).await {
        if ["run_0", "run_1"].contains(&loaded.run.run_id.as_str()) {
            let (run, instances) = driver.schedule(&loaded, 2).await;
            let skip = vec![move_to(&instances[0], Some(TaskState::Skipped), 3)];
            driver.change(&run, RunChange { moves: skip, ..RunChange::default() }, 3).await;
        }
    }
    let tasks = ["check".to_owned(), "load".to_owned(), "new".to_owned()];
    let past = async |key, automated| store.past_of(key, automated, &tasks).await.unwrap();
    assert_eq!(past(keys[0], true).await, Past::default(), "there is nothing before the first");
    assert_eq!(past(keys[4], false).await, Past::default(), "a run without a date has no past");
    assert_eq!(past(RunKey { tenant: beta, id: keys[3].id }, false).await, Past::default());
    let seen = BTreeSet::from(["check".to_owned(), "load".to_owned()]);
    assert_eq!(past(keys[3], false).await, Past::not_begun(&tasks), "the manual run has no instances yet");
    let mut automated = past(keys[3], true).await;
    automated.previous.as_mut().unwrap().sort();
    let states = vec![("check".to_owned(), Some(TaskState::Scheduled)), ("load".to_owned(), Some(TaskState::Skipped))];
    assert_eq!(automated, Past { previous: Some(states), seen });
}

pub async fn a_due_run_is_opened_by_one_scheduler_only(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &["load"])).await;
    store.set_next_run(tenant, "sales", 1, Some(&next(10))).await.unwrap();
    let due = store.due_dags(at(10), 9).await.unwrap().pop().unwrap();
    let run = scheduled(tenant, "sales", &due.due);
    let opened = store.open_run(&due, Some(&run), Some(&next(20))).await.unwrap().unwrap();
    assert_eq!((opened.run_type, opened.state, opened.dag_version), (RunType::Scheduled, RunState::Queued, 1));
    assert_eq!(store.open_run(&due, Some(&run), Some(&next(20))).await.unwrap(), None, "somebody else was first");
    assert_eq!(next_due(store).await, Some(at(20)));

    // The run of that time exists already, by another name: its DAG goes on all the same.
    let manual = NewRun { logical_date: Some(at(20)), ..new_run(tenant, "sales", "manual__20") };
    let manual = store.create_run(&manual).await.unwrap();
    let due = store.due_dags(at(20), 9).await.unwrap().pop().unwrap();
    let found = store.open_run(&due, Some(&scheduled(tenant, "sales", &due.due)), Some(&next(30))).await.unwrap();
    assert_eq!(found, Some(manual));

    let due = store.due_dags(at(30), 9).await.unwrap().pop().unwrap();
    assert_eq!(store.open_run(&due, None, None).await.unwrap(), None, "a time that is skipped");
    assert_eq!(next_due(store).await, None);

    // A new version or a pause in between, and what was decided before it is void.
    store.set_next_run(tenant, "sales", 1, Some(&next(40))).await.unwrap();
    let due = store.due_dags(at(40), 9).await.unwrap().pop().unwrap();
    let run = scheduled(tenant, "sales", &due.due);
    store.set_dag_paused(tenant, "sales", true).await.unwrap();
    assert_eq!(store.open_run(&due, Some(&run), None).await.unwrap(), None);
    store.set_dag_paused(tenant, "sales", false).await.unwrap();
    put_dag(store, tenant, &dag("sales", &["load", "check"])).await;
    assert_eq!(store.open_run(&due, Some(&run), None).await.unwrap(), None);
    assert_eq!(next_due(store).await, Some(at(40)));
}

pub async fn runs_are_taken_in_order_and_within_their_dags_limits(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    put_dag(store, acme, &Dag { max_active_runs: 2, ..dag("narrow", &["load"]) }).await;
    put_dag(store, beta, &dag("wide", &["load"])).await;
    put_dag(store, acme, &dag("paused", &["load"])).await;
    store.set_dag_paused(acme, "paused", true).await.unwrap();
    for (tenant, dag_id, run_id, after) in [
        (acme, "narrow", "n3", 3),
        (acme, "narrow", "n1", 1),
        (acme, "narrow", "n2", 2),
        (acme, "narrow", "n4", 4),
        (beta, "wide", "w5", 5),
        (beta, "wide", "w2", 2),
        (beta, "wide", "future", 100),
        (acme, "paused", "p0", 0),
    ] {
        store.create_run(&NewRun { run_after: at(after), ..new_run(tenant, dag_id, run_id) }).await.unwrap();
    }
    let driver = Driver::new(store);
    let take = async |limit| store.take_runs(driver.owner, at(10), at(70), limit).await.unwrap();
    let first = take(2).await;
    assert_eq!(run_ids(&first), "n1 n2", "w2 is as old as n2, but was made later");
    assert_eq!((first[0].run.state, first[0].run.started_at), (RunState::Running, Some(at(10))));
    assert_eq!((first[0].dag.dag_id.as_str(), first[0].instances.len()), ("narrow", 0));
    assert_eq!(run_ids(&take(9).await), "w2 w5", "a full DAG does not stand in the way of others");
    assert_eq!(run_ids(&take(9).await), "");

    driver.finish(&first[0].run, RunState::Success, 11).await;
    assert_eq!(run_ids(&take(9).await), "n3", "there is room for one more");
    store.set_dag_paused(acme, "paused", false).await.unwrap();
    assert_eq!(run_ids(&take(9).await), "p0");
    let wider = Dag { max_active_runs: 3, ..dag("narrow", &["load"]) };
    put_dag(store, acme, &wider).await;
    let wider = take(9).await;
    assert_eq!(run_ids(&wider), "n4");
    assert_eq!(wider[0].dag.max_active_runs, 2, "a run keeps the version that it was made with");
}

pub async fn two_schedulers_never_take_the_same_run(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &Dag { max_active_runs: 25, ..dag("sales", &["load"]) }).await;
    for number in 0..30 {
        store.create_run(&new_run(tenant, "sales", &format!("r{number:02}"))).await.unwrap();
    }
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let mut taken = Vec::new();
    loop {
        let (a, b) = tokio::join!(store.take_runs(one, at(1), at(60), 4), store.take_runs(two, at(1), at(60), 4));
        let (a, b) = (a.unwrap(), b.unwrap());
        if a.is_empty() && b.is_empty() {
            break;
        }
        taken.extend(a.into_iter().chain(b).map(|loaded| loaded.run.run_id));
    }
    taken.sort();
    let expected: Vec<String> = (0..25).map(|number| format!("r{number:02}")).collect();
    assert_eq!(taken, expected, "each once, the oldest first, and never more than the DAG may run at once");
}

pub async fn a_run_changes_hands_when_its_lease_is_over_or_given_up(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load", "check"]).await;
    let (first, second) = (Driver::new(store), Driver::new(store));
    let (run, instances) = first.start(1).await;
    assert!(second.take(60).await.is_empty(), "the lease is until 61");
    assert_eq!(store.renew_runs(first.owner, at(100)).await.unwrap(), 1);
    assert_eq!(store.renew_runs(second.owner, at(100)).await.unwrap(), 0);
    assert!(second.take(99).await.is_empty());

    let taken = second.take(100).await;
    assert_eq!(run_ids(&taken), "one");
    assert_eq!(taken[0].run.started_at, Some(at(1)), "it goes on, it does not start again");
    let tasks: Vec<_> = taken[0].instances.iter().map(|one| (one.task_id.as_str(), one.state)).collect();
    assert_eq!(tasks, [("load", Some(TaskState::Scheduled)), ("check", Some(TaskState::Scheduled))]);
    assert!(taken[0].run.epoch > run.epoch);

    // The first does not know yet: nothing of what it decides is applied.
    let mark = vec![move_to(&instances[0], Some(TaskState::Failed), 101)];
    let end = RunChange { moves: mark, run_state: Some(RunState::Failed), at: Some(at(101)), ..RunChange::default() };
    let admit = [admission(&run, &instances[1])];
    let committed =
        first.commit_and_admit(vec![(run.key, run.epoch, end)], UsageQuery::default(), 101, &|_| admit.to_vec()).await;
    assert_eq!(committed, Committed { overtaken: vec![run.key], ..Committed::default() });
    let stolen = [admission(&taken[0].run, &instances[1])];
    let committed = first.commit_and_admit(Vec::new(), UsageQuery::default(), 101, &|_| stolen.to_vec()).await;
    assert_eq!(committed, Committed { overtaken: vec![run.key], ..Committed::default() }, "the owner counts too");
    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    assert_eq!(loaded.run, taken[0].run);
    assert_eq!(loaded.instances, taken[0].instances);

    assert_eq!(store.release_runs(second.owner).await.unwrap(), 1);
    assert_eq!(run_ids(&first.take(102).await), "one");
    assert_eq!(store.release_runs(second.owner).await.unwrap(), 0);
}

pub async fn a_run_that_rests_is_taken_when_its_time_comes(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let (first, second) = (Driver::new(store), Driver::new(store));
    let (run, _) = first.start(1).await;
    let rest = async |owner, epoch, until: Option<i64>| {
        store.rest_runs(owner, &[RestingRun { key: run.key, epoch, until: until.map(at) }]).await.unwrap()
    };
    assert_eq!(rest(second.owner, run.epoch, Some(500)).await, 0, "it is another's");
    assert_eq!(rest(first.owner, run.epoch - 1, Some(500)).await, 0, "it has changed since");
    assert_eq!(next_due(store).await, None);
    assert_eq!(rest(first.owner, run.epoch, Some(500)).await, 1);
    assert_eq!(next_due(store).await, Some(at(500)));
    assert_eq!(store.renew_runs(first.owner, at(900)).await.unwrap(), 0, "it costs no renewal");
    assert!(second.take(499).await.is_empty(), "the lease would have been until 61");
    let taken = second.take(500).await.pop().expect("it is time");
    assert!(taken.run.epoch > run.epoch);
    assert_eq!(next_due(store).await, None);

    // Without an end, only what comes from outside wakes it.
    let run = taken.run;
    let endless = RestingRun { key: run.key, epoch: run.epoch, until: None };
    assert_eq!(store.rest_runs(second.owner, &[endless]).await.unwrap(), 1);
    assert_eq!(next_due(store).await, None);
    assert!(second.take(99_999_999).await.is_empty());
    assert!(store.intervene(run.key, run.epoch, &RunChange::default()).await.unwrap());
    assert_eq!(run_ids(&first.take(501).await), "one");
}

pub async fn a_run_is_loaded_with_its_version_its_instances_and_its_policy(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let policy = TenantPolicy { max_active_tasks: Some(3), ..TenantPolicy::default() };
    store.set_tenant_policy(acme, &policy).await.unwrap();
    run_of(store, acme, "sales", "one", &["load", "check"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    put_dag(store, acme, &dag("sales", &["other"])).await;
    let loaded = store.load_run(run.key).await.unwrap().unwrap();
    assert_eq!((&loaded.run, &loaded.instances), (&run, &instances));
    assert_eq!((loaded.dag.tasks.len(), &*loaded.policy), (2, &policy));
    assert_eq!(loaded.run.last_scheduling_decision, Some(at(1)));
    assert!(store.load_run(RunKey { tenant: beta, id: run.key.id }).await.unwrap().is_none());
}
