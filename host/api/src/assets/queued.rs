//! What has been queued for DAGs and not been followed up.

use airlock_core::access::{Action, Resource};
use airlock_store::assets::{QueuedEventFilter, QueuedEventRow};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Instant, Path, Principal, Query};
use crate::models::{QueuedEventCollection, QueuedEventResponse, display_name};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Before {
    before: Option<Instant>,
}

/// What is queued for all DAGs by events of an asset.
#[utoipa::path(get, path = "/assets/{asset_id}/queuedEvents", tag = "Asset", operation_id = "get_asset_queued_events",
    params(("asset_id" = i64, Path), Before), responses((status = 200, body = QueuedEventCollection), Refusals))]
pub async fn get_asset_queued_events(
    State(state): State<ApiState>,
    principal: Principal,
    Path(asset_id): Path<i64>,
    Query(before): Query<Before>,
) -> Answer<Json<QueuedEventCollection>> {
    list(&state, &principal, (None, Some(asset_id)), before).await.map(Json)
}

/// Takes what is queued by events of an asset off the queues of all DAGs.
#[utoipa::path(delete, path = "/assets/{asset_id}/queuedEvents", tag = "Asset",
    operation_id = "delete_asset_queued_events", params(("asset_id" = i64, Path), Before),
    responses((status = 204), Refusals))]
pub async fn delete_asset_queued_events(
    State(state): State<ApiState>,
    principal: Principal,
    Path(asset_id): Path<i64>,
    Query(before): Query<Before>,
) -> Answer<StatusCode> {
    delete(&state, &principal, (None, Some(asset_id)), before).await
}

/// What is queued for a DAG.
#[utoipa::path(get, path = "/dags/{dag_id}/assets/queuedEvents", tag = "Asset",
    operation_id = "get_dag_asset_queued_events", params(("dag_id" = String, Path), Before),
    responses((status = 200, body = QueuedEventCollection), Refusals))]
pub async fn get_dag_asset_queued_events(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(before): Query<Before>,
) -> Answer<Json<QueuedEventCollection>> {
    list(&state, &principal, (Some(dag_id), None), before).await.map(Json)
}

/// Takes everything off a DAG's queue.
#[utoipa::path(delete, path = "/dags/{dag_id}/assets/queuedEvents", tag = "Asset",
    operation_id = "delete_dag_asset_queued_events", params(("dag_id" = String, Path), Before),
    responses((status = 204), Refusals))]
pub async fn delete_dag_asset_queued_events(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(before): Query<Before>,
) -> Answer<StatusCode> {
    delete(&state, &principal, (Some(dag_id), None), before).await
}

/// What is queued for a DAG by events of an asset.
#[utoipa::path(get, path = "/dags/{dag_id}/assets/{asset_id}/queuedEvents", tag = "Asset",
    operation_id = "get_dag_asset_queued_event", params(("dag_id" = String, Path), ("asset_id" = i64, Path), Before),
    responses((status = 200, body = QueuedEventResponse), Refusals))]
pub async fn get_dag_asset_queued_event(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, asset_id)): Path<(String, i64)>,
    Query(before): Query<Before>,
) -> Answer<Json<QueuedEventResponse>> {
    let mut found = list(&state, &principal, (Some(dag_id.clone()), Some(asset_id)), before).await?.queued_events;
    found.pop().map(Json).ok_or_else(|| {
        let which = format!("dag_id: `{dag_id}` and asset_id: `{asset_id}`");
        Problem::not_found(format!("Queued event with {which} was not found"))
    })
}

/// Takes what is queued by events of an asset off a DAG's queue.
#[utoipa::path(delete, path = "/dags/{dag_id}/assets/{asset_id}/queuedEvents", tag = "Asset",
    operation_id = "delete_dag_asset_queued_event",
    params(("dag_id" = String, Path), ("asset_id" = i64, Path), Before), responses((status = 204), Refusals))]
pub async fn delete_dag_asset_queued_event(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, asset_id)): Path<(String, i64)>,
    Query(before): Query<Before>,
) -> Answer<StatusCode> {
    delete(&state, &principal, (Some(dag_id), Some(asset_id)), before).await
}

/// Of a DAG, of an asset, or of both.
type Which = (Option<String>, Option<i64>);

fn filter((dag_id, asset_id): Which, before: Before) -> QueuedEventFilter {
    QueuedEventFilter { dag_id, asset_id, before: before.before.map(|before| before.0) }
}

async fn list(state: &ApiState, principal: &Principal, which: Which, before: Before) -> Answer<QueuedEventCollection> {
    principal.may(Action::Read, Resource::Asset)?;
    let rows = state.store.queued_events(principal.tenant, &filter(which, before)).await?;
    let mut queued_events = Vec::with_capacity(rows.len());
    for QueuedEventRow { dag_id, asset_id, created_at, .. } in rows {
        let dag = state.store.dag(principal.tenant, &dag_id).await?;
        let dag_display_name = dag.map_or_else(|| dag_id.clone(), |dag| display_name(&dag.dag));
        queued_events.push(QueuedEventResponse { dag_id, asset_id, created_at, dag_display_name });
    }
    Ok(QueuedEventCollection { total_entries: queued_events.len(), queued_events })
}

async fn delete(state: &ApiState, principal: &Principal, which: Which, before: Before) -> Answer<StatusCode> {
    principal.may(Action::Delete, Resource::Asset)?;
    let named = [
        which.0.as_ref().map(|dag_id| format!("dag_id: `{dag_id}`")),
        which.1.map(|asset_id| format!("asset_id: `{asset_id}`")),
    ];
    let named = named.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    if state.store.delete_queued_events(principal.tenant, &filter(which, before)).await? == 0 {
        return Err(Problem::not_found(format!("Queue event with {named} was not found")));
    }
    Ok(StatusCode::NO_CONTENT)
}
