use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::{active, find, response};
use crate::extract::{Path, Principal};
use crate::models::BackfillResponse;
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::state::ApiState;

/// Keeps a backfill from starting runs; what runs goes on.
#[utoipa::path(put, path = "/backfills/{backfill_id}/pause", tag = "Backfill", operation_id = "pause_backfill",
    params(("backfill_id" = i64, Path)),
    responses((status = 200, body = BackfillResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn pause_backfill(
    State(state): State<ApiState>,
    principal: Principal,
    Path(backfill_id): Path<i64>,
) -> Answer<Json<BackfillResponse>> {
    set(&state, &principal, backfill_id, true).await.map(Json)
}

/// Lets a backfill start runs again.
#[utoipa::path(put, path = "/backfills/{backfill_id}/unpause", tag = "Backfill", operation_id = "unpause_backfill",
    params(("backfill_id" = i64, Path)),
    responses((status = 200, body = BackfillResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn unpause_backfill(
    State(state): State<ApiState>,
    principal: Principal,
    Path(backfill_id): Path<i64>,
) -> Answer<Json<BackfillResponse>> {
    set(&state, &principal, backfill_id, false).await.map(Json)
}

async fn set(state: &ApiState, principal: &Principal, id: i64, paused: bool) -> Answer<BackfillResponse> {
    principal.may(Action::Update, Resource::DagRun)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    active(store, tenant, id).await?;
    if !store.set_backfill_paused(tenant, id, paused, state.now()).await? {
        // It has been completed since it was looked at.
        active(store, tenant, id).await?;
    }
    state.wake.runs().raise();
    response(store, find(store, tenant, id).await?).await
}
