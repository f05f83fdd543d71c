//! Reads cases. They lie in `tests/conformance`; `AIRLOCK_CONFORMANCE` names another folder with cases of the same shape.

use std::path::{Path, PathBuf};

use airlock_core::dag::{Dag, OperatorKind, ResolvedOperator, Schedule, Seconds, Sensor, SensorMode, Task};
use airlock_core::limits::LimitOverrides;
use airlock_core::state::{TriggerRule, WeightRule};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "where cases lie is for the one who runs the tests")]
fn folder() -> PathBuf {
    std::env::var_os("AIRLOCK_CONFORMANCE")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance")), PathBuf::from)
}

/// The list `key` of a file.
pub fn read(file: &str, key: &str) -> Vec<Value> {
    read_from(&folder().join(file), key)
}

/// The object `key` of a file.
pub fn read_object(file: &str, key: &str) -> Value {
    read_document(&folder().join(file))[key].clone()
}

/// The list `key` of a file of our own, with more cases of the same shape.
pub fn read_more(file: &str, key: &str) -> Vec<Value> {
    read_from(&PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(file), key)
}

#[expect(clippy::disallowed_methods, reason = "tests read files of cases")]
fn read_document(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn read_from(path: &Path, key: &str) -> Vec<Value> {
    read_document(path)[key].as_array().unwrap_or_else(|| panic!("{} has no list `{key}`", path.display())).clone()
}

/// Runs `case` on each case that `ours` picks, and fails with every fault at once. At least one case must have been there.
pub fn judge(cases: &[Value], ours: impl Fn(&Value) -> bool, case: impl Fn(&Value) -> Result<(), String>) {
    let chosen: Vec<_> = cases.iter().filter(|case| ours(case)).collect();
    assert!(!chosen.is_empty(), "no case was found");
    let faults: Vec<String> = chosen
        .iter()
        .filter_map(|value| case(value).err().map(|fault| format!("{}: {fault}", value["id"].as_str().unwrap_or("?"))))
        .collect();
    assert!(faults.is_empty(), "{} of {} cases failed:\n{}", faults.len(), chosen.len(), faults.join("\n"));
}

pub fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}

pub fn field<T: for<'a> Deserialize<'a>>(value: &Value, key: &str) -> T {
    T::deserialize(&value[key]).unwrap_or_else(|error| panic!("`{key}` of {value}: {error}"))
}

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
        tasks,
        task_groups: Vec::new(),
        edge_labels: Vec::new(),
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
