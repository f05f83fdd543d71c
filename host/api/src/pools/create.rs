use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{find, row};
use crate::extract::{Principal, ValidJson};
use crate::models::{PoolBody, PoolResponse};
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::state::ApiState;

/// Makes a pool.
#[utoipa::path(post, path = "/pools", tag = "Pool", operation_id = "post_pool", request_body = PoolBody,
    responses((status = 201, body = PoolResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn post_pool(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<PoolBody>,
) -> Answer<(StatusCode, Json<PoolResponse>)> {
    principal.may(Action::Create, Resource::Pool)?;
    let row = row(body)?;
    state.store.create_pool(principal.tenant, &row).await?;
    let pool = find(&*state.store, principal.tenant, &row.name).await?;
    Ok((StatusCode::CREATED, Json(pool.into())))
}
