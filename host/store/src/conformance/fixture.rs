//! DAGs, runs and drivers for the cases.

use airlock_core::dag::{Callbacks, Dag, OperatorKind, ResolvedOperator, Schedule, Seconds, Sensor, SensorMode, Task};
use airlock_core::id::{TenantId, UNMAPPED};
use airlock_core::limits::{LimitOverrides, TenantPolicy};
use airlock_core::outcome::TryResult;
use airlock_core::state::{RunType, TaskState, TriggerRule, TriggeredBy, WeightRule};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Map;
use uuid::Uuid;

use crate::dags::{DagRow, PutDag};
use crate::driving::{Admission, LoadedRun, Move, NewInstance, ReportedTry, Settles};
use crate::instances::InstanceRow;
use crate::queue::{ClaimedTry, NewQueueEntry, TryReport};
use crate::runs::{NewRun, RunRow};
use crate::settings::DEFAULT_POOL;
use crate::{Page, Store};

/// So many seconds after the instant at which every case begins.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// A page of a list, ordered by fields with `true` for descending.
pub fn page(limit: u32, offset: u32, order_by: &[(&str, bool)]) -> Page {
    Page { limit, offset, order_by: order_by.iter().map(|(field, down)| ((*field).to_owned(), *down)).collect() }
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
            mode: SensorMode::default(),
            poke_interval: Seconds(60.0),
            timeout: Seconds(600.0),
            soft_fail: false,
            never_fail: false,
            silent_fail: false,
            exponential_backoff: false,
            max_wait: None,
        },
        outlets: Vec::new(),
        inlets: Vec::new(),
        is_setup: false,
        is_teardown: false,
        on_failure_fail_dagrun: false,
        mapping: None,
        map_index_template: None,
        callbacks: Callbacks::default(),
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
        rerun_with_latest_version: None,
        tasks: tasks.iter().map(|id| task(id, &[])).collect(),
        task_groups: Vec::new(),
        edge_labels: Vec::new(),
        callbacks: Callbacks::default(),
        deadlines: Vec::new(),
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
        triggered_by: TriggeredBy::RestApi,
        partition: None,
        triggering_user: None,
        now: at(0),
    }
}

/// A DAG `dag_id` of these tasks, and a queued run `run_id` of it.
pub async fn run_of(store: &dyn Store, tenant: TenantId, dag_id: &str, run_id: &str, tasks: &[&str]) -> RunRow {
    put_dag(store, tenant, &dag(dag_id, tasks)).await;
    store.create_run(&new_run(tenant, dag_id, run_id)).await.unwrap()
}

/// The run ids of taken runs, in their order.
pub fn run_ids(runs: &[LoadedRun]) -> String {
    runs.iter().map(|loaded| loaded.run.run_id.as_str()).collect::<Vec<_>>().join(" ")
}

/// A scheduled instance that is not mapped.
pub fn new_instance(task_id: &str) -> NewInstance {
    NewInstance {
        id: Uuid::new_v4(),
        task_id: task_id.to_owned(),
        map_index: UNMAPPED,
        state: Some(TaskState::Scheduled),
        max_tries: 0,
        operator: "empty".to_owned(),
        pool: DEFAULT_POOL.to_owned(),
        pool_slots: 1,
        queue: "default".to_owned(),
        priority_weight: 1,
        scheduled_at: Some(at(0)),
    }
}

/// The row that a new instance becomes.
pub fn instance_of(run: &RunRow, new: &NewInstance) -> InstanceRow {
    InstanceRow {
        id: new.id,
        run: run.key,
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        task_id: new.task_id.clone(),
        map_index: new.map_index,
        state: new.state,
        try_number: 0,
        max_tries: new.max_tries,
        operator: new.operator.clone(),
        pool: new.pool.clone(),
        pool_slots: new.pool_slots,
        queue: new.queue.clone(),
        priority_weight: new.priority_weight,
        scheduled_at: new.scheduled_at,
        queued_at: None,
        started_at: None,
        ended_at: None,
        first_started_at: None,
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        skips: Vec::new(),
        hostname: None,
        note: None,
        message: None,
        rendered_fields: None,
        map_length: None,
        rendered_map_index: None,
        dag_version: run.dag_version,
        logical_date: run.logical_date,
        run_after: run.run_after,
    }
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
            skips: Vec::new(),
            map_length: None,
            outlet_events: reported.outlet_events.clone(),
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
            on_execute: Vec::new(),
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
        outlet_events: Vec::new(),
    }
}

pub fn success() -> TryResult {
    TryResult::Success { value: None, length: None }
}
