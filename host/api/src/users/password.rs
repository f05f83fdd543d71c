use airlock_core::access::{Action, Resource};
use axum::extract::State;
use axum::http::StatusCode;

use super::absent;
use crate::extract::{Path, Principal, ValidJson};
use crate::models::PasswordBody;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Sets a user's password: administrators that of others, everybody their own, with the current one. A token alone does not
/// suffice for that: its role may be lower than its user's.
#[utoipa::path(put, path = "/users/{username}/password", tag = "User", operation_id = "put_user_password",
    params(("username" = String, Path)), request_body = PasswordBody,
    responses((status = 204), Refusals))]
pub async fn put_user_password(
    State(state): State<ApiState>,
    principal: Principal,
    Path(username): Path<String>,
    ValidJson(body): ValidJson<PasswordBody>,
) -> Answer<StatusCode> {
    if username == principal.username {
        confirm(&state, &principal, body.current_password).await?;
    } else {
        principal.may(Action::Update, Resource::User)?;
    }
    let hash = state.passwords().hash(body.password).await?;
    if !state.store.set_user_password(principal.tenant, &username, &hash).await? {
        return Err(absent(&username));
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn confirm(state: &ApiState, principal: &Principal, current: Option<String>) -> Answer<()> {
    let current = current.ok_or_else(|| Problem::invalid("/current_password", "your current password is needed"))?;
    let key = format!("{}/{}", principal.tenant, principal.username);
    state.logins().check(None, &key, state.now())?;
    let user = state.store.user(principal.tenant, &principal.username).await?;
    if state.passwords().verify(current, user.map(|user| user.password_hash)).await? {
        return Ok(());
    }
    state.logins().failed(None, &key, state.now());
    Err(Problem::forbidden("that is not your current password"))
}
