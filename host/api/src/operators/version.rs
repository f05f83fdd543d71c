use airlock_blobs::Digest;
use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio_util::io::ReaderStream;

use super::find;
use crate::extract::{Path, Principal};
use crate::models::OperatorVersionResponse;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// One version of an operator: its module, or with `Accept: application/json` what the catalogue says of it.
#[utoipa::path(get, path = "/operators/{name}/versions/{version}", tag = "Operator",
    operation_id = "get_operator_version",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, content((Vec<u8> = "application/wasm"), (OperatorVersionResponse = "application/json"))),
        Refusals))]
pub async fn get_operator_version(
    State(state): State<ApiState>,
    principal: Principal,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    principal.may(Action::Read, Resource::Operator)?;
    let row = find(&*state.store, principal.tenant, &name, &version).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") {
        return Ok(Json(OperatorVersionResponse::from(row)).into_response());
    }
    let digest: Digest = row.digest.parse().map_err(Problem::internal)?;
    let module = state.blobs.module(digest).await.map_err(Problem::internal)?;
    let path =
        module.ok_or_else(|| Problem::internal(format!("the module {digest} is in the catalogue, and not there")))?;
    let file = tokio::fs::File::open(path).await.map_err(Problem::internal)?;
    let etag = HeaderValue::from_str(&format!("\"{}\"", row.digest)).map_err(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/wasm")),
        (header::CONTENT_LENGTH, HeaderValue::from(row.size)),
        (header::ETAG, etag),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}
