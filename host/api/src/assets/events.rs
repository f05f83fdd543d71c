use airlock_core::access::{Action, Resource};
use airlock_store::StoreError;
use airlock_store::assets::AssetEventFilter;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Instant, Order, PageQuery, Path, Principal, Query, Unsupported, ValidJson, pattern, span};
use crate::lookup;
use crate::models::{AssetEventBody, AssetEventCollection, AssetEventResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[
    ("id", "id"),
    ("timestamp", "timestamp"),
    ("source_task_id", "source_task_id"),
    ("source_dag_id", "source_dag_id"),
    ("source_run_id", "source_run_id"),
    ("source_map_index", "source_map_index"),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    asset_id: Option<i64>,
    source_dag_id: Option<String>,
    source_task_id: Option<String>,
    source_run_id: Option<String>,
    source_map_index: Option<i32>,
    name_pattern: Option<String>,
    name_prefix_pattern: Option<String>,
    timestamp_gte: Option<Instant>,
    timestamp_gt: Option<Instant>,
    timestamp_lte: Option<Instant>,
    timestamp_lt: Option<Instant>,
}

impl Filter {
    fn events(self) -> AssetEventFilter {
        AssetEventFilter {
            asset_id: self.asset_id,
            asset: None,
            source_alias: None,
            name_pattern: pattern(&self.name_pattern, &self.name_prefix_pattern),
            source_dag_id: self.source_dag_id,
            source_task_id: self.source_task_id,
            source_run_id: self.source_run_id,
            source_map_index: self.source_map_index,
            timestamp: span(self.timestamp_gte, self.timestamp_gt, self.timestamp_lte, self.timestamp_lt),
        }
    }
}

/// Events of assets, by default the oldest first.
#[utoipa::path(get, path = "/assets/events", tag = "Asset", operation_id = "get_asset_events",
    params(PageQuery, Filter), responses((status = 200, body = AssetEventCollection), Refusals))]
pub async fn get_asset_events(
    State(state): State<ApiState>,
    principal: Principal,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<AssetEventCollection>> {
    principal.may(Action::Read, Resource::Asset)?;
    let mut page = page.page(ORDER)?;
    if page.order_by.is_empty() {
        page.order_by.push(("timestamp".to_owned(), false));
    }
    let found = state.store.list_asset_events(principal.tenant, &filter.events(), &page).await?;
    Ok(Json(AssetEventCollection {
        asset_events: found.items.into_iter().map(Into::into).collect(),
        total_entries: found.total,
    }))
}

/// Says that an asset has changed. DAGs that are scheduled on it follow.
#[utoipa::path(post, path = "/assets/events", tag = "Asset", operation_id = "create_asset_event",
    request_body = AssetEventBody, responses((status = 200, body = AssetEventResponse), Refusals))]
pub async fn create_asset_event(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<AssetEventBody>,
) -> Answer<Json<AssetEventResponse>> {
    principal.may(Action::Create, Resource::Asset)?;
    if body.partition_key.is_some() {
        return Err(Problem::invalid("/partition_key", "assets have no partitions here: leave it out"));
    }
    if body.access_control.is_some() {
        return Err(Problem::invalid("/access_control", "a tenant has no teams: leave it out"));
    }
    let created = state.store.create_asset_event(principal.tenant, body.asset_id, &body.extra, state.now()).await;
    let event = created.map_err(|error| match error {
        StoreError::NotFound { .. } => Problem::not_found(format!("Asset with ID: `{}` was not found", body.asset_id)),
        other => other.into(),
    })?;
    state.wake.runs().raise();
    Ok(Json(event.into()))
}

/// The events that a run followed from; none for other runs.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents", tag = "DagRun",
    operation_id = "get_upstream_asset_events", params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    responses((status = 200, body = AssetEventCollection), Refusals))]
pub async fn get_upstream_asset_events(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
) -> Answer<Json<AssetEventCollection>> {
    principal.may(Action::Read, Resource::Asset)?;
    principal.may(Action::Read, Resource::DagRun)?;
    let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
    let events = state.store.asset_events_of_run(run.key).await?;
    Ok(Json(AssetEventCollection {
        total_entries: events.len() as u64,
        asset_events: events.into_iter().map(Into::into).collect(),
    }))
}
