use airlock_core::access::{Action, Resource};
use airlock_store::tenants::Token;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use uuid::Uuid;

use crate::auth::NewToken;
use crate::extract::{Principal, ValidJson};
use crate::models::{TokenBody, TokenResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Makes a token of one's own, with at most the role of the one that asks. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/tokens", tag = "Token", operation_id = "post_token", request_body = TokenBody,
    responses((status = 201, body = TokenResponse), Refusals))]
pub async fn post_token(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<TokenBody>,
) -> Answer<(StatusCode, Json<TokenResponse>)> {
    principal.may(Action::Create, Resource::OwnToken)?;
    if body.name.is_empty() || body.name.chars().count() > 128 {
        return Err(Problem::invalid("/name", "a token's name has 1 to 128 characters, for people to know it by"));
    }
    let role = body.role.unwrap_or(principal.role);
    if role > principal.role {
        let detail = format!("a token with the role `{}` cannot make one with the role `{role}`", principal.role);
        return Err(Problem::forbidden(detail));
    }
    let new = NewToken::random()?;
    let now = state.now();
    let token = Token {
        id: Uuid::now_v7(),
        tenant: principal.tenant,
        username: principal.username,
        name: body.name,
        role,
        platform_admin: principal.platform_admin && role == principal.role,
        hash: new.hash,
        created_at: now,
        expires_at: body.expires_in.map(|seconds| now + TimeDelta::seconds(seconds.into())),
    };
    state.store.create_token(&token).await?;
    Ok((StatusCode::CREATED, Json(TokenResponse::new(token, Some(new.text)))))
}
