//! `/auth/token`: a password for a token, as Airflow's simple auth manager has it.

use std::net::SocketAddr;

use airlock_store::tenants::Token;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::NewToken;
use crate::extract::read_json;
use crate::problem::{Answer, Problem, ProblemBody};
use crate::state::ApiState;

/// The tenant of user names that name none.
pub const DEFAULT_TENANT: &str = "default";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    /// `TENANT/USER`, or just the user's name for the tenant `default`.
    username: String,
    password: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LoginResponse {
    pub access_token: String,
}

/// Answers with a token, which names the user's tenant and role.
#[utoipa::path(post, path = "/auth/token", tag = "Login", operation_id = "create_token", security(()),
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses(
        (status = 201, body = LoginResponse),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn create_token(
    State(state): State<ApiState>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<(StatusCode, Json<LoginResponse>)> {
    let login = read_login(&headers, &body)?;
    let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let now = state.now();
    state.logins().check(address, &login.username, now)?;
    let (tenant, username) = login.username.split_once('/').unwrap_or((DEFAULT_TENANT, &login.username));
    let user = match state.store.tenant_by_name(tenant).await? {
        Some(tenant) => state.store.user(tenant.id, username).await?,
        None => None,
    };
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let fits = state.passwords().verify(login.password, hash).await?;
    let Some(user) = user.filter(|_| fits) else {
        state.logins().failed(address, &login.username, now);
        return Err(Problem::unauthenticated("Invalid credentials"));
    };
    state.logins().succeeded(address, &login.username);
    let token = NewToken::random()?;
    let lifetime = chrono::TimeDelta::from_std(state.settings.login_lifetime).map_err(Problem::internal)?;
    state
        .store
        .create_token(&Token {
            id: Uuid::now_v7(),
            tenant: user.tenant,
            username: user.username,
            name: String::new(),
            role: user.role,
            platform_admin: user.platform_admin,
            hash: token.hash,
            created_at: now,
            expires_at: Some(now + lifetime),
        })
        .await?;
    Ok((StatusCode::CREATED, Json(LoginResponse { access_token: token.text })))
}

/// As `/auth/token`; Airflow's command line asks here.
#[utoipa::path(post, path = "/auth/token/cli", tag = "Login", operation_id = "create_token_cli", security(()),
    request_body = LoginBody,
    responses(
        (status = 201, body = LoginResponse),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn create_token_cli(
    state: State<ApiState>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<(StatusCode, Json<LoginResponse>)> {
    create_token(state, extensions, headers, body).await
}

/// Airflow's "everybody is an admin" mode, which this server does not have.
#[utoipa::path(get, path = "/auth/token", tag = "Login", operation_id = "create_token_all_admins", security(()),
    responses((status = 403, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn create_token_all_admins() -> Problem {
    Problem::forbidden("a token needs a user name and a password: send them by POST")
}

fn read_login(headers: &HeaderMap, body: &[u8]) -> Answer<LoginBody> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => read_json(body),
        "application/x-www-form-urlencoded" => {
            serde_html_form::from_bytes(body).map_err(|error| Problem::invalid("", error.to_string()))
        }
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "the body must be `application/json` or `application/x-www-form-urlencoded`",
        )),
    }
}
