use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Path, Principal, Query, Unsupported};
use crate::lookup;
use crate::models::DagVersionCollection;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

const ORDER: &Order =
    &[("id", "version_number"), ("version_number", "version_number"), ("bundle_name", ""), ("bundle_version", "")];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    version_number: Option<u32>,
}

/// The versions of a DAG, the newest first.
#[utoipa::path(get, path = "/dags/{dag_id}/dagVersions", tag = "DagVersion", operation_id = "get_dag_versions",
    params(("dag_id" = String, Path), PageQuery, Filter),
    responses((status = 200, body = DagVersionCollection), Refusals))]
pub async fn get_dag_versions(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<DagVersionCollection>> {
    principal.may(Action::Read, Resource::DagVersion)?;
    if dag_id == lookup::ALL {
        return Err(Problem::bad_request("the versions of one DAG at a time: name it in the path"));
    }
    lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    if let Some(number) = filter.version_number {
        let version = state.store.dag_version(principal.tenant, &dag_id, number).await?;
        let dag_versions: Vec<_> = version.iter().map(Into::into).collect();
        let total_entries = dag_versions.len() as u64;
        return Ok(Json(DagVersionCollection { dag_versions, total_entries }));
    }
    let versions = state.store.list_dag_versions(principal.tenant, &dag_id, &page.page(ORDER)?).await?;
    Ok(Json(DagVersionCollection {
        dag_versions: versions.items.iter().map(Into::into).collect(),
        total_entries: versions.total,
    }))
}
