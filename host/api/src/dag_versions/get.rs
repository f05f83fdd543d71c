use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use crate::extract::{Path, Principal};
use crate::lookup;
use crate::models::DagVersionResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// One version of a DAG.
#[utoipa::path(get, path = "/dags/{dag_id}/dagVersions/{version_number}", tag = "DagVersion",
    operation_id = "get_dag_version",
    params(("dag_id" = String, Path), ("version_number" = u32, Path)),
    responses((status = 200, body = DagVersionResponse), Refusals))]
pub async fn get_dag_version(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, number)): Path<(String, u32)>,
) -> Answer<Json<DagVersionResponse>> {
    principal.may(Action::Read, Resource::DagVersion)?;
    let version = lookup::version(&*state.store, principal.tenant, &dag_id, number).await?;
    Ok(Json((&version).into()))
}
