use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::{absent, patched};
use crate::extract::{Patch, Path, Principal, Query, UpdateMask};
use crate::models::{ConnectionBody, ConnectionResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// Changes the members of a connection that the body names.
#[utoipa::path(patch, path = "/connections/{connection_id}", tag = "Connection", operation_id = "patch_connection",
    params(("connection_id" = String, Path), UpdateMask), request_body = ConnectionBody,
    responses((status = 200, body = ConnectionResponse), Refusals))]
pub async fn patch_connection(
    State(state): State<ApiState>,
    principal: Principal,
    Path(conn_id): Path<String>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<ConnectionBody>,
) -> Answer<Json<ConnectionResponse>> {
    principal.may(Action::Update, Resource::Connection)?;
    if patch.body.connection_id != conn_id {
        return Err(Problem::bad_request("The connection_id in the request body does not match the URL parameter"));
    }
    let secrets = Secrets::of(&state, &principal);
    let stored = state.store.connection(principal.tenant, &conn_id).await?.ok_or_else(|| absent(&conn_id))?;
    let changed = patched(secrets, stored, &patch, &mask.update_mask)?;
    state.store.put_connection(principal.tenant, &changed).await?;
    ConnectionResponse::new(secrets, changed).map(Json)
}
