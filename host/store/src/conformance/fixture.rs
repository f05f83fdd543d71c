//! DAGs, runs and drivers for the cases.

use airlock_core::dag::{Dag, OperatorKind, ResolvedOperator, Schedule, Seconds, Sensor, Task};
use airlock_core::id::{RunKey, TenantId, UNMAPPED};
use airlock_core::limits::{LimitOverrides, TenantPolicy};
use airlock_core::outcome::TryResult;
use airlock_core::state::{RunState, RunType, TaskState, TriggerRule, WeightRule};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Map;
use uuid::Uuid;

use crate::Store;
use crate::dags::{DagRow, PutDag};
use crate::driving::{
    Admission, Batch, Committed, LoadedRun, Move, NewInstance, ReportedTry, RunChange, Settles, Usage, UsageQuery,
};
use crate::instances::InstanceRow;
use crate::queue::{ClaimedTry, NewQueueEntry, TryReport};
use crate::runs::{NewRun, RunRow};
use crate::settings::DEFAULT_POOL;

/// So many seconds after the instant at which every case begins.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub async fn tenant(store: &dyn Store, name: &str) -> TenantId {
    store.create_tenant(name, &TenantPolicy::default(), at(0)).await.unwrap().id
}

pub fn task(task_id: &str, upstream: &[&str]) -> Task {
    Task {
        task_id: task_id.to_owned(),
        task_display_name: None,
        doc_md: None,
        owner: "airlock".to_owned(),
        operator: "empty".to_owned(),
        resolved: ResolvedOperator {
            name: "empty".to_owned(),
            version: "1.0.0".to_owned(),
            digest: format!("sha256:{}", "0".repeat(64)),
            kind: OperatorKind::Action,
            template_fields: Vec::new(),
        },
        args: Map::new(),
        upstream: upstream.iter().map(|id| (*id).to_owned()).collect(),
        trigger_rule: TriggerRule::AllSuccess,
        retries: 0,
        retry_delay: Seconds(0.0),
        retry_exponential_backoff: 0.0,
        max_retry_delay: None,
        execution_timeout: None,
        depends_on_past: false,
        wait_for_downstream: false,
        ignore_first_depends_on_past: true,
        pool: DEFAULT_POOL.to_owned(),
        pool_slots: 1,
        priority_weight: 1,
        weight_rule: WeightRule::Absolute,
        queue: "default".to_owned(),
        max_active_tis_per_dag: None,
        max_active_tis_per_dagrun: None,
        task_group: None,
        do_xcom_push: true,
        multiple_outputs: false,
        params: Map::new(),
        grants: None,
        limits: LimitOverrides::default(),
        sensor: Sensor {
            poke_interval: Seconds(60.0),
            timeout: Seconds(600.0),
            soft_fail: false,
            exponential_backoff: false,
            max_wait: None,
        },
        is_setup: false,
        is_teardown: false,
        on_failure_fail_dagrun: false,
    }
}

/// A DAG of tasks without dependencies.
pub fn dag(dag_id: &str, tasks: &[&str]) -> Dag {
    Dag {
        dag_id: dag_id.to_owned(),
        dag_display_name: None,
        description: None,
        doc_md: None,
        owner: "airlock".to_owned(),
        tags: Vec::new(),
        schedule: Schedule::None,
        timezone: "UTC".to_owned(),
        start_date: None,
        end_date: None,
        catchup: false,
        max_active_runs: 16,
        max_active_tasks: 16,
        max_consecutive_failed_dag_runs: 0,
        dagrun_timeout: None,
        fail_fast: false,
        is_paused_upon_creation: false,
        params: Map::new(),
        render_template_as_native_obj: false,
        tasks: tasks.iter().map(|id| task(id, &[])).collect(),
        task_groups: Vec::new(),
        edge_labels: Vec::new(),
    }
}

/// Puts a document whose hash is its content.
pub async fn put_dag(store: &dyn Store, tenant: TenantId, dag: &Dag) -> DagRow {
    let source = serde_json::to_string(dag).unwrap();
    let put = PutDag { tenant, dag, hash: &source, source: &source, expected_version: None, now: at(0) };
    store.put_dag(put).await.unwrap().0
}

