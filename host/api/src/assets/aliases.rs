//! Names for assets that are only known when a task runs.

use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Path, Principal, Query, Unsupported, pattern};
use crate::models::{AssetAliasCollection, AssetAliasResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[("id", "id"), ("name", "name")];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    name_pattern: Option<String>,
    name_prefix_pattern: Option<String>,
}

/// Aliases of assets. What they stand for is shown with each asset.
#[utoipa::path(get, path = "/assets/aliases", tag = "Asset", operation_id = "get_asset_aliases", params(PageQuery, Filter),
    responses((status = 200, body = AssetAliasCollection), Refusals))]
pub async fn get_asset_aliases(
    State(state): State<ApiState>,
    principal: Principal,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<AssetAliasCollection>> {
    principal.may(Action::Read, Resource::Asset)?;
    let names = pattern(&filter.name_pattern, &filter.name_prefix_pattern);
    let found = state.store.list_asset_aliases(principal.tenant, &names, &page.page(ORDER)?).await?;
    let asset_aliases = found.items.into_iter().map(Into::into).collect();
    Ok(Json(AssetAliasCollection { asset_aliases, total_entries: found.total }))
}

/// One alias.
#[utoipa::path(get, path = "/assets/aliases/{asset_alias_id}", tag = "Asset", operation_id = "get_asset_alias",
    params(("asset_alias_id" = i64, Path)), responses((status = 200, body = AssetAliasResponse), Refusals))]
pub async fn get_asset_alias(
    State(state): State<ApiState>,
    principal: Principal,
    Path(id): Path<i64>,
) -> Answer<Json<AssetAliasResponse>> {
    principal.may(Action::Read, Resource::Asset)?;
    let found = state.store.asset_alias(principal.tenant, id).await?;
    let row = found.ok_or_else(|| Problem::not_found(format!("The Asset Alias with ID: `{id}` was not found")))?;
    Ok(Json(row.into()))
}
