use airlock_core::access::{Action, Resource};
use axum::extract::State;
use axum::http::StatusCode;

use super::{absent, find, owner};
use crate::extract::{Path, Principal, Query};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;
use crate::task_instances::tries::MapIndexQuery;

/// Removes an XCom.
#[utoipa::path(delete, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}",
    tag = "XCom", operation_id = "delete_xcom_entry",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("xcom_key" = String, Path), MapIndexQuery),
    responses((status = 204), Refusals))]
pub async fn delete_xcom_entry(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, key)): Path<(String, String, String, String)>,
    Query(query): Query<MapIndexQuery>,
) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::XCom)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let path = (dag_id, run_id, task_id);
    find(store, tenant, &path, query.map_index, &key).await?.ok_or_else(|| absent(&key))?;
    let owner = owner(store, tenant, &path, query.map_index).await?;
    store.delete_xcom(&owner, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
