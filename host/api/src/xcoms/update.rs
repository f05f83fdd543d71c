use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::{absent, find, owner, response};
use crate::extract::{Path, Principal, ValidJson};
use crate::models::{XComUpdateBody, XComValueResponse};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Changes the value of an XCom.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}",
    tag = "XCom", operation_id = "update_xcom_entry",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("xcom_key" = String, Path)),
    request_body = XComUpdateBody,
    responses((status = 200, body = XComValueResponse), Refusals))]
pub async fn update_xcom_entry(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, key)): Path<(String, String, String, String)>,
    ValidJson(body): ValidJson<XComUpdateBody>,
) -> Answer<Json<XComValueResponse>> {
    principal.may(Action::Update, Resource::XCom)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let path = (dag_id, run_id, task_id);
    find(store, tenant, &path, body.map_index, &key).await?.ok_or_else(|| absent(&key))?;
    let owner = owner(store, tenant, &path, body.map_index).await?;
    store.push_xcom(&owner, &key, &body.value, state.now()).await?;
    let row = find(store, tenant, &path, body.map_index, &key).await?;
    response(store, tenant, row.ok_or_else(|| absent(&key))?).await.map(Json)
}
