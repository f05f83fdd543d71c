use airlock_core::access::{Action, Resource};
use airlock_store::settings::DEFAULT_POOL;
use axum::extract::State;
use axum::http::StatusCode;

use crate::extract::{Path, Principal};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Removes a pool. Tasks that name it wait until there is one again.
#[utoipa::path(delete, path = "/pools/{pool_name}", tag = "Pool", operation_id = "delete_pool",
    params(("pool_name" = String, Path)), responses((status = 204), Refusals))]
pub async fn delete_pool(
    State(state): State<ApiState>,
    principal: Principal,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::Pool)?;
    if name == DEFAULT_POOL {
        return Err(Problem::bad_request("Default Pool can't be deleted"));
    }
    if !state.store.delete_pool(principal.tenant, &name).await? {
        return Err(Problem::not_found(format!("The Pool with name: `{name}` was not found")));
    }
    Ok(StatusCode::NO_CONTENT)
}
