use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::find;
use crate::extract::{Path, Principal};
use crate::models::TenantResponse;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// One tenant and its policy: the own one, or any for administrators of the platform.
#[utoipa::path(get, path = "/tenants/{tenant}", tag = "Tenant", operation_id = "get_tenant",
    params(("tenant" = String, Path)), responses((status = 200, body = TenantResponse), Refusals))]
pub async fn get_tenant(
    State(state): State<ApiState>,
    principal: Principal,
    Path(name): Path<String>,
) -> Answer<Json<TenantResponse>> {
    principal.may(Action::Read, Resource::Tenant)?;
    let own = state.store.tenant(principal.tenant).await?.filter(|own| own.name == name);
    let tenant = match own {
        Some(own) => own,
        None if principal.platform_admin => find(&*state.store, &name).await?,
        None => return Err(Problem::not_found(format!("there is no tenant `{name}`"))),
    };
    Ok(Json(TenantResponse::new(tenant, None)))
}
