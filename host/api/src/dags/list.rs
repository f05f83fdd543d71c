use airlock_core::access::{Action, Resource};
use airlock_store::dags::DagFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Principal, Query, Unsupported, pattern};
use crate::models::DagCollection;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[("dag_id", "dag_id"), ("dag_display_name", "dag_display_name"), ("next_dagrun", "next_dagrun")];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    tags: Vec<String>,
    /// `any` (default) or `all`.
    tags_match_mode: Option<String>,
    owners: Vec<String>,
    /// A part of the id; `%` and `_` are wildcards, `~` is everything.
    pub dag_id_pattern: Option<String>,
    paused: Option<bool>,
}

impl Filter {
    pub fn dags(self) -> Answer<DagFilter> {
        let match_all_tags = match self.tags_match_mode.as_deref() {
            None | Some("" | "any") => false,
            Some("all") => true,
            Some(other) => {
                let detail = format!("the parameter `tags_match_mode` is `{other}`; valid are `any` and `all`");
                return Err(Problem::invalid("", detail));
            }
        };
        Ok(DagFilter {
            dag_id_pattern: pattern(self.dag_id_pattern),
            dag_ids: None,
            tags: self.tags,
            match_all_tags,
            owners: self.owners,
            paused: self.paused,
        })
    }
}

/// DAGs.
#[utoipa::path(get, path = "/dags", tag = "DAG", operation_id = "get_dags", params(PageQuery, Filter),
    responses((status = 200, body = DagCollection), Refusals))]
pub async fn get_dags(
    State(state): State<ApiState>,
    principal: Principal,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<DagCollection>> {
    principal.may(Action::Read, Resource::Dag)?;
    let dags = state.store.list_dags(principal.tenant, &filter.dags()?, &page.page(ORDER)?).await?;
    Ok(Json(DagCollection { dags: dags.items.iter().map(Into::into).collect(), total_entries: dags.total }))
}
