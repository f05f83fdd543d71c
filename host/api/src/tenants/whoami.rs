use axum::Json;
use axum::extract::State;

use crate::extract::Principal;
use crate::models::WhoAmI;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Who the token belongs to, and what it may do.
#[utoipa::path(get, path = "/whoami", tag = "Tenant", operation_id = "whoami",
    responses((status = 200, body = WhoAmI), Refusals))]
pub async fn whoami(State(state): State<ApiState>, principal: Principal) -> Answer<Json<WhoAmI>> {
    let tenant = state.store.tenant(principal.tenant).await?;
    Ok(Json(WhoAmI {
        tenant: tenant.ok_or_else(|| Problem::internal("a token's tenant is gone"))?.name,
        username: principal.username,
        role: principal.role,
        platform_admin: principal.platform_admin,
    }))
}
