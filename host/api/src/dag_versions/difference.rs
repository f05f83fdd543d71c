use airlock_core::access::{Action, Resource};
use airlock_core::dag::difference;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::models::DagVersionDifference;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Against {
    /// The version before it, if none is given.
    from: Option<u32>,
}

/// What a version of a DAG has changed: of its settings, its tasks and its groups.
#[utoipa::path(get, path = "/dags/{dag_id}/dagVersions/{version_number}/difference", tag = "DagVersion",
    operation_id = "get_dag_version_difference",
    params(("dag_id" = String, Path), ("version_number" = u32, Path), Against),
    responses((status = 200, body = DagVersionDifference), Refusals))]
pub async fn get_dag_version_difference(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, number)): Path<(String, u32)>,
    Query(against): Query<Against>,
) -> Answer<Json<DagVersionDifference>> {
    principal.may(Action::Read, Resource::DagVersion)?;
    principal.may(Action::Read, Resource::DagSource)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let after = lookup::version(store, tenant, &dag_id, number).await?;
    let from = against.from.unwrap_or(number.saturating_sub(1));
    if from == 0 && against.from.is_none() {
        return Err(Problem::bad_request("the first version has none before it: name another by `from`"));
    }
    let before = lookup::version(store, tenant, &dag_id, from).await?;
    let difference = difference(&before.dag, &after.dag);
    Ok(Json(DagVersionDifference { dag_id, from, to: number, difference }))
}
