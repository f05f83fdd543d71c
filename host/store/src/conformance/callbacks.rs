//! Callbacks: due once for each cause, claimed by one, and called a bounded number of times.

use airlock_core::callback::{
    About, CallbackEnd, CallbackEvent, CallbackState, MAXIMUM_ATTEMPTS, NewCallback, Subject,
};
use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::{RunState, TaskState};
use uuid::Uuid;

use super::actors::{Driver, Worker};
use super::fixture::{admission, at, move_to, run_of, tenant};
use crate::callbacks::{CallbackReport, CallbackRow, ClaimedCallback, ExpiredCallbacks};
use crate::driving::{RunChange, UsageQuery};
use crate::instances::InstanceRow;
use crate::{Page, Store};

/// A callback about an instance, or about its run.
fn due(event: CallbackEvent, instance: Option<&InstanceRow>, seconds: i64) -> NewCallback {
    let subject = |instance: &InstanceRow| Subject {
        instance: instance.id,
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
        try_number: 1,
        max_tries: instance.max_tries,
    };
    NewCallback {
        id: Uuid::new_v4(),
        event,
        place: 1,
        subject: instance.map(subject),
        about: About { exception: Some("it \"broke\"\0".to_owned()), ..About::default() },
        queue: "default".to_owned(),
        at: at(seconds),
    }
}

/// Makes callbacks about a run due.
async fn call(driver: &Driver<'_>, run: &crate::runs::RunRow, callbacks: Vec<NewCallback>, seconds: i64) {
    driver.change(run, RunChange { callbacks, ..RunChange::default() }, seconds).await;
}

async fn claim(store: &dyn Store, worker: Uuid, limit: u32, seconds: i64) -> Vec<ClaimedCallback> {
    let queues = ["default".to_owned()];
    store.claim_callbacks(worker, "worker-1", &queues, limit, at(seconds), at(seconds + 10)).await.unwrap()
}

async fn all(store: &dyn Store, run: RunKey) -> Vec<CallbackRow> {
    store.list_callbacks(run, &Page::default()).await.unwrap().items
}

fn report(claimed: &ClaimedCallback, state: CallbackState, message: Option<&str>, seconds: i64) -> CallbackReport {
    CallbackReport {
        tenant: claimed.row.run.tenant,
        id: claimed.row.id,
        lease_token: claimed.lease_token,
        ended_at: at(seconds),
        end: CallbackEnd { state, message: message.map(str::to_owned) },
    }
}

pub async fn a_callback_is_due_with_the_change_that_causes_it(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a", "b"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    // The move of `b` names a state that it is not in; of all changes it is the only one that nothing comes of.
    let mut stale = move_to(&instances[1], Some(TaskState::Success), 2);
    stale.from_states = vec![Some(TaskState::Running)];
    let moves = vec![move_to(&instances[0], Some(TaskState::Success), 2), stale];
    let wanted = due(CallbackEvent::OnSuccess, Some(&instances[0]), 2);
    let callbacks = vec![wanted.clone(), due(CallbackEvent::OnSuccess, Some(&instances[1]), 2)];
    let change = RunChange { moves, callbacks, ..RunChange::default() };
    let committed = driver.commit(vec![(run.key, run.epoch, change.clone())], 2).await;
    assert_eq!(committed.refused, [instances[1].id]);
    let rows = all(store, run.key).await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    let row = &rows[0];
    assert_eq!((row.id, row.event, row.place, &row.subject), (wanted.id, wanted.event, 1, &wanted.subject));
    assert_eq!((row.dag_id.as_str(), row.run_id.as_str(), row.dag_version), ("sales", "one", 1));
    assert_eq!((row.state, row.attempts, row.created_at), (CallbackState::Queued, 0, at(2)));
    assert_eq!(row.about, wanted.about);
    assert_eq!(store.callback(run.key, row.id).await.unwrap().as_ref(), Some(row));
    assert_eq!(store.callback(RunKey { tenant: TenantId(0), ..run.key }, row.id).await.unwrap(), None);

    // A scheduler that was overtaken makes nothing due, and the same callback is due once.
    let late = vec![due(CallbackEvent::OnSuccess, None, 3)];
    let change = RunChange { callbacks: late, ..RunChange::default() };
    let committed = driver.commit(vec![(run.key, run.epoch + 1, change)], 3).await;
    assert_eq!(committed.overtaken, [run.key]);
    call(&driver, &run, vec![wanted], 4).await;
    assert_eq!(all(store, run.key).await.len(), 1);
}

