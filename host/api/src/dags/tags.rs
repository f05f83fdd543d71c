use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Principal, Query, Unsupported, pattern};
use crate::models::DagTagCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[("name", "name")];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    /// A part of the tag.
    tag_name_pattern: Option<String>,
    tag_name_prefix_pattern: Option<String>,
}

/// The tags of all DAGs.
#[utoipa::path(get, path = "/dagTags", tag = "DAG", operation_id = "get_dag_tags", params(PageQuery, Filter),
    responses((status = 200, body = DagTagCollection), Refusals))]
pub async fn get_dag_tags(
    State(state): State<ApiState>,
    principal: Principal,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<DagTagCollection>> {
    principal.may(Action::Read, Resource::Dag)?;
    let page = page.page(ORDER)?;
    let mut tags = state.store.list_dag_tags(principal.tenant).await?;
    let pattern = pattern(&filter.tag_name_pattern, &filter.tag_name_prefix_pattern);
    tags.retain(|tag| pattern.fits(tag));
    tags.sort();
    if page.order_by.first().is_some_and(|(_, descending)| *descending) {
        tags.reverse();
    }
    let total_entries = tags.len() as u64;
    let tags = tags.into_iter().skip(page.offset as usize).take(page.limit as usize).collect();
    Ok(Json(DagTagCollection { tags, total_entries }))
}
