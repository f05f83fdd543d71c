use axum::Json;
use axum::extract::State;

use crate::extract::{Patch, Path, Principal, Query, UpdateMask};
use crate::models::{PatchTaskInstanceBody, TaskInstanceCollection};
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::state::ApiState;
use crate::task_instances::marking::{Marking, Target};

type GroupPath = (String, String, String);

/// Declares every task of a group to have succeeded, failed or been skipped, or notes something on them.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}", tag = "Task Instance",
    operation_id = "patch_task_group_instances",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("group_id" = String, Path), UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn patch_task_group_instances(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, group_id)): Path<GroupPath>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let target = Target::Group(group_id);
    let path = (dag_id.as_str(), run_id.as_str());
    Marking::new(&state, &principal, path, target, &patch, &mask.update_mask).await?.apply().await.map(Json)
}

/// Which instances a change of a group's state would change.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}/dry_run",
    tag = "Task Instance", operation_id = "patch_task_group_instances_dry_run",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("group_id" = String, Path), UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
pub async fn patch_task_group_instances_dry_run(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, group_id)): Path<GroupPath>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let target = Target::Group(group_id);
    let path = (dag_id.as_str(), run_id.as_str());
    Marking::new(&state, &principal, path, target, &patch, &mask.update_mask).await?.dry_run().await.map(Json)
}
