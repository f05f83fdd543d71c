//! A scheduler at work on a database, and a worker whose tries end as a test says.

use std::sync::Arc;
use std::time::Duration;

use airlock_core::dag::Dag;
use airlock_core::id::TenantId;
use airlock_core::outcome::{Failure, FailureCause, TryResult};
use airlock_core::state::{RunState, TaskState};
use airlock_scheduler::{Scheduler, SchedulerOptions};
use airlock_store::Page;
use airlock_store::Store;
use airlock_store::conformance::fixture::{new_run, put_dag, tenant};
use airlock_store::instances::{InstanceFilter, InstanceRow};
use airlock_store::queue::{ClaimedTry, TryReport};
use airlock_store::runs::{NewRun, RunRow};
use airlock_store::wake::Wake;
use airlock_store_sqlite::{SqliteStore, TemporaryStore};
use chrono::{SubsecRound, TimeDelta, Utc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    pub store: Arc<dyn Store>,
    /// Keeps the database's file.
    _temporary: TemporaryStore,
    pub wake: Wake,
    pub tenant: TenantId,
    shutdown: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    pub async fn new() -> Self {
        // `RUST_LOG=debug` shows what a scheduler does.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok();
        let temporary = SqliteStore::in_temporary_folder().await.unwrap();
        let store: Arc<dyn Store> = temporary.shared();
        let tenant = tenant(&*store, "acme").await;
        let (wake, shutdown) = (Wake::default(), CancellationToken::new());
        Self { store, _temporary: temporary, wake, tenant, shutdown, tasks: Vec::new() }
    }

    /// With passes so far apart that only wake-ups and timers can make a test quick.
    pub fn start_scheduler(&mut self) {
        let pass_interval = Duration::from_secs(5);
        self.start_scheduler_with(SchedulerOptions { pass_interval, ..SchedulerOptions::default() });
    }

    pub fn start_scheduler_with(&mut self, options: SchedulerOptions) {
        let scheduler = self.spawn_scheduler(options);
        self.tasks.push(scheduler);
    }

    /// A scheduler that nobody waits for: aborted, it is as dead as its process would be.
    pub fn spawn_scheduler(&self, options: SchedulerOptions) -> JoinHandle<()> {
        let scheduler = Scheduler::new(Arc::clone(&self.store), self.wake.clone(), Arc::new(Utc::now), options);
        tokio::spawn(scheduler.run(self.shutdown.clone()))
    }

    /// A worker that runs any number of tries at once, each ending as `result` says.
    pub fn start_worker(&mut self, result: impl Fn(&ClaimedTry) -> TryResult + Send + Sync + 'static) {
        let (store, wake, shutdown) = (Arc::clone(&self.store), self.wake.clone(), self.shutdown.clone());
        self.tasks.push(tokio::spawn(async move {
            let worker = Uuid::new_v4();
            while !shutdown.is_cancelled() {
                let claimed = claim(&*store, worker, 1_000).await;
                let reports: Vec<TryReport> = claimed.iter().map(|one| report(one, result(one))).collect();
                if reports.is_empty() {
                    tokio::select! {
                        () = wake.queue().raised() => {}
                        () = shutdown.cancelled() => {}
                    }
                    continue;
                }
                assert!(store.report_tries(&reports).await.unwrap().is_empty());
                wake.reports().raise();
            }
        }));
    }

    pub async fn put(&self, dag: &Dag) {
        put_dag(&*self.store, self.tenant, dag).await;
    }

    /// Triggers a run by hand.
    pub async fn trigger(&self, dag_id: &str, run_id: &str) {
        let now = Utc::now().trunc_subsecs(6);
        let run = NewRun { run_after: now, now, ..new_run(self.tenant, dag_id, run_id) };
        self.store.create_run(&run).await.unwrap();
        self.wake.runs().raise();
    }

    pub async fn run(&self, dag_id: &str, run_id: &str) -> RunRow {
        self.store.run(self.tenant, dag_id, run_id).await.unwrap().unwrap()
    }

    /// Waits for a run to end.
    pub async fn end_of(&self, dag_id: &str, run_id: &str) -> RunState {
        self.until(async || Some(self.run(dag_id, run_id).await.state).filter(|state| state.is_finished())).await
    }

    pub async fn instances(&self, dag_id: &str, run_id: &str) -> Vec<InstanceRow> {
        let filter = InstanceFilter {
            dag_id: Some(dag_id.to_owned()),
            run_id: Some(run_id.to_owned()),
            ..InstanceFilter::default()
        };
        let page = Page { limit: 10_000, ..Page::default() };
        self.store.list_instances(self.tenant, &filter, &page).await.unwrap().items
    }

    pub async fn instance(&self, dag_id: &str, run_id: &str, task_id: &str) -> InstanceRow {
        self.store.instance(self.tenant, dag_id, run_id, task_id, -1).await.unwrap().unwrap()
    }

    /// Task ids and states, in the order of the DAG.
    pub async fn states(&self, dag_id: &str, run_id: &str) -> Vec<(String, Option<TaskState>)> {
        self.instances(dag_id, run_id).await.into_iter().map(|one| (one.task_id, one.state)).collect()
    }

    /// Asks again and again; nothing tells of changes outside the scheduler.
    pub async fn until<T>(&self, question: impl AsyncFn() -> Option<T>) -> T {
        let asked = async {
            loop {
                if let Some(answer) = question().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("what was waited for has not come about")
    }

    pub async fn stop(mut self) {
        self.shutdown.cancel();
        self.wake.queue().raise();
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
    }
}

pub async fn claim(store: &dyn Store, worker: Uuid, limit: u32) -> Vec<ClaimedTry> {
    let now = Utc::now().trunc_subsecs(6);
    let queues = ["default".to_owned()];
    store.claim_tries(worker, "worker-1", &queues, limit, now, now + TimeDelta::seconds(60)).await.unwrap()
}

pub fn report(claimed: &ClaimedTry, result: TryResult) -> TryReport {
    TryReport {
        lease_token: claimed.lease_token,
        run: claimed.run,
        instance: claimed.instance,
        task_id: claimed.task_id.clone(),
        map_index: claimed.map_index,
        ended_at: Utc::now().trunc_subsecs(6),
        result,
        xcoms: Vec::new(),
        rendered_fields: None,
        outlet_events: Vec::new(),
    }
}

pub fn success() -> TryResult {
    TryResult::Success { value: None, length: None }
}

pub fn failure() -> TryResult {
    let message = "as the test has it".to_owned();
    TryResult::Failure(Failure::new(FailureCause::Operator, true, message))
}
