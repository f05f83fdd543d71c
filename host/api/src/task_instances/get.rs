use airlock_core::access::{Action, Resource};
use airlock_core::id::UNMAPPED;
use airlock_store::Page;
use airlock_store::instances::InstanceFilter;
use axum::Json;
use axum::extract::State;

use super::response;
use crate::extract::{Path, Principal};
use crate::lookup;
use crate::models::TaskInstanceResponse;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// One task instance that is not mapped.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}", tag = "Task Instance",
    operation_id = "get_task_instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskInstanceResponse), Refusals))]
pub async fn get_task_instance(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
) -> Answer<Json<TaskInstanceResponse>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let store = &*state.store;
    match lookup::instance(store, principal.tenant, &dag_id, &run_id, &task_id, UNMAPPED).await {
        Ok(row) => response(store, principal.tenant, &row).await.map(Json),
        Err(absent) => {
            let filter = InstanceFilter {
                dag_id: Some(dag_id),
                run_id: Some(run_id),
                task_ids: vec![task_id],
                ..InstanceFilter::default()
            };
            let page = Page { limit: 1, ..Page::default() };
            let mapped = store.list_instances(principal.tenant, &filter, &page).await?.total > 0;
            Err(if mapped {
                Problem::not_found("Task instance is mapped, add the map_index value to the URL")
            } else {
                absent
            })
        }
    }
}

/// One task instance of a mapped task (`map_index` -1: of one that is not mapped).
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}",
    tag = "Task Instance", operation_id = "get_mapped_task_instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("map_index" = i32, Path)),
    responses((status = 200, body = TaskInstanceResponse), Refusals))]
pub async fn get_mapped_task_instance(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, map_index)): Path<(String, String, String, i32)>,
) -> Answer<Json<TaskInstanceResponse>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let row = lookup::instance(&*state.store, principal.tenant, &dag_id, &run_id, &task_id, map_index).await?;
    response(&*state.store, principal.tenant, &row).await.map(Json)
}
