use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::row;
use crate::extract::{Principal, ValidJson};
use crate::models::{VariableBody, VariableResponse};
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// Makes a variable.
#[utoipa::path(post, path = "/variables", tag = "Variable", operation_id = "post_variable", request_body = VariableBody,
    responses((status = 201, body = VariableResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn post_variable(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<VariableBody>,
) -> Answer<(StatusCode, Json<VariableResponse>)> {
    principal.may(Action::Create, Resource::Variable)?;
    let secrets = Secrets::of(&state, &principal);
    let row = row(secrets, body)?;
    state.store.create_variable(principal.tenant, &row).await?;
    Ok((StatusCode::CREATED, Json(VariableResponse::new(secrets, row)?)))
}
