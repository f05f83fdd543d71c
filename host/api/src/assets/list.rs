use airlock_core::access::{Action, Resource};
use airlock_store::assets::AssetFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Principal, Query, Unsupported, pattern};
use crate::models::AssetCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order =
    &[("id", "id"), ("name", "name"), ("uri", "uri"), ("created_at", "created_at"), ("updated_at", "updated_at")];

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    name_pattern: Option<String>,
    name_prefix_pattern: Option<String>,
    uri_pattern: Option<String>,
    uri_prefix_pattern: Option<String>,
    /// That any of these DAGs produces, uses or follows.
    dag_ids: Vec<String>,
    /// That some DAG produces, uses or follows.
    only_active: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            name_pattern: None,
            name_prefix_pattern: None,
            uri_pattern: None,
            uri_prefix_pattern: None,
            dag_ids: Vec::new(),
            only_active: true,
        }
    }
}

/// Assets.
#[utoipa::path(get, path = "/assets", tag = "Asset", operation_id = "get_assets", params(PageQuery, Filter),
    responses((status = 200, body = AssetCollection), Refusals))]
pub async fn get_assets(
    State(state): State<ApiState>,
    principal: Principal,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<AssetCollection>> {
    principal.may(Action::Read, Resource::Asset)?;
    let filter = AssetFilter {
        name_pattern: pattern(&filter.name_pattern, &filter.name_prefix_pattern),
        uri_pattern: pattern(&filter.uri_pattern, &filter.uri_prefix_pattern),
        dag_ids: filter.dag_ids,
        only_active: filter.only_active,
    };
    let found = state.store.list_assets(principal.tenant, &filter, &page.page(ORDER)?).await?;
    Ok(Json(AssetCollection { assets: found.items.into_iter().map(Into::into).collect(), total_entries: found.total }))
}
