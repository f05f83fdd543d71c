use axum::Json;
use axum::extract::State;

use crate::extract::Principal;
use crate::models::{TenantCollection, TenantResponse};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// All tenants.
#[utoipa::path(get, path = "/tenants", tag = "Tenant", operation_id = "get_tenants",
    responses((status = 200, body = TenantCollection), Refusals))]
pub async fn get_tenants(State(state): State<ApiState>, principal: Principal) -> Answer<Json<TenantCollection>> {
    principal.administers_platform()?;
    let tenants: Vec<_> =
        state.store.list_tenants().await?.into_iter().map(|tenant| TenantResponse::new(tenant, None)).collect();
    let total_entries = tenants.len() as u64;
    Ok(Json(TenantCollection { tenants, total_entries }))
}
