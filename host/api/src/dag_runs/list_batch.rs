use airlock_core::access::{Action, Resource};
use airlock_store::Pattern;
use airlock_store::runs::RunFilter;
use axum::Json;
use axum::extract::State;

use super::{ORDER, responses};
use crate::extract::{PageQuery, Path, Principal, ValidJson, refuse_rest};
use crate::lookup::ALL;
use crate::models::{DagRunCollection, DagRunsBatchBody, Entries};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// DAG runs of several DAGs; `dag_id` is `~`.
#[utoipa::path(post, path = "/dags/{dag_id}/dagRuns/list", tag = "DagRun", operation_id = "get_list_dag_runs_batch",
    params(("dag_id" = String, Path)), request_body = DagRunsBatchBody,
    responses((status = 200, body = DagRunCollection), Refusals))]
pub async fn get_list_dag_runs_batch(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    ValidJson(body): ValidJson<DagRunsBatchBody>,
) -> Answer<Json<DagRunCollection>> {
    principal.may(Action::Read, Resource::DagRun)?;
    if dag_id != ALL {
        return Err(Problem::invalid("", format!("the path's `{dag_id}` must be `~`: the body names the DAGs")));
    }
    refuse_rest(&body.rest)?;
    let page =
        PageQuery { limit: body.page_limit, offset: body.page_offset, order_by: body.order_by.into_iter().collect() };
    let filter = RunFilter {
        dag_ids: body.dag_ids,
        // No run is without a state: Airflow's null fits none.
        states: body.states.into_iter().flatten().flatten().collect(),
        logical_date: body.spans.logical_date(),
        run_after: body.spans.run_after(),
        started_at: body.spans.started_at(),
        ended_at: body.spans.ended_at(),
        updated_at: body.spans.updated_at(),
        duration: body.durations.range(),
        conf_pattern: body.conf_contains.as_deref().map(Pattern::part).unwrap_or_default(),
        ..RunFilter::default()
    };
    let runs = state.store.list_runs(principal.tenant, &filter, &page.page(ORDER)?).await?;
    let entries = Entries { total_entries: Some(runs.total), ..Entries::default() };
    let dag_runs = responses(&*state.store, principal.tenant, runs.items).await?;
    Ok(Json(DagRunCollection { dag_runs, entries }))
}
