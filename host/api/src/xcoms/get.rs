use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::{absent, find, response};
use crate::extract::{Path, Principal, Query};
use crate::models::XComValueResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct XComQuery {
    #[serde(default = "crate::models::unmapped")]
    map_index: i32,
    /// Changes nothing: values are JSON, and are stored as such.
    #[serde(default)]
    deserialize: bool,
    /// Answer with the value as a text.
    #[serde(default)]
    stringify: bool,
}

/// One XCom, with its value.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}",
    tag = "XCom", operation_id = "get_xcom_entry",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("xcom_key" = String, Path), XComQuery),
    responses((status = 200, body = XComValueResponse), Refusals))]
pub async fn get_xcom_entry(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, key)): Path<(String, String, String, String)>,
    Query(query): Query<XComQuery>,
) -> Answer<Json<XComValueResponse>> {
    principal.may(Action::Read, Resource::XCom)?;
    let _ = query.deserialize;
    let (store, tenant) = (&*state.store, principal.tenant);
    let row = find(store, tenant, &(dag_id, run_id, task_id), query.map_index, &key).await?;
    let mut entry = response(store, tenant, row.ok_or_else(|| absent(&key))?).await?;
    if query.stringify && !entry.value.is_string() && !entry.value.is_null() {
        entry.value = Value::String(entry.value.to_string());
    }
    Ok(Json(entry))
}
