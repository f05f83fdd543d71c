use airlock_blobs::LogKey;
use airlock_core::access::{Action, Resource};
use airlock_core::callback::CallbackState;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::models::LogResponse;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;
use crate::task_instances::logs::{self, Life, read_token};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AttemptQuery {
    /// From 1; by default the newest.
    attempt: Option<u32>,
    /// The `continuation_token` of the answer before.
    token: Option<String>,
}

/// The log of an attempt at a callback, and a token to read on from while it goes on.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/callbacks/{callback_id}/log", tag = "Callback",
    operation_id = "get_callback_log",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("callback_id" = Uuid, Path), AttemptQuery),
    responses((status = 200, body = LogResponse), Refusals))]
pub async fn get_callback_log(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, id)): Path<(String, String, Uuid)>,
    Query(query): Query<AttemptQuery>,
) -> Answer<Json<LogResponse>> {
    principal.may(Action::Read, Resource::TaskLog)?;
    let from = read_token(query.token.as_deref())?;
    let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
    let row = state.store.callback(run.key, id).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("the run `{run_id}` has no callback `{id}`")))?;
    let attempt = query.attempt.unwrap_or(row.attempts);
    if attempt > row.attempts {
        let found = row.attempts;
        return Err(Problem::not_found(format!("the callback `{id}` has no attempt {attempt}; it has had {found}")));
    }
    // Found before the log is read: what a finished attempt wrote is all written by then.
    let life = match row.state {
        _ if attempt < row.attempts => Life::ended(None),
        CallbackState::Queued | CallbackState::Running => Life::GoesOn,
        _ => Life::ended(row.ended_at),
    };
    let key = LogKey { run: row.run, instance: row.id, try_number: attempt };
    logs::answer(&state, key, &from, life).await.map(Json)
}
