use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use crate::extract::{Path, Principal};
use crate::models::EventLogResponse;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// One thing that was done.
#[utoipa::path(get, path = "/eventLogs/{event_log_id}", tag = "Event Log", operation_id = "get_event_log",
    params(("event_log_id" = i64, Path)),
    responses((status = 200, body = EventLogResponse), Refusals))]
pub async fn get_event_log(
    State(state): State<ApiState>,
    principal: Principal,
    Path(id): Path<i64>,
) -> Answer<Json<EventLogResponse>> {
    principal.may(Action::Read, Resource::AuditLog)?;
    let found = state.store.audit(principal.tenant, id).await?;
    found
        .map(|row| Json(row.into()))
        .ok_or_else(|| Problem::not_found(format!("The Event Log with id: `{id}` not found")))
}
