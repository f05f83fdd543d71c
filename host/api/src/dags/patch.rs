use airlock_core::access::{Action, Resource};
use airlock_store::dags::DagRow;
use axum::Json;
use axum::extract::State;

use super::list::Filter;
use super::next_runs::following;
use crate::extract::{PageQuery, Path, Principal, Query, Unsupported, UpdateMask, ValidJson};
use crate::lookup;
use crate::models::{DagCollection, DagPatchBody, DagResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Pauses a DAG, or lets it go on.
#[utoipa::path(patch, path = "/dags/{dag_id}", tag = "DAG", operation_id = "patch_dag",
    params(("dag_id" = String, Path), UpdateMask), request_body = DagPatchBody,
    responses((status = 200, body = DagResponse), Refusals))]
pub async fn patch_dag(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(mask): Query<UpdateMask>,
    ValidJson(body): ValidJson<DagPatchBody>,
) -> Answer<Json<DagResponse>> {
    principal.may(Action::Update, Resource::Dag)?;
    check_mask(&mask)?;
    let row = lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    pause(&state, &row, body.is_paused).await?;
    let row = lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    Ok(Json((&row).into()))
}

/// Pauses several DAGs, or lets them go on: those that `dag_id_pattern` (or `dag_id_prefix_pattern`) fits. Without it, none.
#[utoipa::path(patch, path = "/dags", tag = "DAG", operation_id = "patch_dags", params(PageQuery, Filter, UpdateMask),
    request_body = DagPatchBody, responses((status = 200, body = DagCollection), Refusals))]
pub async fn patch_dags(
    State(state): State<ApiState>,
    principal: Principal,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
    Query(mask): Query<UpdateMask>,
    ValidJson(body): ValidJson<DagPatchBody>,
) -> Answer<Json<DagCollection>> {
    principal.may(Action::Update, Resource::Dag)?;
    check_mask(&mask)?;
    let named = [&filter.dag_id_pattern, &filter.dag_id_prefix_pattern];
    if named.into_iter().all(|pattern| pattern.as_deref().is_none_or(str::is_empty)) {
        return Ok(Json(DagCollection { dags: Vec::new(), total_entries: 0 }));
    }
    let mut dags =
        state.store.list_dags(principal.tenant, &filter.dags(&principal.username)?, &page.page(&[])?).await?;
    for row in &mut dags.items {
        pause(&state, row, body.is_paused).await?;
        row.is_paused = body.is_paused;
    }
    Ok(Json(DagCollection { dags: dags.items.iter().map(Into::into).collect(), total_entries: dags.total }))
}

async fn pause(state: &ApiState, row: &DagRow, paused: bool) -> Answer<()> {
    if !paused && row.is_paused {
        // Without catch-up, what became due during the pause is passed over: the next run is decided anew.
        let next = following(&*state.store, row.tenant, &row.dag, state.now(), 1).await?.pop();
        state.store.set_next_run(row.tenant, &row.dag_id, row.version, next.as_ref()).await?;
    }
    state.store.set_dag_paused(row.tenant, &row.dag_id, paused).await?;
    state.wake.runs().raise();
    Ok(())
}

fn check_mask(mask: &UpdateMask) -> Answer<()> {
    if mask.update_mask.iter().any(|member| member != "is_paused") {
        return Err(Problem::bad_request("Only `is_paused` field can be updated through the REST API"));
    }
    Ok(())
}
