//! The queue between schedulers and workers.

use airlock_core::outcome::{Failure, FailureCause, ResumeEvent, TryResult};
use airlock_core::state::TaskState;
use serde_json::json;
use uuid::Uuid;

use super::actors::{Driver, Worker};
use super::fixture::{admission, at, dag, new_run, put_dag, report, run_of, settle, success, task, tenant};
use crate::Store;
use crate::driving::{RunChange, UsageQuery};
use crate::queue::{ClaimedTry, Resume, TryOrder};

fn ids(claimed: &[ClaimedTry]) -> String {
    claimed.iter().map(|one| one.task_id.as_str()).collect::<Vec<_>>().join(" ")
}

pub async fn tries_are_claimed_by_priority_and_then_age(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let mut document = dag("sales", &["low_1", "high", "low_2", "negative"]);
    document.tasks[1].priority_weight = 9;
    document.tasks[3].priority_weight = -1;
    put_dag(store, tenant, &document).await;
    store.create_run(&new_run(tenant, "sales", "one")).await.unwrap();
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &instances.iter().collect::<Vec<_>>(), 2).await;
    assert_eq!(ids(&worker.claim(3, 3).await), "high low_1 low_2");
    assert_eq!(ids(&worker.claim(3, 3).await), "negative");
    assert!(worker.claim(3, 3).await.is_empty());
}

pub async fn a_claim_tells_all_that_a_worker_needs(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    put_dag(store, tenant, &dag("sales", &[])).await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    assert_eq!((claimed.run, claimed.instance), (run.key, instances[0].id));
    assert_eq!((claimed.dag_id.as_str(), claimed.run_id.as_str()), ("sales", "one"));
    assert_eq!((claimed.task_id.as_str(), claimed.map_index, claimed.dag_version), ("load", -1, 2));
    assert_eq!((claimed.try_number, claimed.max_tries, claimed.reschedules), (1, 0, 0));
    assert_eq!((claimed.first_started_at, claimed.resume), (at(3), None));
    let instance = store.instance(tenant, "sales", "one", "load", -1).await.unwrap().unwrap();
    assert_eq!((instance.state, instance.started_at), (Some(TaskState::Running), Some(at(3))));
    assert_eq!((instance.first_started_at, instance.hostname.as_deref()), (Some(at(3)), Some("worker-1")));
}

pub async fn workers_claim_only_from_their_queues(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let mut document = dag("sales", &["a", "b", "c"]);
    document.tasks[1].queue = "gpu".to_owned();
    document.tasks[2].queue = "other".to_owned();
    put_dag(store, tenant, &document).await;
    store.create_run(&new_run(tenant, "sales", "one")).await.unwrap();
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &instances.iter().collect::<Vec<_>>(), 2).await;
    let claim = async |queues: &[&str]| {
        let queues: Vec<String> = queues.iter().map(|queue| (*queue).to_owned()).collect();
        ids(&store.claim_tries(worker.id, "w", &queues, 9, at(3), at(9)).await.unwrap())
    };
    assert_eq!(claim(&[]).await, "");
    assert_eq!(claim(&["nothing"]).await, "");
    let depths = store.queue_depths().await.unwrap();
    assert_eq!(
        depths.iter().map(|depth| (depth.queue.as_str(), depth.queued)).collect::<Vec<_>>(),
        [("default", 1), ("gpu", 1), ("other", 1)]
    );
    assert_eq!(claim(&["gpu", "default"]).await, "a b");
    let depths = store.queue_depths().await.unwrap();
    let depths: Vec<_> = depths.iter().map(|depth| (depth.queue.as_str(), depth.queued, depth.running)).collect();
    assert_eq!(depths, [("default", 0, 1), ("gpu", 0, 1), ("other", 1, 0)]);
}

