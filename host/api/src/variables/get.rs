use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::absent;
use crate::extract::{Path, Principal};
use crate::models::VariableResponse;
use crate::problem::{Answer, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// One variable; `***` stands for a value whose key or member says that it is secret.
#[utoipa::path(get, path = "/variables/{variable_key}", tag = "Variable", operation_id = "get_variable",
    params(("variable_key" = String, Path)),
    responses((status = 200, body = VariableResponse), Refusals))]
pub async fn get_variable(
    State(state): State<ApiState>,
    principal: Principal,
    Path(key): Path<String>,
) -> Answer<Json<VariableResponse>> {
    principal.may(Action::Read, Resource::Variable)?;
    let row = state.store.variable(principal.tenant, &key).await?.ok_or_else(|| absent(&key))?;
    VariableResponse::new(Secrets::of(&state, &principal), row).map(Json)
}
