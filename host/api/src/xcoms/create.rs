use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{TaskPath, absent, find, owner, response};
use crate::extract::{Path, Principal, ValidJson};
use crate::models::{XComCreateBody, XComValueResponse};
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

/// Makes an XCom of a task instance.
#[utoipa::path(post, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries", tag = "XCom",
    operation_id = "create_xcom_entry",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path)),
    request_body = XComCreateBody,
    responses((status = 201, body = XComValueResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn create_xcom_entry(
    State(state): State<ApiState>,
    principal: Principal,
    Path(path): Path<TaskPath>,
    ValidJson(body): ValidJson<XComCreateBody>,
) -> Answer<(StatusCode, Json<XComValueResponse>)> {
    principal.may(Action::Create, Resource::XCom)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    if body.key.is_empty() || body.key.chars().count() > 512 {
        return Err(Problem::invalid("/key", "an XCom's key has 1 to 512 characters"));
    }
    let owner = owner(store, tenant, &path, body.map_index).await?;
    if find(store, tenant, &path, body.map_index, &body.key).await?.is_some() {
        let detail = format!("The XCom with key: `{}` with mentioned task instance already exists.", body.key);
        return Err(Problem::conflict(detail));
    }
    store.push_xcom(&owner, &body.key, &body.value, state.now()).await?;
    let row = find(store, tenant, &path, body.map_index, &body.key).await?;
    let entry = response(store, tenant, row.ok_or_else(|| absent(&body.key))?).await?;
    Ok((StatusCode::CREATED, Json(entry)))
}
