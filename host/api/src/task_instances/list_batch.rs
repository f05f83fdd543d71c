use airlock_core::access::{Action, Resource};
use airlock_store::instances::InstanceFilter;
use axum::Json;
use axum::extract::State;

use super::{ORDER, responses};
use crate::extract::{PageQuery, Path, Principal, ValidJson, refuse_rest};
use crate::lookup::ALL;
use crate::models::{Entries, TaskInstanceCollection, TaskInstancesBatchBody};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Task instances of several DAGs and runs; `dag_id` and `dag_run_id` are `~`.
#[utoipa::path(post, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list", tag = "Task Instance",
    operation_id = "get_task_instances_batch",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)), request_body = TaskInstancesBatchBody,
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
pub async fn get_task_instances_batch(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
    ValidJson(body): ValidJson<TaskInstancesBatchBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    if dag_id != ALL || run_id != ALL {
        return Err(Problem::invalid("", "the path's DAG and run must be `~`: the body names them"));
    }
    refuse_rest(&body.rest)?;
    let page =
        PageQuery { limit: body.page_limit, offset: body.page_offset, order_by: body.order_by.into_iter().collect() };
    let filter = InstanceFilter {
        dag_ids: body.dag_ids,
        run_ids: body.dag_run_ids,
        task_ids: body.task_ids.unwrap_or_default(),
        states: body.state.unwrap_or_default(),
        pools: body.pool.unwrap_or_default(),
        queues: body.queue.unwrap_or_default(),
        logical_date: body.spans.logical_date(),
        run_after: body.spans.run_after(),
        started_at: body.spans.started_at(),
        ended_at: body.spans.ended_at(),
        updated_at: body.spans.updated_at(),
        duration: body.durations.range(),
        ..InstanceFilter::default()
    };
    let rows = state.store.list_instances(principal.tenant, &filter, &page.page(ORDER)?).await?;
    let task_instances = responses(&*state.store, principal.tenant, &rows.items).await?;
    let entries = Entries { total_entries: Some(rows.total), ..Entries::default() };
    Ok(Json(TaskInstanceCollection { task_instances, entries }))
}
