use airlock_core::access::{Action, Resource};
use axum::extract::State;
use axum::http::StatusCode;

use super::absent;
use crate::extract::{Path, Principal};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Removes a connection.
#[utoipa::path(delete, path = "/connections/{connection_id}", tag = "Connection", operation_id = "delete_connection",
    params(("connection_id" = String, Path)), responses((status = 204), Refusals))]
pub async fn delete_connection(
    State(state): State<ApiState>,
    principal: Principal,
    Path(conn_id): Path<String>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::Connection)?;
    if !state.store.delete_connection(principal.tenant, &conn_id).await? {
        return Err(absent(&conn_id));
    }
    Ok(StatusCode::NO_CONTENT)
}
