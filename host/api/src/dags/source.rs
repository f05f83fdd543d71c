use airlock_core::access::{Action, Resource};
use airlock_store::dags::DagVersion;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::models::{DagSourceResponse, display_name};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct VersionQuery {
    /// The newest, if none is given.
    version_number: Option<u32>,
}

async fn version(
    state: &ApiState,
    principal: &Principal,
    dag_id: &str,
    query: &VersionQuery,
) -> Answer<(DagVersion, String)> {
    principal.may(Action::Read, Resource::DagSource)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let row = lookup::dag(store, tenant, dag_id).await?;
    let version = lookup::version(store, tenant, dag_id, query.version_number.unwrap_or(row.version)).await?;
    let source = lookup::source(store, tenant, &version).await?;
    Ok((version, source))
}

/// The document as it was sent. The `ETag` is the version, for `If-Match` of a PUT.
#[utoipa::path(get, path = "/dags/{dag_id}/source", tag = "DAG", operation_id = "get_dag_document",
    params(("dag_id" = String, Path), VersionQuery),
    responses((status = 200, body = Object, content_type = "application/json"), Refusals))]
pub async fn get_document(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Answer<Response> {
    let (version, source) = version(&state, &principal, &dag_id, &query).await?;
    let etag = HeaderValue::from_str(&format!("\"{}\"", version.version)).map_err(Problem::internal)?;
    let content_type = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, content_type), (header::ETAG, etag)], source).into_response())
}

/// The document as Airflow answers with a DAG's code: within JSON, or plain with `Accept: text/plain`.
#[utoipa::path(get, path = "/dagSources/{dag_id}", tag = "DagSource", operation_id = "get_dag_source",
    params(("dag_id" = String, Path), VersionQuery),
    responses((status = 200, content((DagSourceResponse = "application/json"), (String = "text/plain"))), Refusals))]
pub async fn get_dag_source(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(query): Query<VersionQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (version, source) = version(&state, &principal, &dag_id, &query).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    if accept.contains("application/json") || accept.contains("*/*") || accept.contains("application/*") {
        return Ok(Json(DagSourceResponse {
            dag_display_name: display_name(&version.dag),
            content: Some(source),
            dag_id,
            version_number: Some(version.version),
        })
        .into_response());
    }
    if accept.contains("text/plain") {
        return Ok(source.into_response());
    }
    let detail = format!("cannot answer with `{accept}`; possible are application/json and text/plain");
    Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail))
}
