use airlock_core::access::{Action, Resource};
use airlock_core::state::RunState;
use airlock_store::Page;
use airlock_store::dags::DagFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Principal, Query};
use crate::models::{DagStats, DagStatsCollection, DagStatsState, display_name};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// DAGs of one answer, as nothing pages it.
const MOST_DAGS: u32 = 1000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    /// All, if none are given.
    dag_ids: Vec<String>,
}

/// How many runs DAGs have in each state.
#[utoipa::path(get, path = "/dagStats", tag = "DagStats", operation_id = "get_dag_stats", params(Filter),
    responses((status = 200, body = DagStatsCollection), Refusals))]
pub async fn get_dag_stats(
    State(state): State<ApiState>,
    principal: Principal,
    Query(filter): Query<Filter>,
) -> Answer<Json<DagStatsCollection>> {
    principal.may(Action::Read, Resource::Dag)?;
    let filter = DagFilter { dag_ids: (!filter.dag_ids.is_empty()).then_some(filter.dag_ids), ..DagFilter::default() };
    let page = Page { limit: MOST_DAGS, ..Page::default() };
    let rows = state.store.list_dags(principal.tenant, &filter, &page).await?;
    let mut dags = Vec::with_capacity(rows.items.len());
    for row in rows.items {
        let counts = state.store.count_runs(principal.tenant, &row.dag_id).await?;
        let count_of = |state: RunState| counts.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
        let stats = RunState::ALL.iter().map(|state| DagStatsState { state: *state, count: count_of(*state) });
        dags.push(DagStats { dag_display_name: display_name(&row.dag), dag_id: row.dag_id, stats: stats.collect() });
    }
    Ok(Json(DagStatsCollection { dags, total_entries: rows.total }))
}
