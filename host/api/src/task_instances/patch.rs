use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::marking::{Marking, Target};
use crate::extract::{Patch, Path, Principal, Query, UpdateMask};
use crate::models::{PatchTaskInstanceBody, TaskInstanceCollection};
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::state::ApiState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct MapIndexQuery {
    /// All instances of the task, if none is given.
    map_index: Option<i32>,
}

type TaskPath = (String, String, String);
type IndexPath = (String, String, String, i32);

/// Declares a task to have succeeded, failed or been skipped, or notes something on it.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}", tag = "Task Instance",
    operation_id = "patch_task_instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), MapIndexQuery,
        UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn patch_task_instance(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<TaskPath>,
    Query(index): Query<MapIndexQuery>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let target = Target::Task(task_id, index.map_index);
    Marking::new(&state, &principal, (&dag_id, &run_id), target, &patch, &mask.update_mask)
        .await?
        .apply()
        .await
        .map(Json)
}

/// As for a task, of one instance of a mapped one.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}",
    tag = "Task Instance", operation_id = "patch_task_instance_by_map_index",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("map_index" = i32, Path), UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn patch_task_instance_by_map_index(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, map_index)): Path<IndexPath>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let target = Target::Task(task_id, Some(map_index));
    Marking::new(&state, &principal, (&dag_id, &run_id), target, &patch, &mask.update_mask)
        .await?
        .apply()
        .await
        .map(Json)
}

/// Which instances a change of a task's state would change.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dry_run",
    tag = "Task Instance", operation_id = "patch_task_instance_dry_run",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), MapIndexQuery,
        UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
pub async fn patch_task_instance_dry_run(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<TaskPath>,
    Query(index): Query<MapIndexQuery>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let target = Target::Task(task_id, index.map_index);
    Marking::new(&state, &principal, (&dag_id, &run_id), target, &patch, &mask.update_mask)
        .await?
        .dry_run()
        .await
        .map(Json)
}

/// As for a task, of one instance of a mapped one.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/dry_run",
    tag = "Task Instance", operation_id = "patch_task_instance_dry_run_by_map_index",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("map_index" = i32, Path), UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
pub async fn patch_task_instance_dry_run_by_map_index(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, map_index)): Path<IndexPath>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let target = Target::Task(task_id, Some(map_index));
    Marking::new(&state, &principal, (&dag_id, &run_id), target, &patch, &mask.update_mask)
        .await?
        .dry_run()
        .await
        .map(Json)
}
