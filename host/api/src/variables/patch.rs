use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::{absent, patched};
use crate::extract::{Patch, Path, Principal, Query, UpdateMask};
use crate::models::{VariableBody, VariableResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// Changes the members of a variable that the body names.
#[utoipa::path(patch, path = "/variables/{variable_key}", tag = "Variable", operation_id = "patch_variable",
    params(("variable_key" = String, Path), UpdateMask), request_body = VariableBody,
    responses((status = 200, body = VariableResponse), Refusals))]
pub async fn patch_variable(
    State(state): State<ApiState>,
    principal: Principal,
    Path(key): Path<String>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<VariableBody>,
) -> Answer<Json<VariableResponse>> {
    principal.may(Action::Update, Resource::Variable)?;
    if patch.body.key != key {
        return Err(Problem::bad_request("Invalid body, key from request body doesn't match uri parameter"));
    }
    let secrets = Secrets::of(&state, &principal);
    let stored = state.store.variable(principal.tenant, &key).await?.ok_or_else(|| absent(&key))?;
    let changed = patched(secrets, stored, &patch, &mask.update_mask)?;
    state.store.put_variable(principal.tenant, &changed).await?;
    VariableResponse::new(secrets, changed).map(Json)
}
