use airlock_core::access::{Action, Resource};
use axum::extract::State;
use axum::http::StatusCode;

use super::absent;
use crate::extract::{Path, Principal};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Removes a user with all tokens. Nobody can remove themselves, so that a tenant never loses its last administrator.
#[utoipa::path(delete, path = "/users/{username}", tag = "User", operation_id = "delete_user",
    params(("username" = String, Path)), responses((status = 204), Refusals))]
pub async fn delete_user(
    State(state): State<ApiState>,
    principal: Principal,
    Path(username): Path<String>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::User)?;
    if username == principal.username {
        return Err(Problem::conflict("another administrator has to remove you"));
    }
    if !state.store.delete_user(principal.tenant, &username).await? {
        return Err(absent(&username));
    }
    Ok(StatusCode::NO_CONTENT)
}
