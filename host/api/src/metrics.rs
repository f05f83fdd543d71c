//! `/metrics`, and how long requests take.

use std::time::Instant;

use airlock_telemetry::catalogue::{PARSE_TIME, REQUEST_SECONDS};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::extract::Principal;
use crate::ports::PROMETHEUS_TEXT;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// What this process measures, as Prometheus reads it; with figures of the whole installation, and so for the platform's
/// administrators only.
#[utoipa::path(get, path = "/metrics", tag = "Monitor", operation_id = "get_metrics",
    responses((status = 200, body = String, content_type = "text/plain"), Refusals))]
pub async fn get_metrics(State(state): State<ApiState>, principal: Principal) -> Answer<Response> {
    principal.administers_platform()?;
    Ok(([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], state.metrics.text().await).into_response())
}

/// Measures a request by its route, for paths hold names.
pub async fn measure(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let class = match response.status().as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    REQUEST_SECONDS.histogram_of([known(method.as_str()), route, class]).record(began.elapsed().as_secs_f64());
    response
}

/// A method may be any word.
fn known(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => method,
        _ => "other",
    }
}

/// How long it took to read and check a document.
pub fn parsed(since: Instant) {
    PARSE_TIME.gauge().set(since.elapsed().as_secs_f64());
}
