use airlock_core::access::{Action, Resource};
use airlock_core::id::TenantId;
use airlock_store::Store;
use airlock_store::instances::{InstanceRow, TryRow};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::models::{TaskInstanceHistoryCollection, TaskInstanceHistoryResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MapIndexQuery {
    /// -1: the task is not mapped.
    #[serde(default = "crate::models::unmapped")]
    pub map_index: i32,
}

/// The tries of an instance, of which a finished one never changes.
async fn collection(store: &dyn Store, tenant: TenantId, row: &InstanceRow) -> Answer<TaskInstanceHistoryCollection> {
    let version = store.dag_version(tenant, &row.dag_id, row.dag_version).await?;
    let tries = store.tries(tenant, row.id).await?;
    let total_entries = tries.len() as u64;
    let response = |try_row: &TryRow| TaskInstanceHistoryResponse::new(row, try_row, version.as_ref());
    Ok(TaskInstanceHistoryCollection { task_instances: tries.iter().map(response).collect(), total_entries })
}

async fn one(
    store: &dyn Store,
    tenant: TenantId,
    row: &InstanceRow,
    try_number: u32,
) -> Answer<TaskInstanceHistoryResponse> {
    let version = store.dag_version(tenant, &row.dag_id, row.dag_version).await?;
    let tries = store.tries(tenant, row.id).await?;
    let found = tries.iter().find(|try_row| try_row.try_number == try_number);
    let found = found.ok_or_else(|| {
        Problem::not_found(format!(
            "The task instance `{}` of run `{}` has no try {try_number}; its newest is {}",
            row.task_id, row.run_id, row.try_number
        ))
    })?;
    Ok(TaskInstanceHistoryResponse::new(row, found, version.as_ref()))
}

/// Every try of a task instance, the oldest first.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries",
    tag = "Task Instance", operation_id = "get_task_instance_tries",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), MapIndexQuery),
    responses((status = 200, body = TaskInstanceHistoryCollection), Refusals))]
pub async fn get_task_instance_tries(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    Query(query): Query<MapIndexQuery>,
) -> Answer<Json<TaskInstanceHistoryCollection>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let row = lookup::instance(store, tenant, &dag_id, &run_id, &task_id, query.map_index).await?;
    collection(store, tenant, &row).await.map(Json)
}

/// Every try of a mapped task instance, the oldest first.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/tries",
    tag = "Task Instance", operation_id = "get_mapped_task_instance_tries",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("map_index" = i32, Path)),
    responses((status = 200, body = TaskInstanceHistoryCollection), Refusals))]
pub async fn get_mapped_task_instance_tries(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, map_index)): Path<(String, String, String, i32)>,
) -> Answer<Json<TaskInstanceHistoryCollection>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let row = lookup::instance(store, tenant, &dag_id, &run_id, &task_id, map_index).await?;
    collection(store, tenant, &row).await.map(Json)
}

/// One try of a task instance.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries/{task_try_number}",
    tag = "Task Instance", operation_id = "get_task_instance_try_details",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("task_try_number" = u32, Path), MapIndexQuery),
    responses((status = 200, body = TaskInstanceHistoryResponse), Refusals))]
pub async fn get_task_instance_try_details(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, try_number)): Path<(String, String, String, u32)>,
    Query(query): Query<MapIndexQuery>,
) -> Answer<Json<TaskInstanceHistoryResponse>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let row = lookup::instance(store, tenant, &dag_id, &run_id, &task_id, query.map_index).await?;
    one(store, tenant, &row, try_number).await.map(Json)
}

/// One try of a mapped task instance.
#[utoipa::path(get,
    path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/tries/{task_try_number}",
    tag = "Task Instance", operation_id = "get_mapped_task_instance_try_details",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("map_index" = i32, Path), ("task_try_number" = u32, Path)),
    responses((status = 200, body = TaskInstanceHistoryResponse), Refusals))]
pub async fn get_mapped_task_instance_try_details(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, map_index, try_number)): Path<(String, String, String, i32, u32)>,
) -> Answer<Json<TaskInstanceHistoryResponse>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let row = lookup::instance(store, tenant, &dag_id, &run_id, &task_id, map_index).await?;
    one(store, tenant, &row, try_number).await.map(Json)
}
