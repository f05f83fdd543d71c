//! The layer that keeps what was done.

use std::collections::HashMap;

use airlock_core::mask;
use airlock_store::audit::AuditEntry;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::extract::Principal;
use crate::problem::Problem;
use crate::state::ApiState;

/// Bytes of a body that is kept with what was done; of a larger one, only that there was one.
const KEPT_BODY: usize = 16 << 10;

/// Requests that send something and change nothing, by how their routes end.
const LOOKS: [&str; 5] = ["/list", "/validate", "/test", "/dry_run", "/dryRun"];

/// Things whose bodies are secrets, by how their routes begin: of these the names of the fields are kept.
const SECRETIVE: [&str; 4] = ["/api/v2/connections", "/api/v2/variables", "/api/v2/users", "/api/v2/tokens"];

/// The names of the API's operations, by method and route. They are Airflow's names of events.
#[derive(Debug, Default)]
pub struct Operations(HashMap<(Method, String), String>);

impl Operations {
    pub fn of(openapi: &OpenApi) -> Self {
        let mut operations = HashMap::new();
        for (route, item) in &openapi.paths.paths {
            let verbs = [
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in verbs {
                let name = operation.as_ref().and_then(|operation| operation.operation_id.clone());
                operations.extend(name.map(|name| ((method, route.clone()), name)));
            }
        }
        Self(operations)
    }

    fn name(&self, method: &Method, route: &str) -> Option<&str> {
        self.0.get(&(method.clone(), route.to_owned())).map(String::as_str)
    }
}

/// Keeps every request that changed something. What it did is done by then: that it cannot be recorded is logged, and does not
/// turn it into a failure.
pub async fn record(
    State(state): State<ApiState>,
    principal: Principal,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let route = route.map(|route| route.as_str().to_owned()).unwrap_or_default();
    let looks = LOOKS.iter().any(|end| route.ends_with(end));
    let Some(event) = state.operations().name(request.method(), &route).filter(|_| !looks).map(str::to_owned) else {
        return Ok(next.run(request).await);
    };
    let mut entry = AuditEntry { event, owner: principal.username.clone(), ..AuditEntry::default() };
    let rest = take_names(&mut entry, &route, request.uri().path());
    let query = request.uri().query().map(str::to_owned);
    let (request, body) = with_body(request, &route).await?;
    let response = next.run(request).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    entry.at = state.now();
    entry.extra = extra(rest, query, body).map(|extra| Value::Object(extra).to_string());
    if let Err(error) = state.store.add_audit(principal.tenant, &entry).await {
        tracing::error!(%error, event = entry.event, "what was done could not be recorded");
    }
    Ok(response)
}

/// Reads the path's names into the entry, and answers those that have no place there.
fn take_names(entry: &mut AuditEntry, route: &str, path: &str) -> Map<String, Value> {
    let mut rest = Map::new();
    // From the end: inside of a nested router the path has lost its beginning, and the route has not.
    for (pattern, part) in route.rsplit('/').zip(path.rsplit('/')) {
        let Some(name) = pattern.strip_prefix('{').and_then(|pattern| pattern.strip_suffix('}')) else { continue };
        let value = percent_decode_str(part).decode_utf8_lossy().into_owned();
        match name {
            "dag_id" => entry.dag_id = Some(value),
            "dag_run_id" => entry.run_id = Some(value),
            "task_id" => entry.task_id = Some(value),
            "map_index" => entry.map_index = value.parse().ok(),
            "try_number" | "task_try_number" => entry.try_number = value.parse().ok(),
            other => {
                rest.insert(other.to_owned(), Value::String(value));
            }
        }
    }
    rest
}

/// Whether a body is JSON, and known to be small enough to be kept.
fn is_kept(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    is_json && request.body().size_hint().exact().is_some_and(|length| length <= KEPT_BODY as u64)
}

/// The request again, and what of its body is kept.
async fn with_body(request: Request, route: &str) -> Result<(Request, Option<Value>), Problem> {
    // A DAG's document is kept as its version.
    if !is_kept(&request) || (request.method() == Method::PUT && route == "/api/v2/dags/{dag_id}") {
        return Ok((request, None));
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, KEPT_BODY).await.map_err(|error| Problem::bad_request(error.to_string()))?;
    let kept = serde_json::from_slice(&bytes).ok().map(|body| without_secrets(body, route));
    Ok((Request::from_parts(parts, Body::from(bytes)), kept))
}

fn without_secrets(body: Value, route: &str) -> Value {
    let Value::Object(members) = body else { return json!("...") };
    if SECRETIVE.iter().any(|start| route.starts_with(start)) {
        return members.into_iter().map(|(name, _)| Value::String(name)).collect();
    }
    Value::Object(mask::redacted(&members))
}

fn extra(mut rest: Map<String, Value>, query: Option<String>, body: Option<Value>) -> Option<Map<String, Value>> {
    rest.extend(query.map(|query| ("query".to_owned(), Value::String(query))));
    rest.extend(body.map(|body| ("body".to_owned(), body)));
    (!rest.is_empty()).then_some(rest)
}
