use airlock_core::access::{Action, Resource};
use airlock_store::tenants::User;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::check_username;
use crate::extract::{Principal, ValidJson};
use crate::models::{UserBody, UserResponse};
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::state::ApiState;

/// Makes a user of the own tenant.
#[utoipa::path(post, path = "/users", tag = "User", operation_id = "post_user", request_body = UserBody,
    responses((status = 201, body = UserResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn post_user(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<UserBody>,
) -> Answer<(StatusCode, Json<UserResponse>)> {
    principal.may(Action::Create, Resource::User)?;
    check_username(&body.username, "/username")?;
    let user = User {
        tenant: principal.tenant,
        username: body.username,
        password_hash: state.passwords().hash(body.password).await?,
        role: body.role,
        platform_admin: false,
        created_at: state.now(),
    };
    state.store.create_user(&user).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}
