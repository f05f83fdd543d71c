//! `/triggerEvents`: events that deferred tasks wait for.

use airlock_core::access::{Action, Resource};
use airlock_core::trigger::{Trigger, faults};
use axum::Json;
use axum::extract::State;
use chrono::TimeDelta;

use crate::extract::{Path, Principal, ValidJson};
use crate::models::{TriggerEventBody, TriggerEventResponse};
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

/// A week.
const LONGEST_KEPT: u32 = 604_800;

/// Events of a tenant that nobody has come for.
const MOST_KEPT: u32 = 10_000;

/// Posts an event to every task that waits for its name. One that nobody waits for is kept, for the first task that does within
/// `keep_for` seconds; of a name the newest is kept.
#[utoipa::path(post, path = "/triggerEvents/{name}", tag = "Trigger Event", operation_id = "post_trigger_event",
    params(("name" = String, Path)), request_body = TriggerEventBody,
    responses((status = 200, body = TriggerEventResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn post_trigger_event(
    State(state): State<ApiState>,
    principal: Principal,
    Path(name): Path<String>,
    ValidJson(body): ValidJson<TriggerEventBody>,
) -> Answer<Json<TriggerEventResponse>> {
    // It lets a run go on, as triggering makes one.
    principal.may(Action::Create, Resource::DagRun)?;
    if let Some(fault) = faults(&Trigger::PostedEvent { name: name.clone() }).first() {
        return Err(Problem::bad_request(format!("the event {fault}")));
    }
    if body.keep_for > LONGEST_KEPT {
        return Err(Problem::invalid("/keep_for", format!("at most {LONGEST_KEPT} seconds, which is a week")));
    }
    let now = state.now();
    let keep_until = now + TimeDelta::seconds(body.keep_for.into());
    let posted = state.store.post_event(principal.tenant, &name, &body.payload, now, keep_until, MOST_KEPT).await?;
    if posted.woken > 0 {
        state.wake.runs().raise();
    }
    let kept_until = (posted.woken == 0).then_some(keep_until);
    Ok(Json(TriggerEventResponse { name, woken: posted.woken, kept_until }))
}
