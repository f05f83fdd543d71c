use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use crate::extract::Principal;
use crate::models::{UserCollection, UserResponse};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// The users of the own tenant.
#[utoipa::path(get, path = "/users", tag = "User", operation_id = "get_users",
    responses((status = 200, body = UserCollection), Refusals))]
pub async fn get_users(State(state): State<ApiState>, principal: Principal) -> Answer<Json<UserCollection>> {
    principal.may(Action::Read, Resource::User)?;
    let users: Vec<UserResponse> =
        state.store.list_users(principal.tenant).await?.into_iter().map(Into::into).collect();
    let total_entries = users.len() as u64;
    Ok(Json(UserCollection { users, total_entries }))
}
