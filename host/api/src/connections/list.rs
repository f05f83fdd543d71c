use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Principal, Query, Unsupported, pattern};
use crate::models::{ConnectionCollection, ConnectionResponse};
use crate::problem::{Answer, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

const ORDER: &Order = &[
    ("id", "conn_id"),
    ("conn_id", "conn_id"),
    ("connection_id", "conn_id"),
    ("conn_type", "conn_type"),
    ("description", "description"),
    ("host", "host"),
    ("port", "port"),
    ("team_name", ""),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    connection_id_pattern: Option<String>,
    connection_id_prefix_pattern: Option<String>,
}

/// Connections.
#[utoipa::path(get, path = "/connections", tag = "Connection", operation_id = "get_connections", params(PageQuery, Filter),
    responses((status = 200, body = ConnectionCollection), Refusals))]
pub async fn get_connections(
    State(state): State<ApiState>,
    principal: Principal,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<ConnectionCollection>> {
    principal.may(Action::Read, Resource::Connection)?;
    let pattern = pattern(&filter.connection_id_pattern, &filter.connection_id_prefix_pattern);
    let rows = state.store.list_connections(principal.tenant, &pattern, &page.page(ORDER)?).await?;
    let secrets = Secrets::of(&state, &principal);
    let connections = rows.items.into_iter().map(|row| ConnectionResponse::new(secrets, row)).collect::<Answer<_>>()?;
    Ok(Json(ConnectionCollection { connections, total_entries: rows.total }))
}
