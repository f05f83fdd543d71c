use airlock_core::access::{Action, Resource};
use airlock_core::id::TenantId;
use axum::extract::State;
use axum::http::StatusCode;

use crate::extract::{Path, Principal};
use crate::lookup;
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

/// Removes a run with its task instances, XComs and logs; not while it is running.
#[utoipa::path(delete, path = "/dags/{dag_id}/dagRuns/{dag_run_id}", tag = "DagRun", operation_id = "delete_dag_run",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    responses((status = 204), (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn delete_dag_run(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::DagRun)?;
    delete(&state, principal.tenant, &dag_id, &run_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(state: &ApiState, tenant: TenantId, dag_id: &str, run_id: &str) -> Answer<()> {
    let run = lookup::run(&*state.store, tenant, dag_id, run_id).await?;
    if !state.store.delete_run(tenant, dag_id, run_id).await? {
        return Err(Problem::not_found(format!("The DagRun `{run_id}` was not found")));
    }
    // The run is gone: what is left of its logs is nobody's to see, and no reason to say that nothing was done.
    if let Err(error) = state.blobs.remove_run_logs(run.key).await {
        tracing::warn!(%error, "the logs of a deleted run are left behind");
    }
    Ok(())
}
