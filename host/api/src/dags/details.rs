use airlock_core::access::{Action, Resource};
use airlock_store::Page;
use airlock_store::dags::DagFilter;
use axum::Json;
use axum::extract::State;

use crate::extract::{Path, Principal};
use crate::lookup;
use crate::models::DagDetailsResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// One DAG with everything that its newest version says.
#[utoipa::path(get, path = "/dags/{dag_id}/details", tag = "DAG", operation_id = "get_dag_details",
    params(("dag_id" = String, Path)),
    responses((status = 200, body = DagDetailsResponse), Refusals))]
pub async fn get_dag_details(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
) -> Answer<Json<DagDetailsResponse>> {
    principal.may(Action::Read, Resource::Dag)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let row = lookup::dag(store, tenant, &dag_id).await?;
    let latest = store.dag_version(tenant, &dag_id, row.version).await?;
    let source = store.dag_source(tenant, &dag_id, row.version).await?;
    let runs = store.count_runs(tenant, &dag_id).await?;
    let picked = DagFilter {
        dag_ids: Some(vec![dag_id]),
        favorite_of: Some((principal.username, true)),
        ..DagFilter::default()
    };
    let is_favorite = store.list_dags(tenant, &picked, &Page::default()).await?.total > 0;
    Ok(Json(DagDetailsResponse::new(&row, latest.as_ref(), source.as_deref(), &runs, is_favorite)))
}