pub async fn tenants_share_workers_fairly(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let driver = Driver::new(store);
    for (tenant, dag_id, tasks, weight) in
        [(acme, "big", &["a1", "a2", "a3", "a4", "a5", "a6"][..], 1_000_000), (beta, "small", &["b1", "b2", "b3"], 1)]
    {
        let mut document = dag(dag_id, &[]);
        document.tasks = tasks.iter().map(|id| task(id, &[])).collect();
        document.tasks.iter_mut().for_each(|task| task.priority_weight = weight);
        put_dag(store, tenant, &document).await;
        store.create_run(&new_run(tenant, dag_id, "one")).await.unwrap();
        let (run, instances) = driver.start(1).await;
        driver.admit(&run, &instances.iter().collect::<Vec<_>>(), 2).await;
    }
    let worker = Worker::new(store);
    let count = |claimed: &[ClaimedTry]| {
        let ours = claimed.iter().filter(|one| one.run.tenant == acme).count();
        (ours, claimed.len() - ours)
    };
    assert_eq!(count(&worker.claim(4, 3).await), (2, 2), "one tenant's priorities are nothing to the other");
    assert_eq!(count(&worker.claim(9, 3).await), (4, 1), "what nobody else wants is free to take");
}

pub async fn two_workers_never_claim_the_same_try(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let names: Vec<String> = (0..40).map(|number| format!("t{number:02}")).collect();
    run_of(store, tenant, "sales", "one", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &instances.iter().collect::<Vec<_>>(), 2).await;
    let workers = [Worker::new(store), Worker::new(store), Worker::new(store)];
    let mut claimed = Vec::new();
    loop {
        let (a, b, c) = tokio::join!(workers[0].claim(3, 3), workers[1].claim(3, 3), workers[2].claim(3, 3));
        if a.is_empty() && b.is_empty() && c.is_empty() {
            break;
        }
        claimed.extend(a.into_iter().chain(b).chain(c).map(|one| one.task_id));
    }
    claimed.sort();
    assert_eq!(claimed, names);
}

pub async fn a_heartbeat_keeps_a_lease_and_says_when_it_is_gone(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a", "b"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1]], 2).await;
    let claimed = worker.claim(2, 3).await;
    let tokens = [claimed[0].lease_token, claimed[1].lease_token];
    assert!(store.heartbeat_tries(worker.id, &tokens, at(30)).await.unwrap().is_empty());
    assert!(driver.store.expired_tries(driver.owner, at(29), 9).await.unwrap().is_empty());

    let stranger = store.heartbeat_tries(Uuid::new_v4(), &tokens[..1], at(99)).await.unwrap();
    assert_eq!(stranger, [(tokens[0], TryOrder::Stop)], "a lease is its worker's");
    worker.report(&claimed[0], success(), 4).await;
    assert!(store.heartbeat_tries(worker.id, &tokens, at(30)).await.unwrap().is_empty(), "until it is settled");
    driver.settle(&run, TaskState::Success, 5).await;
    let orders = store.heartbeat_tries(worker.id, &tokens, at(40)).await.unwrap();
    assert_eq!(orders, [(tokens[0], TryOrder::Stop)]);
    assert!(store.heartbeat_tries(worker.id, &[], at(40)).await.unwrap().is_empty());
    assert!(driver.store.expired_tries(driver.owner, at(39), 9).await.unwrap().is_empty());
}

pub async fn a_silent_workers_try_is_lost_and_its_late_result_refused(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    assert!(store.expired_tries(driver.owner, at(13), 9).await.unwrap().is_empty());
    assert!(store.expired_tries(Uuid::new_v4(), at(14), 9).await.unwrap().is_empty(), "another's run");
    let expired = store.expired_tries(driver.owner, at(14), 9).await.unwrap();
    assert_eq!(expired.len(), 1);
    assert_eq!((expired[0].instance, expired[0].try_number), (claimed.instance, 1));
    assert_eq!((expired[0].started_at, expired[0].hostname.as_deref()), (Some(at(3)), Some("worker-1")));
    assert_eq!(store.expired_tries(driver.owner, at(14), 9).await.unwrap(), expired, "until it is settled");

    // The worker comes back between the finding and the settling: it is too late.
    let late = report(&claimed, success(), 15);
    assert_eq!(store.report_tries(std::slice::from_ref(&late)).await.unwrap(), [claimed.lease_token]);
    let orders = store.heartbeat_tries(worker.id, &[claimed.lease_token], at(60)).await.unwrap();
    assert_eq!(orders, [(claimed.lease_token, TryOrder::Stop)]);
    assert!(store.reported_tries(driver.owner, 9).await.unwrap().is_empty());

    driver.lose(&run, &expired[0], 16).await;
    assert_eq!(store.report_tries(&[late]).await.unwrap(), [claimed.lease_token]);
    let tries = store.tries(tenant, claimed.instance).await.unwrap();
    assert_eq!(tries.len(), 1);
    assert_eq!((tries[0].state, tries[0].cause.as_deref()), (Some(TaskState::Failed), Some("lost")));
    assert_eq!(tries[0].late_results, 2, "both are on record");
    assert!(store.expired_tries(driver.owner, at(99), 9).await.unwrap().is_empty());
}

