use airlock_core::access::{Action, Resource};
use airlock_core::state::{RunState, RunType};
use airlock_store::Pattern;
use airlock_store::runs::RunFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{ORDER, responses};
use crate::extract::{
    CursorQuery, Durations, Instant, PageQuery, Path, Principal, Query, Spans, Unsupported, pattern, span,
};
use crate::lookup;
use crate::models::DagRunCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    #[param(value_type = Vec<String>)]
    run_type: Vec<RunType>,
    #[param(value_type = Vec<String>)]
    state: Vec<RunState>,
    dag_version: Vec<u32>,
    /// A part of the run's id; `%` and `_` are wildcards.
    run_id_pattern: Option<String>,
    run_id_prefix_pattern: Option<String>,
    triggering_user_name_pattern: Option<String>,
    triggering_user_name_prefix_pattern: Option<String>,
    /// A part of the configuration, as JSON.
    conf_contains: Option<String>,
    /// A part of the name or the URI of an asset that the run followed.
    consuming_asset_pattern: Option<String>,
    partition_key_pattern: Option<String>,
    partition_key_prefix_pattern: Option<String>,
    partition_date_gte: Option<Instant>,
    partition_date_lte: Option<Instant>,
    dag_id_pattern: Option<String>,
    dag_id_prefix_pattern: Option<String>,
}

/// DAG runs, of all DAGs where `dag_id` is `~`.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns", tag = "DagRun", operation_id = "get_dag_runs",
    params(("dag_id" = String, Path), PageQuery, CursorQuery, Spans, Durations, Filter),
    responses((status = 200, body = DagRunCollection), Refusals))]
#[expect(clippy::too_many_arguments, reason = "one extractor for each part of the request")]
pub async fn get_dag_runs(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(cursor): Query<CursorQuery>,
    Query(spans): Query<Spans>,
    Query(durations): Query<Durations>,
    Query(filter): Query<Filter>,
) -> Answer<Json<DagRunCollection>> {
    principal.may(Action::Read, Resource::DagRun)?;
    let mut page = page.page(ORDER)?;
    cursor.apply(&mut page)?;
    let dag_id = lookup::unless_all(dag_id);
    if let Some(dag_id) = &dag_id {
        lookup::dag(&*state.store, principal.tenant, dag_id).await?;
    }
    let filter = RunFilter {
        dag_id,
        dag_id_pattern: pattern(&filter.dag_id_pattern, &filter.dag_id_prefix_pattern),
        run_id_pattern: pattern(&filter.run_id_pattern, &filter.run_id_prefix_pattern),
        states: filter.state,
        run_types: filter.run_type,
        dag_versions: filter.dag_version,
        triggering_user_pattern: pattern(
            &filter.triggering_user_name_pattern,
            &filter.triggering_user_name_prefix_pattern,
        ),
        partition_key_pattern: pattern(&filter.partition_key_pattern, &filter.partition_key_prefix_pattern),
        partition_date: span(filter.partition_date_gte, None, filter.partition_date_lte, None),
        logical_date: spans.logical_date(),
        run_after: spans.run_after(),
        started_at: spans.started_at(),
        ended_at: spans.ended_at(),
        updated_at: spans.updated_at(),
        duration: durations.range(),
        conf_pattern: filter.conf_contains.as_deref().map(Pattern::part).unwrap_or_default(),
        consumed_asset: filter.consuming_asset_pattern.filter(|part| !part.is_empty()),
        ..RunFilter::default()
    };
    let runs = state.store.list_runs(principal.tenant, &filter, &page).await?;
    let entries = cursor.entries(&page, runs.total);
    let dag_runs = responses(&*state.store, principal.tenant, runs.items).await?;
    Ok(Json(DagRunCollection { dag_runs, entries }))
}
