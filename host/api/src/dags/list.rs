use airlock_core::access::{Action, Resource};
use airlock_core::state::RunState;
use airlock_store::dags::DagFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Instant, Order, PageQuery, Principal, Query, Unsupported, pattern, span};
use crate::models::DagCollection;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[
    ("dag_id", "dag_id"),
    ("dag_display_name", "dag_display_name"),
    ("next_dagrun", "next_dagrun"),
    ("state", "last_run_state"),
    ("last_run_state", "last_run_state"),
    ("start_date", "last_run_start_date"),
    ("last_run_start_date", "last_run_start_date"),
];

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
    pub dag_id_prefix_pattern: Option<String>,
    paused: Option<bool>,
    dag_display_name_pattern: Option<String>,
    dag_display_name_prefix_pattern: Option<String>,
    /// Those that one has picked out, or has not.
    is_favorite: Option<bool>,
    has_asset_schedule: Option<bool>,
    /// A part of the name or the URI of an asset that the DAG follows.
    asset_dependency: Option<String>,
    /// The state of the newest run.
    #[param(value_type = Option<String>)]
    last_dag_run_state: Option<RunState>,
    /// States, any of which the newest run is in.
    #[param(value_type = Vec<String>)]
    dag_run_state: Vec<RunState>,
    dag_run_start_date_gte: Option<Instant>,
    dag_run_start_date_gt: Option<Instant>,
    dag_run_start_date_lte: Option<Instant>,
    dag_run_start_date_lt: Option<Instant>,
    dag_run_end_date_gte: Option<Instant>,
    dag_run_end_date_gt: Option<Instant>,
    dag_run_end_date_lte: Option<Instant>,
    dag_run_end_date_lt: Option<Instant>,
}

impl Filter {
    /// For a user, who has favorites.
    pub fn dags(mut self, username: &str) -> Answer<DagFilter> {
        let match_all_tags = match self.tags_match_mode.as_deref() {
            None | Some("" | "any") => false,
            Some("all") => true,
            Some(other) => {
                let detail = format!("the parameter `tags_match_mode` is `{other}`; valid are `any` and `all`");
                return Err(Problem::invalid("", detail));
            }
        };
        self.dag_run_state.extend(self.last_dag_run_state);
        Ok(DagFilter {
            dag_id_pattern: pattern(&self.dag_id_pattern, &self.dag_id_prefix_pattern),
            display_name_pattern: pattern(&self.dag_display_name_pattern, &self.dag_display_name_prefix_pattern),
            dag_ids: None,
            favorite_of: self.is_favorite.map(|favorite| (username.to_owned(), favorite)),
            has_asset_schedule: self.has_asset_schedule,
            asset_dependency: self.asset_dependency.filter(|part| !part.is_empty()),
            last_run_started_at: span(
                self.dag_run_start_date_gte,
                self.dag_run_start_date_gt,
                self.dag_run_start_date_lte,
                self.dag_run_start_date_lt,
            ),
            last_run_ended_at: span(
                self.dag_run_end_date_gte,
                self.dag_run_end_date_gt,
                self.dag_run_end_date_lte,
                self.dag_run_end_date_lt,
            ),
            last_run_states: self.dag_run_state,
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
    let dags = state.store.list_dags(principal.tenant, &filter.dags(&principal.username)?, &page.page(ORDER)?).await?;
    Ok(Json(DagCollection { dags: dags.items.iter().map(Into::into).collect(), total_entries: dags.total }))
}