pub async fn a_late_result_is_counted_also_while_its_try_is_settled(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let names: Vec<String> = (0..20).map(|number| format!("task-{number}")).collect();
    run_of(store, tenant, "sales", "one", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &instances.iter().collect::<Vec<_>>(), 2).await;
    let claimed = worker.claim(100, 3).await;
    let expired = store.expired_tries(driver.owner, at(60), 100).await.unwrap();
    assert_eq!((claimed.len(), expired.len()), (names.len(), names.len()));
    for lost in &expired {
        let claimed = claimed.iter().find(|one| one.instance == lost.instance).unwrap();
        let late = [report(claimed, success(), 61)];
        let ((), refused) = tokio::join!(driver.lose(&run, lost, 61), store.report_tries(&late));
        assert_eq!(refused.unwrap(), [claimed.lease_token]);
        assert_eq!(store.tries(tenant, lost.instance).await.unwrap()[0].late_results, 1);
    }
}

pub async fn a_report_waits_for_its_scheduler(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a", "b"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1]], 2).await;
    let claimed = worker.claim(2, 3).await;
    let failure = TryResult::Failure(Failure {
        backtrace: Some("at main".to_owned()),
        retry_after_ms: Some(1_500),
        ..Failure::new(FailureCause::Trap, true, "unreachable\0")
    });
    let mut second = report(&claimed[1], failure.clone(), 6);
    second.rendered_fields = Some(json!({"sql": "select 1"}));
    let unknown =
        super::fixture::report(&ClaimedTry { lease_token: Uuid::new_v4(), ..claimed[0].clone() }, success(), 5);
    let stale =
        store.report_tries(&[second.clone(), unknown.clone(), report(&claimed[0], success(), 5)]).await.unwrap();
    assert_eq!(stale, [unknown.lease_token]);
    assert!(store.report_tries(&[second]).await.unwrap().is_empty(), "to say it twice is no fault");
    assert!(store.report_tries(&[]).await.unwrap().is_empty());

    assert!(store.reported_tries(Uuid::new_v4(), 9).await.unwrap().is_empty(), "another's run");
    let reported = store.reported_tries(driver.owner, 9).await.unwrap();
    assert_eq!(reported.iter().map(|one| one.instance).collect::<Vec<_>>(), [claimed[0].instance, claimed[1].instance]);
    assert_eq!(store.reported_tries(driver.owner, 1).await.unwrap(), reported[..1], "oldest first");
    let second = &reported[1];
    assert_eq!((second.run, second.try_number, second.lease_token), (run.key, 1, claimed[1].lease_token));
    assert_eq!((second.started_at, second.ended_at), (at(3), at(6)));
    assert_eq!((&second.result, second.hostname.as_deref()), (&failure, Some("worker-1")));
    assert_eq!(second.rendered_fields, Some(json!({"sql": "select 1"})));
    assert!(store.expired_tries(driver.owner, at(99), 9).await.unwrap().is_empty(), "a reported try is not lost");

    driver.settle(&run, TaskState::Success, 7).await;
    assert!(store.reported_tries(driver.owner, 9).await.unwrap().is_empty());
    let instance = store.instance(tenant, "sales", "one", "b", -1).await.unwrap().unwrap();
    assert_eq!(instance.rendered_fields, json!({"sql": "select 1"}).as_object().cloned());
}

