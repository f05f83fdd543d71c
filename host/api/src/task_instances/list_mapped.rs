use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::list::Filter;
use super::{ORDER, responses};
use crate::extract::{Durations, PageQuery, Path, Principal, Query, Spans, Unsupported};
use crate::lookup;
use crate::models::{Entries, TaskInstanceCollection, task_of};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// The instances of one mapped task.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/listMapped",
    tag = "Task Instance", operation_id = "get_mapped_task_instances",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), PageQuery, Spans,
        Durations, Filter),
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
#[expect(clippy::too_many_arguments, reason = "one extractor for each part of the request")]
pub async fn get_mapped_task_instances(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(spans): Query<Spans>,
    Query(durations): Query<Durations>,
    Query(filter): Query<Filter>,
) -> Answer<Json<TaskInstanceCollection>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let page = page.page(ORDER)?;
    let store = &*state.store;
    let run = lookup::run(store, principal.tenant, &dag_id, &run_id).await?;
    let mut filter = filter.instances(dag_id, run_id, &spans, &durations)?;
    filter.only_mapped = true;
    filter.task_ids = vec![task_id];
    let rows = store.list_instances(principal.tenant, &filter, &page).await?;
    // No instance may also mean that none has been made, or that there was nothing to map over.
    if rows.total == 0 {
        let version = store.dag_version(principal.tenant, &run.dag_id, run.dag_version).await?;
        let task_id = filter.task_ids.concat();
        let dag = version.map(|version| version.dag);
        match dag.as_ref().filter(|dag| task_of(dag, &task_id).is_some()) {
            None => return Err(Problem::not_found(format!("Task id {task_id} not found"))),
            Some(dag) if dag.mapping_of(&task_id).is_none() => {
                return Err(Problem::not_found(format!("Task id {task_id} is not mapped")));
            }
            Some(_) => {}
        }
    }
    let task_instances = responses(store, principal.tenant, &rows.items).await?;
    let entries = Entries { total_entries: Some(rows.total), ..Entries::default() };
    Ok(Json(TaskInstanceCollection { task_instances, entries }))
}
