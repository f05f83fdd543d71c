//! What cases are about, with Airflow's defaults.

use airlock_core::dag::{Callbacks, Dag, OperatorKind, ResolvedOperator, Schedule, Seconds, Sensor, SensorMode, Task};
use airlock_core::limits::LimitOverrides;
use airlock_core::state::{TriggerRule, WeightRule};
use chrono::{DateTime, Utc};

pub use airlock_conformance::{equal, field, judge, only};

/// A DAG with Airflow's defaults and these tasks.
pub fn dag(tasks: Vec<Task>) -> Dag {
    Dag {
        dag_id: "d".to_owned(),
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
        params: serde_json::Map::new(),
        render_template_as_native_obj: false,
        rerun_with_latest_version: None,
        tasks,
        task_groups: Vec::new(),
        edge_labels: Vec::new(),
        callbacks: Callbacks::default(),
        deadlines: Vec::new(),
    }
}

/// A task with Airflow's defaults.
pub fn task(task_id: &str) -> Task {
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
        args: serde_json::Map::new(),
        upstream: Vec::new(),
        trigger_rule: TriggerRule::AllSuccess,
        retries: 0,
        retry_delay: Seconds(300.0),
        retry_exponential_backoff: 0.0,
        max_retry_delay: None,
        execution_timeout: None,
        depends_on_past: false,
        wait_for_downstream: false,
        ignore_first_depends_on_past: true,
        pool: "default_pool".to_owned(),
        pool_slots: 1,
        priority_weight: 1,
        weight_rule: WeightRule::Downstream,
        queue: "default".to_owned(),
        max_active_tis_per_dag: None,
        max_active_tis_per_dagrun: None,
        task_group: None,
        do_xcom_push: true,
        multiple_outputs: false,
        params: serde_json::Map::new(),
        grants: None,
        limits: LimitOverrides::default(),
        sensor: Sensor {
            mode: SensorMode::default(),
            poke_interval: Seconds(60.0),
            timeout: Seconds(604_800.0),
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

/// Adds the edges of a case, pairs of task ids, as upstream lists.
pub fn connect(tasks: &mut [Task], edges: &[(String, String)]) {
    for task in tasks {
        let upstream = edges.iter().filter(|(_, to)| *to == task.task_id).map(|(from, _)| from.clone());
        task.upstream.extend(upstream);
        task.upstream.sort();
        task.upstream.dedup();
    }
}

pub type Moment = DateTime<Utc>;
