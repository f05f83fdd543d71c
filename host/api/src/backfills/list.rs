use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Principal, Query};
use crate::models::{BackfillCollection, BackfillResponse, display_name};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[("id", "id")];

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfDag {
    dag_id: String,
}

/// The backfills of a DAG.
#[utoipa::path(get, path = "/backfills", tag = "Backfill", operation_id = "list_backfills", params(OfDag, PageQuery),
    responses((status = 200, body = BackfillCollection), Refusals))]
pub async fn list_backfills(
    State(state): State<ApiState>,
    principal: Principal,
    Query(of): Query<OfDag>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<BackfillCollection>> {
    principal.may(Action::Read, Resource::DagRun)?;
    let found = state.store.list_backfills(principal.tenant, &of.dag_id, &page.page(ORDER)?).await?;
    let dag = state.store.dag(principal.tenant, &of.dag_id).await?;
    let name = dag.map_or_else(|| of.dag_id.clone(), |dag| display_name(&dag.dag));
    let backfills = found.items.into_iter().map(|row| BackfillResponse::new(row, name.clone())).collect();
    Ok(Json(BackfillCollection { backfills, total_entries: found.total }))
}
