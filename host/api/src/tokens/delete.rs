use airlock_core::access::{Action, Resource};
use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use crate::extract::{Path, Principal};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Revokes a token at once.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "Token", operation_id = "delete_token",
    params(("id" = Uuid, Path)), responses((status = 204), Refusals))]
pub async fn delete_token(
    State(state): State<ApiState>,
    principal: Principal,
    Path(id): Path<Uuid>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::OwnToken)?;
    let all = principal.may(Action::Delete, Resource::Token).is_ok();
    let tokens = state.store.list_tokens(principal.tenant).await?;
    let token = tokens.iter().find(|token| token.id == id && (all || token.username == principal.username));
    if token.is_none() {
        return Err(Problem::not_found(format!("there is no token `{id}`")));
    }
    state.store.delete_token(principal.tenant, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
