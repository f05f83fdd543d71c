use airlock_core::access::{Action, Resource};
use airlock_core::asset::dependencies;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::find;
use crate::extract::{Path, Principal, Query};
use crate::models::{AssetResponse, GraphResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// One asset.
#[utoipa::path(get, path = "/assets/{asset_id}", tag = "Asset", operation_id = "get_asset",
    params(("asset_id" = i64, Path)), responses((status = 200, body = AssetResponse), Refusals))]
pub async fn get_asset(
    State(state): State<ApiState>,
    principal: Principal,
    Path(asset_id): Path<i64>,
) -> Answer<Json<AssetResponse>> {
    principal.may(Action::Read, Resource::Asset)?;
    Ok(Json(find(&*state.store, principal.tenant, asset_id).await?.into()))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Around {
    /// Only what is connected with this node: `dag:` and a DAG's id, or `asset:` and an asset's.
    node_id: Option<String>,
}

/// Which DAGs wait for which: the graph that Airflow's web interface shows.
#[utoipa::path(get, path = "/dependencies", tag = "Asset", operation_id = "get_dependencies", params(Around),
    responses((status = 200, body = GraphResponse), Refusals))]
pub async fn get_dependencies(
    State(state): State<ApiState>,
    principal: Principal,
    Query(around): Query<Around>,
) -> Answer<Json<GraphResponse>> {
    principal.may(Action::Read, Resource::Dag)?;
    let links = state.store.asset_links(principal.tenant).await?;
    let graph = dependencies(&links, around.node_id.as_deref())
        .ok_or_else(|| Problem::not_found(format!("nothing depends on `{}`", around.node_id.unwrap_or_default())))?;
    Ok(Json(graph.into()))
}
