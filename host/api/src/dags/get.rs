use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use crate::extract::{Path, Principal};
use crate::lookup;
use crate::models::DagResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// One DAG.
#[utoipa::path(get, path = "/dags/{dag_id}", tag = "DAG", operation_id = "get_dag",
    params(("dag_id" = String, Path)),
    responses((status = 200, body = DagResponse), Refusals))]
pub async fn get_dag(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
) -> Answer<Json<DagResponse>> {
    principal.may(Action::Read, Resource::Dag)?;
    let row = lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    Ok(Json((&row).into()))
}
