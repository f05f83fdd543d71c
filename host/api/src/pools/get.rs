use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::find;
use crate::extract::{Path, Principal};
use crate::models::PoolResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// One pool.
#[utoipa::path(get, path = "/pools/{pool_name}", tag = "Pool", operation_id = "get_pool",
    params(("pool_name" = String, Path)),
    responses((status = 200, body = PoolResponse), Refusals))]
pub async fn get_pool(
    State(state): State<ApiState>,
    principal: Principal,
    Path(name): Path<String>,
) -> Answer<Json<PoolResponse>> {
    principal.may(Action::Read, Resource::Pool)?;
    find(&*state.store, principal.tenant, &name).await.map(|pool| Json(pool.into()))
}