pub async fn no_tenants_reports_wait_for_all_of_anothers(store: &dyn Store) {
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    for (name, tasks, ended_at) in
        [("acme", &["a1", "a2", "a3"][..], 4), ("beta", &["b1", "b2"], 7), ("gamma", &["c1"], 5)]
    {
        let tenant = tenant(store, name).await;
        run_of(store, tenant, "sales", "one", tasks).await;
        let (run, instances) = driver.start(1).await;
        driver.admit(&run, &instances.iter().collect::<Vec<_>>(), 2).await;
        let claimed = worker.claim(9, 3).await;
        let reports = claimed.iter().zip(ended_at..).map(|(one, at)| super::fixture::report(one, success(), at));
        assert!(store.report_tries(&reports.collect::<Vec<_>>()).await.unwrap().is_empty());
    }
    let reported = async |limit| {
        let reported = store.reported_tries(driver.owner, limit).await.unwrap();
        reported.iter().map(|one| (one.run.tenant, (one.ended_at - at(0)).num_seconds())).collect::<Vec<_>>()
    };
    let all = reported(9).await;
    assert_eq!(all.iter().map(|(_, ended_at)| *ended_at).collect::<Vec<_>>(), [4, 5, 7, 5, 8, 6]);
    assert_eq!(all[3].0, all[0].0);
    assert_eq!(reported(4).await, all[..4]);
}

pub async fn a_try_can_be_handed_back_before_it_has_begun(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a", "b"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1]], 2).await;
    let claimed = worker.claim(2, 3).await;
    let running = store.running_tries().await.unwrap();
    let at_work: Vec<_> = running.iter().map(|one| (one.worker, one.task_id.as_str(), one.started_at)).collect();
    assert_eq!(at_work, [(worker.id, "a", at(3)), (worker.id, "b", at(3))]);
    let tokens: Vec<Uuid> = claimed.iter().map(|one| one.lease_token).collect();
    assert_eq!(store.hand_back_tries(Uuid::new_v4(), &[]).await.unwrap(), 0, "a lease is its worker's");
    assert_eq!(store.hand_back_tries(worker.id, &tokens).await.unwrap(), 0, "the worker knows of both");
    assert_eq!(store.hand_back_tries(worker.id, &tokens[1..]).await.unwrap(), 1);
    assert_eq!(store.hand_back_tries(worker.id, &tokens[1..]).await.unwrap(), 0);
    let instance = store.instance(tenant, "sales", "one", "a", -1).await.unwrap().unwrap();
    assert_eq!((instance.state, instance.try_number), (Some(TaskState::Queued), 1));
    assert_eq!((instance.started_at, instance.first_started_at, instance.hostname), (None, None, None));
    let stale = store.report_tries(&[report(&claimed[0], success(), 4)]).await.unwrap();
    assert_eq!(stale, tokens[..1]);

    let again = worker.claim(2, 8).await;
    assert_eq!(ids(&again), "a");
    assert_eq!((again[0].try_number, again[0].first_started_at), (1, at(8)));
    assert_ne!(again[0].lease_token, claimed[0].lease_token);
}

