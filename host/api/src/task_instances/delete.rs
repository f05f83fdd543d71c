use airlock_core::access::{Action, Resource};
use airlock_core::run::RunChange;
use axum::Json;
use axum::extract::State;

use super::tries::MapIndexQuery;
use crate::extract::{Path, Principal, Query};
use crate::intervene::intervene;
use crate::lookup;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Removes a task instance with its tries and XComs; what runs is stopped. Its logs go with its run.
#[utoipa::path(delete, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}", tag = "Task Instance",
    operation_id = "delete_task_instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), MapIndexQuery),
    responses((status = 200, description = "Null."), Refusals))]
pub async fn delete_task_instance(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    Query(query): Query<MapIndexQuery>,
) -> Answer<Json<()>> {
    principal.may(Action::Delete, Resource::TaskInstance)?;
    lookup::instance(&*state.store, principal.tenant, &dag_id, &run_id, &task_id, query.map_index).await?;
    delete(&state, &principal, (&dag_id, &run_id, &task_id), Some(query.map_index)).await.map(Json)
}

/// Removes one instance of a task in a run, or all of them.
pub(super) async fn delete(
    state: &ApiState,
    principal: &Principal,
    (dag_id, run_id, task_id): (&str, &str, &str),
    map_index: Option<i32>,
) -> Answer<()> {
    let run = lookup::run(&*state.store, principal.tenant, dag_id, run_id).await?;
    intervene(state, run.key, |run| {
        let is_meant = |index: i32| map_index.is_none_or(|wanted| wanted == index);
        let meant = run.instances.iter().filter(|one| one.task_id == task_id && is_meant(one.map_index));
        Ok(RunChange { remove: meant.map(|one| one.id).collect(), ..RunChange::default() })
    })
    .await
    .map(drop)
}
