//! What stands round every endpoint. From the outside: request id, trace, panics, time, then (see `router`) bodies and tokens.

use std::any::Any;
use std::time::Duration;

use airlock_telemetry::trace;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use tracing::Span;
use tracing::field::Empty;

use crate::alternatives::Alternatives;
use crate::metrics::measure;
use crate::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Layers for the whole router.
pub fn around(router: Router) -> Router {
    router.layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            .layer(TraceLayer::new_for_http().make_span_with(span).on_response(answered))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(from_fn(measure))
            .layer(CatchPanicLayer::custom(panicked)),
    )
}

/// What happens to a request before it is routed. A layer of a router is too late for that: routing comes first.
pub fn before(router: Router, alternatives: Alternatives) -> Router {
    let addressed = tower::util::MapRequest::new(router, move |request| alternatives.address(request));
    Router::new().fallback_service(addressed)
}

/// The route and not the address: a span's name must not hold what people put into paths and queries.
fn span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let request_id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let span = tracing::info_span!(
        "api.request",
        http.method = %request.method(),
        http.route = route,
        request.id = request_id,
        otel.name = Empty,
        otel.kind = Empty,
        otel.status_code = Empty,
        http.response.status_code = Empty,
    );
    if trace::is_on() {
        span.record("otel.name", format!("{} {route}", request.method()));
        span.record("otel.kind", "server");
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        trace::go_on(&span, header("traceparent"), header("tracestate"));
    }
    span
}

fn answered<B>(response: &axum::http::Response<B>, latency: Duration, span: &Span) {
    let (status, micros) = (response.status().as_u16(), latency.as_micros());
    if trace::is_on() {
        span.record("http.response.status_code", status);
        if response.status().is_server_error() {
            trace::failed(span);
        }
    }
    tracing::debug!(http.status = status, "answered with {status} after {micros} µs");
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Problem::internal(format_args!("a handler panicked: {text}")).into_response()
}

/// Ends requests that take longer. The time is that until the answer begins: a stream may go on.
pub fn within<S: Clone + Send + Sync + 'static>(
    router: utoipa_axum::router::OpenApiRouter<S>,
    limit: Duration,
) -> utoipa_axum::router::OpenApiRouter<S> {
    router.layer(from_fn(move |request: Request, next: Next| async move {
        tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
            let detail = format!("the request took longer than {} s", limit.as_secs());
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail);
            Problem { retry_after: Some(1), ..problem }.into_response()
        })
    }))
}
