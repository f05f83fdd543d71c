//! The layer that turns a bearer token into a [`Principal`].

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::hash_token;
use crate::extract::Principal;
use crate::problem::{Answer, Problem};
use crate::state::ApiState;

/// Refuses every request below it that carries no valid token, also for paths that do not exist.
pub async fn authenticate(State(state): State<ApiState>, mut request: Request, next: Next) -> Answer<Response> {
    let text = bearer(request.headers())
        .ok_or_else(|| Problem::unauthenticated("a token is needed: `Authorization: Bearer ...`"))?;
    let token = state
        .store
        .token_by_hash(&hash_token(text), state.now())
        .await?
        .ok_or_else(|| Problem::unauthenticated("the token is not valid, or has expired"))?;
    request.extensions_mut().insert(Principal {
        tenant: token.tenant,
        username: token.username,
        role: token.role,
        platform_admin: token.platform_admin,
    });
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
