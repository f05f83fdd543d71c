use airlock_core::access::{Action, Resource};
use airlock_core::id::UNMAPPED;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::models::ExtraLinkCollection;
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Which {
    /// -1: of a task that is not mapped.
    map_index: i32,
}

impl Default for Which {
    fn default() -> Self {
        Self { map_index: UNMAPPED }
    }
}

/// Links that the operator of a task gives. Modules give none so far.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/links", tag = "Extra Links",
    operation_id = "get_extra_links",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), Which),
    responses((status = 200, body = ExtraLinkCollection), Refusals))]
pub async fn get_extra_links(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    Query(which): Query<Which>,
) -> Answer<Json<ExtraLinkCollection>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    lookup::instance(&*state.store, principal.tenant, &dag_id, &run_id, &task_id, which.map_index).await?;
    Ok(Json(ExtraLinkCollection::default()))
}

/// 400, as Airflow answers where logs are kept by itself: `logs/{try_number}` has them.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/externalLogUrl/{try_number}",
    tag = "Task Instance", operation_id = "get_external_log_url",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("try_number" = u32, Path), Which),
    responses((status = 400, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn get_external_log_url(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, _try_number)): Path<(String, String, String, u32)>,
    Query(which): Query<Which>,
) -> Answer<()> {
    principal.may(Action::Read, Resource::TaskLog)?;
    lookup::instance(&*state.store, principal.tenant, &dag_id, &run_id, &task_id, which.map_index).await?;
    Err(Problem::bad_request("Task log handler does not support external logs."))
}
