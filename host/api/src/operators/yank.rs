use airlock_core::access::{Action, Resource};
use axum::extract::State;
use axum::http::StatusCode;

use crate::extract::{Path, Principal};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Yanks a version: no new DAG version gets it, and those that have it keep it. Uploading the same module again brings it back.
#[utoipa::path(delete, path = "/operators/{name}/versions/{version}", tag = "Operator",
    operation_id = "yank_operator_version",
    params(("name" = String, Path), ("version" = String, Path)), responses((status = 204), Refusals))]
pub async fn yank_operator_version(
    State(state): State<ApiState>,
    principal: Principal,
    Path((name, version)): Path<(String, String)>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::Operator)?;
    if !state.store.set_operator_yanked(principal.tenant, &name, &version, true).await? {
        return Err(Problem::not_found(format!("there is no version `{version}` of an operator `{name}`")));
    }
    Ok(StatusCode::NO_CONTENT)
}
