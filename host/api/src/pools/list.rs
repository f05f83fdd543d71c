use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Principal, Query, pattern};
use crate::models::PoolCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[("id", "name"), ("pool", "name"), ("name", "name")];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    pool_name_pattern: Option<String>,
    pool_name_prefix_pattern: Option<String>,
}

/// Pools.
#[utoipa::path(get, path = "/pools", tag = "Pool", operation_id = "get_pools", params(PageQuery, Filter),
    responses((status = 200, body = PoolCollection), Refusals))]
pub async fn get_pools(
    State(state): State<ApiState>,
    principal: Principal,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<PoolCollection>> {
    principal.may(Action::Read, Resource::Pool)?;
    let pattern = pattern(&filter.pool_name_pattern, &filter.pool_name_prefix_pattern);
    let pools = state.store.list_pools(principal.tenant, &pattern, &page.page(ORDER)?).await?;
    Ok(Json(PoolCollection { pools: pools.items.into_iter().map(Into::into).collect(), total_entries: pools.total }))
}
