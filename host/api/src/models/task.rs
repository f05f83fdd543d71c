//! Tasks of a DAG.

use std::collections::BTreeMap;

use airlock_core::dag::Task;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{TimeDeltaResponse, params};

#[derive(Debug, Serialize, ToSchema)]
pub struct TaskResponse {
    task_id: Option<String>,
    task_display_name: Option<String>,
    owner: Option<String>,
    start_date: Option<DateTime<Utc>>,
    end_date: Option<DateTime<Utc>>,
    trigger_rule: Option<String>,
    depends_on_past: bool,
    wait_for_downstream: bool,
    retries: Option<f64>,
    queue: Option<String>,
    pool: Option<String>,
    pool_slots: Option<f64>,
    execution_timeout: Option<TimeDeltaResponse>,
    retry_delay: Option<TimeDeltaResponse>,
    retry_exponential_backoff: f64,
    priority_weight: Option<f64>,
    weight_rule: Option<String>,
    ui_color: Option<String>,
    ui_fgcolor: Option<String>,
    template_fields: Option<Vec<String>>,
    downstream_task_ids: Option<Vec<String>>,
    doc_md: Option<String>,
    operator_name: Option<String>,
    params: Value,
    class_ref: Value,
    is_mapped: Option<bool>,
    extra_links: Vec<String>,
}

/// What people call a task.
pub fn task_display_name(task: &Task) -> String {
    task.task_display_name.clone().unwrap_or_else(|| task.task_id.clone())
}

impl TaskResponse {
    /// `downstream` is [`airlock_core::dag::downstream_of`] the DAG.
    pub fn new(task: &Task, downstream: &BTreeMap<&str, Vec<&str>>) -> Self {
        let mut downstream: Vec<String> =
            downstream.get(task.task_id.as_str()).into_iter().flatten().map(|task_id| (*task_id).to_owned()).collect();
        downstream.sort();
        Self {
            task_id: Some(task.task_id.clone()),
            task_display_name: Some(task_display_name(task)),
            owner: Some(task.owner.clone()),
            start_date: None,
            end_date: None,
            trigger_rule: Some(task.trigger_rule.to_string()),
            depends_on_past: task.depends_on_past,
            wait_for_downstream: task.wait_for_downstream,
            retries: Some(f64::from(task.retries)),
            queue: Some(task.queue.clone()),
            pool: Some(task.pool.clone()),
            pool_slots: Some(f64::from(task.pool_slots)),
            execution_timeout: task.execution_timeout.map(Into::into),
            retry_delay: Some(task.retry_delay.into()),
            retry_exponential_backoff: task.retry_exponential_backoff,
            priority_weight: Some(f64::from(task.priority_weight)),
            weight_rule: Some(task.weight_rule.to_string()),
            ui_color: Some("#fff".to_owned()),
            ui_fgcolor: Some("#000".to_owned()),
            template_fields: Some(task.resolved.template_fields.clone()),
            downstream_task_ids: Some(downstream),
            doc_md: task.doc_md.clone(),
            operator_name: Some(task.resolved.name.clone()),
            params: params(&task.params),
            // Airflow names a Python class here; ours is the module.
            class_ref: json!({ "module_path": task.resolved.digest, "class_name": task.resolved.name }),
            is_mapped: Some(task.mapping.is_some()),
            extra_links: Vec::new(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskCollectionResponse)]
pub struct TaskCollection {
    pub tasks: Vec<TaskResponse>,
    pub total_entries: u64,
}