pub fn new_run(tenant: TenantId, dag_id: &str, run_id: &str) -> NewRun {
    NewRun {
        tenant,
        dag_id: dag_id.to_owned(),
        run_id: run_id.to_owned(),
        run_type: RunType::Manual,
        logical_date: None,
        data_interval: None,
        run_after: at(0),
        conf: Map::new(),
        note: None,
        triggered_by: "rest_api".to_owned(),
        triggering_user: None,
        now: at(0),
    }
}

/// A DAG `dag_id` of these tasks, and a queued run `run_id` of it.
pub async fn run_of(store: &dyn Store, tenant: TenantId, dag_id: &str, run_id: &str, tasks: &[&str]) -> RunRow {
    put_dag(store, tenant, &dag(dag_id, tasks)).await;
    store.create_run(&new_run(tenant, dag_id, run_id)).await.unwrap()
}

/// A move that only changes the state.
pub fn move_to(instance: &InstanceRow, to: Option<TaskState>, seconds: i64) -> Move {
    Move {
        instance: instance.id,
        from_states: vec![instance.state],
        from_try: instance.try_number,
        to,
        to_try: instance.try_number,
        max_tries: instance.max_tries,
        at: at(seconds),
        wake_at: None,
        reschedules: instance.reschedules,
        resume_state: None,
        message: None,
        settles: None,
    }
}

/// The move that settles a reported try.
pub fn settle(reported: &ReportedTry, to: TaskState, seconds: i64) -> Move {
    Move {
        instance: reported.instance,
        from_states: vec![Some(TaskState::Queued), Some(TaskState::Running)],
        from_try: reported.try_number,
        to: Some(to),
        to_try: reported.try_number,
        max_tries: 0,
        at: at(seconds),
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        message: None,
        settles: Some(Settles {
            lease_token: Some(reported.lease_token),
            started_at: Some(reported.started_at),
            ended_at: reported.ended_at,
            hostname: reported.hostname.clone(),
            final_state: Some(to),
            cause: None,
            message: None,
            rendered_fields: reported.rendered_fields.clone(),
        }),
    }
}

/// What queues a scheduled instance for its next try.
pub fn admission(run: &RunRow, instance: &InstanceRow) -> Admission {
    Admission {
        run: run.key,
        epoch: run.epoch,
        instance: instance.id,
        from_try: instance.try_number,
        to_try: instance.try_number + 1,
        entry: NewQueueEntry {
            dag_id: run.dag_id.clone(),
            task_id: instance.task_id.clone(),
            map_index: instance.map_index,
            dag_version: run.dag_version,
            pool: instance.pool.clone(),
            pool_slots: instance.pool_slots,
            queue: instance.queue.clone(),
            priority: instance.priority_weight,
            resume: None,
        },
    }
}

pub fn report(claimed: &ClaimedTry, result: TryResult, seconds: i64) -> TryReport {
    TryReport {
        lease_token: claimed.lease_token,
        run: claimed.run,
        instance: claimed.instance,
        task_id: claimed.task_id.clone(),
        map_index: claimed.map_index,
        ended_at: at(seconds),
        result,
        xcoms: Vec::new(),
        rendered_fields: None,
    }
}

pub fn success() -> TryResult {
    TryResult::Success { value: None }
}

/// A scheduler, as small as it can be.
pub struct Driver<'a> {
    pub store: &'a dyn Store,
    pub owner: Uuid,
}

