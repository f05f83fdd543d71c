use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::row;
use crate::extract::{Principal, ValidJson};
use crate::models::{ConnectionBody, ConnectionResponse};
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// Makes a connection.
#[utoipa::path(post, path = "/connections", tag = "Connection", operation_id = "post_connection", request_body = ConnectionBody,
    responses((status = 201, body = ConnectionResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn post_connection(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<ConnectionBody>,
) -> Answer<(StatusCode, Json<ConnectionResponse>)> {
    principal.may(Action::Create, Resource::Connection)?;
    let secrets = Secrets::of(&state, &principal);
    let row = row(secrets, body)?;
    state.store.create_connection(principal.tenant, &row).await?;
    Ok((StatusCode::CREATED, Json(ConnectionResponse::new(secrets, row)?)))
}