pub async fn what_is_due_when_a_try_begins_is_due_with_its_claim(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a", "b"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    let mut first = admission(&run, &instances[0]);
    first.entry.on_execute = vec![due(CallbackEvent::OnExecute, Some(&instances[0]), 2)];
    let admissions = vec![first.clone(), admission(&run, &instances[1])];
    driver.commit_and_admit(Vec::new(), UsageQuery::default(), 2, &|_| admissions.clone()).await;
    assert!(all(store, run.key).await.is_empty());

    let claimed = worker.claim(2, 5).await;
    assert_eq!(claimed.iter().map(|one| one.has_callbacks).collect::<Vec<_>>(), [true, false]);
    let rows = all(store, run.key).await;
    assert_eq!((rows.len(), rows[0].event, rows[0].created_at), (1, CallbackEvent::OnExecute, at(5)));
    assert_eq!(rows[0].subject, first.entry.on_execute[0].subject);

    // A try that is handed back begins once.
    store.hand_back_tries(worker.id, &[claimed[1].lease_token]).await.unwrap();
    assert_eq!(worker.claim(2, 6).await.len(), 1);
    assert_eq!(all(store, run.key).await.len(), 1);
}

pub async fn callbacks_are_claimed_by_age_and_tenants_take_turns(store: &dyn Store) {
    let (busy, other) = (tenant(store, "busy").await, tenant(store, "other").await);
    let mut runs = Vec::new();
    let driver = Driver::new(store);
    for (tenant, many) in [(busy, 4), (other, 2)] {
        run_of(store, tenant, "sales", "one", &[]).await;
        let run = driver.take(1).await.pop().unwrap().run;
        let mut callbacks: Vec<_> = (0..many).map(|_| due(CallbackEvent::OnFailure, None, 2)).collect();
        callbacks.push(NewCallback { queue: "gpu".to_owned(), ..due(CallbackEvent::OnFailure, None, 2) });
        call(&driver, &run, callbacks, 2).await;
        runs.push(run);
    }
    let oldest: Vec<Uuid> = all(store, runs[0].key).await.iter().map(|row| row.id).collect();
    let worker = Uuid::new_v4();
    let first = claim(store, worker, 3, 3).await;
    let of = |claimed: &[ClaimedCallback], tenant| claimed.iter().filter(|one| one.row.run.tenant == tenant).count();
    assert_eq!((of(&first, busy), of(&first, other)), (2, 1));
    let taken: Vec<Uuid> = first.iter().filter(|one| one.row.run.tenant == busy).map(|one| one.row.id).collect();
    assert_eq!(taken, oldest[..2]);
    let one = &first[0];
    assert_eq!((one.row.state, one.row.attempts, one.row.started_at), (CallbackState::Running, 1, Some(at(3))));
    assert_eq!((one.row.hostname.as_deref(), one.clear_number), (Some("worker-1"), 0));

    // The one that has fewer running is first; nobody gets what is another's already, or on another queue.
    assert_eq!(of(&claim(store, Uuid::new_v4(), 1, 3).await, other), 1);
    assert_eq!(of(&claim(store, Uuid::new_v4(), 9, 3).await, busy), 2);
    assert!(claim(store, worker, 9, 3).await.is_empty());
}

