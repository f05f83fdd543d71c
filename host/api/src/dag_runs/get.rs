use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::response;
use crate::extract::{Path, Principal};
use crate::lookup;
use crate::models::DagRunResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// One DAG run.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}", tag = "DagRun", operation_id = "get_dag_run",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    responses((status = 200, body = DagRunResponse), Refusals))]
pub async fn get_dag_run(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
) -> Answer<Json<DagRunResponse>> {
    principal.may(Action::Read, Resource::DagRun)?;
    let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
    response(&*state.store, principal.tenant, run).await.map(Json)
}
