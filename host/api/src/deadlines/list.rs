use airlock_core::access::{Action, Resource};
use airlock_store::deadlines::DeadlineFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Instant, Order, PageQuery, Path, Principal, Query, span};
use crate::lookup::{self, unless_all};
use crate::models::DeadlineCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[
    ("id", "id"),
    ("deadline_time", "deadline_time"),
    ("created_at", "created_at"),
    ("last_updated_at", "last_updated_at"),
    ("missed", "missed"),
    ("dag_id", "dag_id"),
    ("dag_run_id", "dag_run_id"),
    ("alert_name", "alert_name"),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct DeadlineQuery {
    missed: Option<bool>,
    deadline_time_gte: Option<Instant>,
    deadline_time_gt: Option<Instant>,
    deadline_time_lte: Option<Instant>,
    deadline_time_lt: Option<Instant>,
    last_updated_at_gte: Option<Instant>,
    last_updated_at_gt: Option<Instant>,
    last_updated_at_lte: Option<Instant>,
    last_updated_at_lt: Option<Instant>,
}

impl DeadlineQuery {
    fn filter(self, dag_id: Option<String>, run_id: Option<String>) -> DeadlineFilter {
        DeadlineFilter {
            dag_id,
            run_id,
            missed: self.missed,
            deadline_time: span(
                self.deadline_time_gte,
                self.deadline_time_gt,
                self.deadline_time_lte,
                self.deadline_time_lt,
            ),
            updated_at: span(
                self.last_updated_at_gte,
                self.last_updated_at_gt,
                self.last_updated_at_lte,
                self.last_updated_at_lt,
            ),
        }
    }
}

/// The deadlines of a run that it has not met in time; `~` stands for all DAGs and all runs.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/deadlines", tag = "Deadlines",
    operation_id = "get_deadlines",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), DeadlineQuery, PageQuery),
    responses((status = 200, body = DeadlineCollection), Refusals))]
pub async fn get_deadlines(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(query): Query<DeadlineQuery>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<DeadlineCollection>> {
    principal.may(Action::Read, Resource::DagRun)?;
    let page = page.page(ORDER)?;
    let (dag_id, run_id) = (unless_all(dag_id), unless_all(run_id));
    if let (Some(dag_id), Some(run_id)) = (&dag_id, &run_id) {
        lookup::run(&*state.store, principal.tenant, dag_id, run_id).await?;
    }
    let found = state.store.list_deadlines(principal.tenant, &query.filter(dag_id, run_id), &page).await?;
    let deadlines = found.items.into_iter().map(Into::into).collect();
    Ok(Json(DeadlineCollection { deadlines, total_entries: found.total }))
}
