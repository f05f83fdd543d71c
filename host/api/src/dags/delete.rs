use airlock_core::access::{Action, Resource};
use airlock_store::Page;
use airlock_store::runs::RunFilter;
use axum::extract::State;
use axum::http::StatusCode;

use crate::extract::{Path, Principal};
use crate::lookup;
use crate::problem::{Answer, ProblemBody, Refusals};
use crate::state::ApiState;

/// Removes a DAG with its versions, runs, XComs and logs; not while one of its runs is unfinished.
#[utoipa::path(delete, path = "/dags/{dag_id}", tag = "DAG", operation_id = "delete_dag",
    params(("dag_id" = String, Path)),
    responses((status = 204), (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn delete_dag(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::Dag)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    lookup::dag(store, tenant, &dag_id).await?;
    let mut keys = Vec::new();
    let filter = RunFilter { dag_id: Some(dag_id.clone()), ..RunFilter::default() };
    loop {
        let page = Page { limit: 1000, offset: u32::try_from(keys.len()).unwrap_or(u32::MAX), order_by: Vec::new() };
        let runs = store.list_runs(tenant, &filter, &page).await?;
        keys.extend(runs.items.iter().map(|run| run.key));
        if runs.items.is_empty() || keys.len() as u64 >= runs.total {
            break;
        }
    }
    store.delete_dag(tenant, &dag_id).await?;
    state.wake.runs().raise();
    let blobs = state.blobs.clone();
    // In the background: nobody can ask for these logs any more.
    tokio::spawn(async move {
        for key in keys {
            if let Err(error) = blobs.remove_run_logs(key).await {
                tracing::warn!(%error, "the logs of a deleted run are left behind");
            }
        }
    });
    Ok(StatusCode::NO_CONTENT)
}
