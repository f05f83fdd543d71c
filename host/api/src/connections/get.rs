use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::absent;
use crate::extract::{Path, Principal};
use crate::models::ConnectionResponse;
use crate::problem::{Answer, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// One connection; `***` stands for its secrets.
#[utoipa::path(get, path = "/connections/{connection_id}", tag = "Connection", operation_id = "get_connection",
    params(("connection_id" = String, Path)),
    responses((status = 200, body = ConnectionResponse), Refusals))]
pub async fn get_connection(
    State(state): State<ApiState>,
    principal: Principal,
    Path(conn_id): Path<String>,
) -> Answer<Json<ConnectionResponse>> {
    principal.may(Action::Read, Resource::Connection)?;
    let row = state.store.connection(principal.tenant, &conn_id).await?.ok_or_else(|| absent(&conn_id))?;
    ConnectionResponse::new(Secrets::of(&state, &principal), row).map(Json)
}
