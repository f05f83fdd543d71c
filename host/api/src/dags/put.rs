use std::time::Instant;

use airlock_core::access::{Action, Resource};
use airlock_core::dag::{Dag, canonical_hash};
use airlock_core::fault::{Fault, Faults};
use airlock_core::id::TenantId;
use airlock_store::dags::{DagRow, NextRun, PutDag, PutDagResult};
use airlock_store::{Store, StoreError};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use super::catalogue::{catalogue, checked};
use super::next_runs::following;
use crate::extract::{Document, Path, Principal, Query};
use crate::metrics;
use crate::models::PutDagResponse;
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct PutQuery {
    /// Say what the request would come to, and change nothing.
    dry_run: bool,
}

/// Makes or changes a DAG. An equal document makes no new version; a changed one does, and runs keep theirs.
///
/// With `If-Match: "3"`, refused (412) unless the newest version is 3. Every fault of a document is named at once (422).
#[utoipa::path(put, path = "/dags/{dag_id}", tag = "DAG", operation_id = "put_dag",
    params(("dag_id" = String, Path), PutQuery,
        ("If-Match" = Option<String>, Header, description = "The version that the DAG must have, as `ETag` has it")),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, body = PutDagResponse), (status = 201, body = PutDagResponse),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn put_dag(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(query): Query<PutQuery>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer<Response> {
    principal.may(Action::Create, Resource::Dag)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let expected = expected_version(&headers)?;
    let catalogue = catalogue(store, tenant).await?;
    let began = Instant::now();
    let (document, dag) = checked(document, catalogue).await?;
    metrics::parsed(began);
    if dag.dag_id != dag_id {
        let detail = format!("the document is of `{}`, the path of `{dag_id}`", dag.dag_id);
        return Err(Problem::faulty(Faults(vec![Fault::new("/dag_id", detail)])));
    }
    let hash = canonical_hash(&dag);
    let put =
        PutDag { tenant, dag: &dag, hash: &hash, source: &document, expected_version: expected, now: state.now() };
    let (response, status) = if query.dry_run {
        (dry_run(store, &put).await?, StatusCode::OK)
    } else {
        let (row, result) = store.put_dag(put).await.map_err(|error| refused(error, expected))?;
        let next = schedule(store, &row, state.now()).await?;
        state.wake.runs().raise();
        let status = if result == PutDagResult::Created { StatusCode::CREATED } else { StatusCode::OK };
        (response(&row.dag_id, row.version, result, next, false), status)
    };
    let etag = HeaderValue::from_str(&format!("\"{}\"", response.version_number)).map_err(Problem::internal)?;
    Ok((status, [(header::ETAG, etag)], Json(response)).into_response())
}

/// Sets when the DAG's next run is due, as of its newest version.
async fn schedule(store: &dyn Store, row: &DagRow, now: DateTime<Utc>) -> Answer<Option<NextRun>> {
    let next = following(store, row.tenant, &row.dag, now, 1).await?.pop();
    // False where the DAG has moved on meanwhile: then the other request sets it.
    store.set_next_run(row.tenant, &row.dag_id, row.version, next.as_ref()).await?;
    Ok(next)
}

async fn dry_run(store: &dyn Store, put: &PutDag<'_>) -> Answer<PutDagResponse> {
    let current = current_hash(store, put.tenant, put.dag).await?;
    let version = current.as_ref().map_or(0, |(version, _)| *version);
    if put.expected_version.is_some_and(|expected| expected != version) {
        return Err(precondition_failed(format!("the newest version is {version}")));
    }
    let next = following(store, put.tenant, put.dag, put.now, 1).await?.pop();
    let (result, version) = match current {
        None => (PutDagResult::Created, 1),
        Some((version, hash)) if hash == put.hash => (PutDagResult::Unchanged, version),
        Some((version, _)) => (PutDagResult::Changed, version + 1),
    };
    Ok(response(&put.dag.dag_id, version, result, next, true))
}

async fn current_hash(store: &dyn Store, tenant: TenantId, dag: &Dag) -> Answer<Option<(u32, String)>> {
    let Some(row) = store.dag(tenant, &dag.dag_id).await? else { return Ok(None) };
    let version = store.dag_version(tenant, &dag.dag_id, row.version).await?;
    Ok(version.map(|version| (version.version, version.hash)))
}

fn response(
    dag_id: &str,
    version_number: u32,
    result: PutDagResult,
    next: Option<NextRun>,
    dry_run: bool,
) -> PutDagResponse {
    PutDagResponse {
        result: match result {
            PutDagResult::Created => "created",
            PutDagResult::Changed => "changed",
            PutDagResult::Unchanged => "unchanged",
        },
        dag_id: dag_id.to_owned(),
        version_number,
        next_dagrun_run_after: next.map(|next| next.run_after),
        dry_run,
    }
}

/// The version that `If-Match` names: `"3"`, as `ETag` has it. `*` asks for any.
fn expected_version(headers: &HeaderMap) -> Answer<Option<u32>> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.trim_matches('"').parse();
    number.map(Some).map_err(|_| Problem::bad_request(format!("`If-Match: {text}` names no version; `\"3\"` would")))
}

/// A conflict on a request with `If-Match` is what HTTP has a status of its own for.
fn refused(error: StoreError, expected: Option<u32>) -> Problem {
    match error {
        StoreError::Conflict(detail) if expected.is_some() => precondition_failed(detail),
        other => other.into(),
    }
}

fn precondition_failed(detail: String) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "version-mismatch", detail)
}