pub async fn a_rescheduled_try_goes_on_as_the_same_try(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["wait"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    let mut poke = report(&claimed, TryResult::Reschedule { at: Some(at(20)) }, 4);
    poke.xcoms.push(("seen".to_owned(), json!(0)));
    store.report_tries(&[poke]).await.unwrap();
    let reported = store.reported_tries(driver.owner, 9).await.unwrap().pop().unwrap();
    let mut wait = settle(&reported, TaskState::UpForReschedule, 5);
    wait.wake_at = Some(at(20));
    wait.reschedules = 1;
    wait.settles.as_mut().unwrap().final_state = None;
    driver.change(&run, RunChange { moves: vec![wait], ..RunChange::default() }, 5).await;
    let waiting = store.instance(tenant, "sales", "one", "wait", -1).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.wake_at), (Some(TaskState::UpForReschedule), Some(at(20))));
    assert_eq!((waiting.first_started_at, waiting.ended_at), (Some(at(3)), Some(at(4))));
    assert!(store.queue_depths().await.unwrap().is_empty(), "it waits as a row, and holds no slot");
    let tries = store.tries(tenant, waiting.id).await.unwrap();
    assert_eq!((tries.len(), tries[0].state), (1, Some(TaskState::UpForReschedule)), "its try is not over");

    let scheduled = driver.reschedule(&run, waiting.id, 20).await;
    let mut goes_on = admission(&run, &scheduled);
    goes_on.to_try = goes_on.from_try;
    let admit = [goes_on];
    let committed = driver.commit_and_admit(Vec::new(), UsageQuery::default(), 21, &|_| admit.to_vec()).await;
    assert_eq!(committed.admitted, [waiting.id]);
    let again = worker.claim(1, 22).await.pop().unwrap();
    assert_eq!((again.try_number, again.reschedules, again.first_started_at), (1, 1, at(3)));
    let kept = store.xcom(tenant, "sales", "one", "wait", -1, "seen").await.unwrap();
    assert!(kept.is_some(), "a call that goes on with a try keeps what it pushed");
    store.hand_back_tries(worker.id, &[]).await.unwrap();
    let instance = store.instance(tenant, "sales", "one", "wait", -1).await.unwrap().unwrap();
    assert_eq!(instance.first_started_at, Some(at(3)), "the try's first call was long ago");
}

pub async fn a_deferred_try_is_resumed_with_its_state_and_event(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["wait"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    worker.report(&claimed, success(), 4).await;
    let reported = store.reported_tries(driver.owner, 9).await.unwrap().pop().unwrap();
    let mut wait = settle(&reported, TaskState::Deferred, 5);
    wait.resume_state = Some(json!({"cursor": 7}));
    wait.settles.as_mut().unwrap().final_state = None;
    driver.change(&run, RunChange { moves: vec![wait], ..RunChange::default() }, 5).await;
    let waiting = store.load_run(run.key).await.unwrap().unwrap().instances.pop().unwrap();
    assert_eq!((waiting.state, &waiting.resume_state), (Some(TaskState::Deferred), &Some(json!({"cursor": 7}))));

    let scheduled = driver.reschedule(&run, waiting.id, 6).await;
    let resume = Resume { state: json!({"cursor": 7}), event: ResumeEvent::Fired { payload: json!([1]) } };
    let mut goes_on = admission(&run, &scheduled);
    goes_on.to_try = goes_on.from_try;
    goes_on.entry.resume = Some(resume.clone());
    let admit = [goes_on];
    driver.commit_and_admit(Vec::new(), UsageQuery::default(), 7, &|_| admit.to_vec()).await;
    let again = worker.claim(1, 8).await.pop().unwrap();
    assert_eq!((again.try_number, again.first_started_at, again.resume), (1, at(3), Some(resume)));
}

pub async fn a_new_try_begins_without_the_xcoms_of_the_one_before(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load", "other"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1]], 2).await;
    for claimed in worker.claim(2, 3).await {
        let mut done = report(&claimed, success(), 4);
        done.xcoms.push(("return_value".to_owned(), json!(1)));
        store.report_tries(&[done]).await.unwrap();
    }
    driver.fail_for_retry(&run, 5).await;
    assert!(store.xcom(tenant, "sales", "one", "load", -1, "return_value").await.unwrap().is_some());
    let scheduled = driver.reschedule(&run, instances[0].id, 6).await;
    driver.admit(&run, &[&scheduled], 7).await;
    let claimed = worker.claim(1, 8).await.pop().unwrap();
    assert_eq!((claimed.try_number, claimed.first_started_at), (2, at(8)));
    assert!(store.xcom(tenant, "sales", "one", "load", -1, "return_value").await.unwrap().is_none());
    assert!(store.xcom(tenant, "sales", "one", "other", -1, "return_value").await.unwrap().is_some());
}

pub async fn a_refused_report_pushes_nothing(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["load"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    store.hand_back_tries(worker.id, &[]).await.unwrap();
    let mut late = report(&claimed, success(), 4);
    late.xcoms.push(("return_value".to_owned(), json!(1)));
    assert_eq!(store.report_tries(&[late]).await.unwrap().len(), 1);
    assert!(store.xcom(tenant, "sales", "one", "load", -1, "return_value").await.unwrap().is_none());
}
