use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::list::Filter;
use super::{ORDER, responses};
use crate::extract::{PageQuery, Path, Principal, Query, Spans, Unsupported};
use crate::models::{Entries, TaskInstanceCollection};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// The instances of one mapped task.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/listMapped",
    tag = "Task Instance", operation_id = "get_mapped_task_instances",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), PageQuery, Spans,
        Filter),
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
pub async fn get_mapped_task_instances(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(spans): Query<Spans>,
    Query(filter): Query<Filter>,
) -> Answer<Json<TaskInstanceCollection>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let page = page.page(ORDER)?;
    let unknown = format!("Task id {task_id} is not in run `{run_id}` of Dag `{dag_id}`");
    let mut filter = filter.instances(dag_id, run_id, &spans)?;
    filter.task_ids = vec![task_id];
    let rows = state.store.list_instances(principal.tenant, &filter, &page).await?;
    if rows.total == 0 {
        return Err(Problem::not_found(unknown));
    }
    let task_instances = responses(&*state.store, principal.tenant, &rows.items).await?;
    let entries = Entries { total_entries: Some(rows.total), ..Entries::default() };
    Ok(Json(TaskInstanceCollection { task_instances, entries }))
}
