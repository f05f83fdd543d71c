use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use crate::extract::{Order, PageQuery, Path, Principal, Query};
use crate::lookup;
use crate::models::CallbackCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[
    ("id", "id"),
    ("created_at", "created_at"),
    ("event", "event"),
    ("state", "state"),
    ("start_date", "start_date"),
    ("end_date", "end_date"),
];

/// The callbacks of a run, in the order in which they became due.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/callbacks", tag = "Callback",
    operation_id = "get_callbacks",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), PageQuery),
    responses((status = 200, body = CallbackCollection), Refusals))]
pub async fn get_callbacks(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<CallbackCollection>> {
    principal.may(Action::Read, Resource::DagRun)?;
    let page = page.page(ORDER)?;
    let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
    let found = state.store.list_callbacks(run.key, &page).await?;
    let mut versions = lookup::Versions::new(&*state.store, principal.tenant);
    let mut callbacks = Vec::with_capacity(found.items.len());
    for row in found.items {
        let version = versions.get(&dag_id, row.dag_version).await?;
        callbacks.push((row, version.as_deref()).into());
    }
    Ok(Json(CallbackCollection { callbacks, total_entries: found.total }))
}
