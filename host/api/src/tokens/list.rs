use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use crate::extract::Principal;
use crate::models::{TokenCollection, TokenResponse};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Tokens that have not expired, without their texts.
#[utoipa::path(get, path = "/tokens", tag = "Token", operation_id = "get_tokens",
    responses((status = 200, body = TokenCollection), Refusals))]
pub async fn get_tokens(State(state): State<ApiState>, principal: Principal) -> Answer<Json<TokenCollection>> {
    principal.may(Action::Read, Resource::OwnToken)?;
    let all = principal.may(Action::Read, Resource::Token).is_ok();
    let now = state.now();
    let tokens: Vec<TokenResponse> = state
        .store
        .list_tokens(principal.tenant)
        .await?
        .into_iter()
        .filter(|token| all || token.username == principal.username)
        .filter(|token| token.expires_at.is_none_or(|at| at > now))
        .map(|token| TokenResponse::new(token, None))
        .collect();
    let total_entries = tokens.len() as u64;
    Ok(Json(TokenCollection { tokens, total_entries }))
}
