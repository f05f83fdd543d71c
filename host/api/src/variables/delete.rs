use airlock_core::access::{Action, Resource};
use axum::extract::State;
use axum::http::StatusCode;

use super::absent;
use crate::extract::{Path, Principal};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Removes a variable.
#[utoipa::path(delete, path = "/variables/{variable_key}", tag = "Variable", operation_id = "delete_variable",
    params(("variable_key" = String, Path)), responses((status = 204), Refusals))]
pub async fn delete_variable(
    State(state): State<ApiState>,
    principal: Principal,
    Path(key): Path<String>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::Variable)?;
    if !state.store.delete_variable(principal.tenant, &key).await? {
        return Err(absent(&key));
    }
    Ok(StatusCode::NO_CONTENT)
}