impl<'a> Driver<'a> {
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, owner: Uuid::new_v4() }
    }

    /// Takes all that can be taken, with leases of a minute.
    pub async fn take(&self, seconds: i64) -> Vec<LoadedRun> {
        self.store.take_runs(self.owner, at(seconds), at(seconds + 60), 100).await.unwrap()
    }

    pub async fn commit(&self, changes: Vec<(RunKey, i64, RunChange)>, seconds: i64) -> Committed {
        self.commit_and_admit(changes, UsageQuery::default(), seconds, &|_| Vec::new()).await
    }

    pub async fn commit_and_admit(
        &self,
        changes: Vec<(RunKey, i64, RunChange)>,
        usage: UsageQuery,
        seconds: i64,
        admit: &(dyn for<'u> Fn(&'u Usage) -> Vec<Admission> + Send + Sync),
    ) -> Committed {
        let batch = Batch { owner: self.owner, now: at(seconds), changes, usage };
        self.store.commit(&batch, admit).await.unwrap()
    }

    /// Applies one change of one run, which nothing must stand in the way of.
    pub async fn change(&self, run: &RunRow, change: RunChange, seconds: i64) {
        let committed = self.commit(vec![(run.key, run.epoch, change)], seconds).await;
        assert_eq!(committed, Committed::default());
    }

    /// Takes the only run there is, and makes a scheduled instance of each of its tasks.
    pub async fn start(&self, seconds: i64) -> (RunRow, Vec<InstanceRow>) {
        let loaded = self.take(seconds).await.pop().expect("a run to take");
        self.schedule(&loaded, seconds).await
    }

    /// Makes a scheduled instance of each task of a run.
    pub async fn schedule(&self, loaded: &LoadedRun, seconds: i64) -> (RunRow, Vec<InstanceRow>) {
        let create = loaded
            .dag
            .tasks
            .iter()
            .map(|task| NewInstance {
                id: Uuid::new_v4(),
                task_id: task.task_id.clone(),
                map_index: UNMAPPED,
                state: Some(TaskState::Scheduled),
                max_tries: task.retries,
                operator: task.resolved.name.clone(),
                pool: task.pool.clone(),
                pool_slots: task.pool_slots,
                queue: task.queue.clone(),
                priority_weight: task.priority_weight.into(),
                scheduled_at: Some(at(seconds)),
            })
            .collect();
        self.change(&loaded.run, RunChange { create, ..RunChange::default() }, seconds).await;
        let loaded = self.store.load_run(loaded.run.key).await.unwrap().expect("the run");
        (loaded.run, loaded.instances)
    }

    /// Queues these instances, whatever the pools say.
    pub async fn admit(&self, run: &RunRow, instances: &[&InstanceRow], seconds: i64) {
        let admissions: Vec<Admission> = instances.iter().map(|instance| admission(run, instance)).collect();
        let committed =
            self.commit_and_admit(Vec::new(), UsageQuery::default(), seconds, &|_| admissions.clone()).await;
        assert_eq!(committed.admitted.len(), instances.len(), "{committed:?}");
    }

    /// Settles everything that workers have reported as this.
    pub async fn settle(&self, run: &RunRow, to: TaskState, seconds: i64) {
        let reported = self.store.reported_tries(self.owner, 100).await.unwrap();
        let moves = reported.iter().map(|reported| settle(reported, to, seconds)).collect();
        self.change(run, RunChange { moves, ..RunChange::default() }, seconds).await;
    }

    pub async fn finish(&self, run: &RunRow, state: RunState, seconds: i64) {
        let change = RunChange { run_state: Some(state), at: Some(at(seconds)), ..RunChange::default() };
        self.change(run, change, seconds).await;
    }
}

/// A worker, as small as it can be.
pub struct Worker<'a> {
    pub store: &'a dyn Store,
    pub id: Uuid,
}

impl<'a> Worker<'a> {
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, id: Uuid::new_v4() }
    }

    /// Claims from the queue `default`, with leases of ten seconds.
    pub async fn claim(&self, limit: u32, seconds: i64) -> Vec<ClaimedTry> {
        let queues = ["default".to_owned()];
        self.store.claim_tries(self.id, "worker-1", &queues, limit, at(seconds), at(seconds + 10)).await.unwrap()
    }

    /// Reports, and expects that it is not refused.
    pub async fn report(&self, claimed: &ClaimedTry, result: TryResult, seconds: i64) {
        let stale = self.store.report_tries(&[report(claimed, result, seconds)]).await.unwrap();
        assert!(stale.is_empty(), "a report was refused");
    }
}
