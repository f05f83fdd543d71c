use airlock_core::limits::TenantPolicy;
use axum::Json;
use axum::extract::State;

use super::find;
use crate::extract::{Path, Principal, ValidJson};
use crate::models::TenantResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Replaces a tenant's policy: what its tasks may use and reach at most. What the body leaves out is as in a new tenant.
#[utoipa::path(put, path = "/tenants/{tenant}/policy", tag = "Tenant", operation_id = "put_tenant_policy",
    params(("tenant" = String, Path)), request_body = Object,
    responses((status = 200, body = TenantResponse), Refusals))]
pub async fn put_tenant_policy(
    State(state): State<ApiState>,
    principal: Principal,
    Path(name): Path<String>,
    ValidJson(policy): ValidJson<TenantPolicy>,
) -> Answer<Json<TenantResponse>> {
    principal.administers_platform()?;
    let tenant = find(&*state.store, &name).await?;
    state.store.set_tenant_policy(tenant.id, &policy).await?;
    state.wake.runs().raise();
    find(&*state.store, &name).await.map(|tenant| Json(TenantResponse::new(tenant, None)))
}
