//! `/dags/{dag_id}/tasks`: the tasks of a DAG's newest version.

use airlock_core::access::{Action, Resource};
use airlock_core::dag::downstream_of;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::models::{TaskCollection, TaskResponse, task_of};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TaskOrder {
    /// `task_id` or `-task_id`.
    #[serde(default = "by_id")]
    order_by: String,
}

fn by_id() -> String {
    "task_id".to_owned()
}

/// The tasks of a DAG.
#[utoipa::path(get, path = "/dags/{dag_id}/tasks", tag = "Task", operation_id = "get_tasks",
    params(("dag_id" = String, Path), TaskOrder),
    responses((status = 200, body = TaskCollection), Refusals))]
pub async fn get_tasks(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(order): Query<TaskOrder>,
) -> Answer<Json<TaskCollection>> {
    principal.may(Action::Read, Resource::Dag)?;
    let row = lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    let mut tasks: Vec<_> = row.dag.tasks.iter().collect();
    tasks.sort_by(|left, right| left.task_id.cmp(&right.task_id));
    match order.order_by.as_str() {
        "task_id" => {}
        "-task_id" => tasks.reverse(),
        other => {
            return Err(Problem::bad_request(format!("cannot order by `{other}`; possible are: task_id, -task_id")));
        }
    }
    let downstream = downstream_of(&row.dag);
    let tasks: Vec<_> = tasks.into_iter().map(|task| TaskResponse::new(task, &downstream)).collect();
    let total_entries = tasks.len() as u64;
    Ok(Json(TaskCollection { tasks, total_entries }))
}

/// One task of a DAG.
#[utoipa::path(get, path = "/dags/{dag_id}/tasks/{task_id}", tag = "Task", operation_id = "get_task",
    params(("dag_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskResponse), Refusals))]
pub async fn get_task(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, task_id)): Path<(String, String)>,
) -> Answer<Json<TaskResponse>> {
    principal.may(Action::Read, Resource::Dag)?;
    let row = lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    let task = task_of(&row.dag, &task_id)
        .ok_or_else(|| Problem::not_found(format!("The Dag `{dag_id}` has no task `{task_id}`")))?;
    Ok(Json(TaskResponse::new(task, &downstream_of(&row.dag))))
}
