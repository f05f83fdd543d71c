use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::{find, response};
use crate::extract::{Path, Principal};
use crate::models::BackfillResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// One backfill.
#[utoipa::path(get, path = "/backfills/{backfill_id}", tag = "Backfill", operation_id = "get_backfill",
    params(("backfill_id" = i64, Path)), responses((status = 200, body = BackfillResponse), Refusals))]
pub async fn get_backfill(
    State(state): State<ApiState>,
    principal: Principal,
    Path(backfill_id): Path<i64>,
) -> Answer<Json<BackfillResponse>> {
    principal.may(Action::Read, Resource::DagRun)?;
    let row = find(&*state.store, principal.tenant, backfill_id).await?;
    response(&*state.store, row).await.map(Json)
}
