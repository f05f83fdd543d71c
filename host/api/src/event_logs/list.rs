use airlock_core::access::{Action, Resource};
use airlock_store::audit::AuditFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Instant, Order, PageQuery, Principal, Query, pattern};
use crate::models::EventLogCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[
    ("id", "id"),
    ("event_log_id", "id"),
    ("when", "when"),
    ("dttm", "when"),
    ("dag_id", "dag_id"),
    ("task_id", "task_id"),
    ("run_id", "run_id"),
    ("event", "event"),
    ("owner", "owner"),
    ("extra", "extra"),
    ("logical_date", ""),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    dag_id: Option<String>,
    task_id: Option<String>,
    run_id: Option<String>,
    map_index: Option<i32>,
    try_number: Option<u32>,
    owner: Option<String>,
    event: Option<String>,
    excluded_events: Vec<String>,
    included_events: Vec<String>,
    before: Option<Instant>,
    after: Option<Instant>,
    dag_id_pattern: Option<String>,
    dag_id_prefix_pattern: Option<String>,
    task_id_pattern: Option<String>,
    task_id_prefix_pattern: Option<String>,
    run_id_pattern: Option<String>,
    run_id_prefix_pattern: Option<String>,
    owner_pattern: Option<String>,
    owner_prefix_pattern: Option<String>,
    event_pattern: Option<String>,
    event_prefix_pattern: Option<String>,
}

/// What was done, oldest first.
#[utoipa::path(get, path = "/eventLogs", tag = "Event Log", operation_id = "get_event_logs", params(PageQuery, Filter),
    responses((status = 200, body = EventLogCollection), Refusals))]
pub async fn get_event_logs(
    State(state): State<ApiState>,
    principal: Principal,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<EventLogCollection>> {
    principal.may(Action::Read, Resource::AuditLog)?;
    let mut included_events = filter.included_events;
    included_events.extend(filter.event);
    let filter = AuditFilter {
        dag_id: filter.dag_id,
        run_id: filter.run_id,
        task_id: filter.task_id,
        map_index: filter.map_index,
        try_number: filter.try_number,
        owner: filter.owner,
        excluded_events: filter.excluded_events,
        included_events,
        before: filter.before.map(|before| before.0),
        after: filter.after.map(|after| after.0),
        dag_id_pattern: pattern(&filter.dag_id_pattern, &filter.dag_id_prefix_pattern),
        run_id_pattern: pattern(&filter.run_id_pattern, &filter.run_id_prefix_pattern),
        task_id_pattern: pattern(&filter.task_id_pattern, &filter.task_id_prefix_pattern),
        owner_pattern: pattern(&filter.owner_pattern, &filter.owner_prefix_pattern),
        event_pattern: pattern(&filter.event_pattern, &filter.event_prefix_pattern),
    };
    let found = state.store.list_audit(principal.tenant, &filter, &page.page(ORDER)?).await?;
    Ok(Json(EventLogCollection {
        event_logs: found.items.into_iter().map(Into::into).collect(),
        total_entries: found.total,
    }))
}