pub async fn the_end_of_a_callback_is_its_workers_to_tell(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &[]).await;
    let driver = Driver::new(store);
    let run = driver.take(1).await.pop().unwrap().run;
    call(&driver, &run, vec![due(CallbackEvent::OnFailure, None, 2), due(CallbackEvent::OnRetry, None, 2)], 2).await;
    let worker = Uuid::new_v4();
    let claimed = claim(store, worker, 2, 3).await;
    let tokens: Vec<Uuid> = claimed.iter().map(|one| one.lease_token).collect();
    assert!(store.heartbeat_callbacks(worker, &tokens, at(30)).await.unwrap().is_empty());
    assert_eq!(store.heartbeat_callbacks(Uuid::new_v4(), &tokens, at(90)).await.unwrap(), tokens);

    // A run that has ended keeps its callbacks.
    driver.finish(&run, RunState::Failed, 4).await;
    let failed = report(&claimed[0], CallbackState::Failed, Some("no\0"), 5);
    assert!(store.report_callback(&failed).await.unwrap());
    assert!(!store.report_callback(&failed).await.unwrap(), "it has ended");
    assert!(store.report_callback(&report(&claimed[1], CallbackState::Queued, Some("stopped"), 5)).await.unwrap());
    let rows = all(store, run.key).await;
    assert_eq!((rows[0].state, rows[0].ended_at), (CallbackState::Failed, Some(at(5))));
    assert_eq!(rows[0].message.as_deref(), Some("no\u{fffd}"));
    assert_eq!((rows[1].state, rows[1].ended_at, rows[1].attempts), (CallbackState::Queued, None, 1));
    let again = claim(store, worker, 2, 6).await;
    assert_eq!((again.len(), again[0].row.attempts, again[0].row.message.as_deref()), (1, 2, None));
    assert!(store.report_callback(&report(&again[0], CallbackState::Success, None, 7)).await.unwrap());
    assert_eq!(all(store, run.key).await[1].state, CallbackState::Success);
}

pub async fn a_callback_whose_worker_is_silent_is_called_again_a_few_times(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &[]).await;
    let driver = Driver::new(store);
    let run = driver.take(1).await.pop().unwrap().run;
    call(&driver, &run, vec![due(CallbackEvent::OnFailure, None, 2)], 2).await;
    let long_ago = at(-1_000);
    for attempt in 1..=MAXIMUM_ATTEMPTS {
        let now = 100 * i64::from(attempt);
        let claimed = claim(store, Uuid::new_v4(), 1, now).await.pop().unwrap();
        assert_eq!(claimed.row.attempts, attempt);
        assert_eq!(store.expire_callbacks(at(now + 5), long_ago).await.unwrap(), ExpiredCallbacks::default());
        let expired = store.expire_callbacks(at(now + 20), long_ago).await.unwrap();
        let is_last = attempt == MAXIMUM_ATTEMPTS;
        assert_eq!((expired.again, expired.failed), (u64::from(!is_last), u64::from(is_last)));
        let late = report(&claimed, CallbackState::Success, None, now + 30);
        assert!(!store.report_callback(&late).await.unwrap(), "a late result is refused");
        let gone = store.heartbeat_callbacks(Uuid::new_v4(), &[claimed.lease_token], at(now + 90)).await.unwrap();
        assert_eq!(gone, [claimed.lease_token]);
    }
    let row = all(store, run.key).await.pop().unwrap();
    assert_eq!((row.state, row.attempts), (CallbackState::Failed, MAXIMUM_ATTEMPTS));
    assert!(row.message.unwrap().contains("worker-1"));

    // What no worker wants does not wait for ever.
    call(&driver, &run, vec![due(CallbackEvent::OnRetry, None, 400)], 400).await;
    assert_eq!(store.expire_callbacks(at(500), at(400)).await.unwrap(), ExpiredCallbacks::default());
    assert_eq!(store.expire_callbacks(at(500), at(401)).await.unwrap(), ExpiredCallbacks { again: 0, failed: 1 });
    assert!(claim(store, Uuid::new_v4(), 1, 500).await.is_empty());
}

pub async fn callbacks_go_with_their_run(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &[]).await;
    let driver = Driver::new(store);
    let run = driver.take(1).await.pop().unwrap().run;
    call(&driver, &run, vec![due(CallbackEvent::OnFailure, None, 2)], 2).await;
    let claimed = claim(store, Uuid::new_v4(), 1, 3).await.pop().unwrap();
    driver.finish(&run, RunState::Failed, 4).await;
    assert!(store.delete_run(tenant, "sales", "one").await.unwrap());
    assert!(all(store, run.key).await.is_empty());
    assert!(!store.report_callback(&report(&claimed, CallbackState::Success, None, 5)).await.unwrap());
}
