use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::{active, find, response};
use crate::extract::{Path, Principal};
use crate::models::BackfillResponse;
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::state::ApiState;

/// Ends a backfill: its queued runs have failed, and no more are made; what runs goes on.
#[utoipa::path(put, path = "/backfills/{backfill_id}/cancel", tag = "Backfill", operation_id = "cancel_backfill",
    params(("backfill_id" = i64, Path)),
    responses((status = 200, body = BackfillResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn cancel_backfill(
    State(state): State<ApiState>,
    principal: Principal,
    Path(backfill_id): Path<i64>,
) -> Answer<Json<BackfillResponse>> {
    principal.may(Action::Update, Resource::DagRun)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    active(store, tenant, backfill_id).await?;
    if !store.cancel_backfill(tenant, backfill_id, state.now()).await? {
        // It has been completed since it was looked at.
        active(store, tenant, backfill_id).await?;
    }
    state.wake.runs().raise();
    response(store, find(store, tenant, backfill_id).await?).await.map(Json)
}
