//! Where traces go: an OpenTelemetry collector, by OTLP over HTTP, if the usual environment variables name one.

use std::fmt;

use airlock_telemetry::trace;
use anyhow::{Context, Result};
use async_trait::async_trait;
use opentelemetry::trace::{SpanId, SpanKind, TraceId, TracerProvider};
use opentelemetry::{KeyValue, global};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, SdkTracerProvider, ShouldSample,
};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::failure::Failure;

/// Where requests are spans already, of the log too.
const REQUESTS: &str = "airlock_api::layers";

/// How long a collector may take to answer; `OTEL_EXPORTER_OTLP_TIMEOUT` bounds a whole export.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Traces of this process; dropping it does not send what is left, [`Traces::finish`] does.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// None where the environment asks for no traces.
    pub fn start(role: &str) -> Result<Option<Self>> {
        if !is_wanted() {
            return Ok(None);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Client::new()?)
            .build()
            .context("the environment variables OTEL_EXPORTER_OTLP_* cannot be used")?;
        let (root, sampler) = samplers()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_id_generator(Ids::default())
            .with_resource(resource(role))
            .build();
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        trace::switch_on(move |trace_id| {
            let result = root.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]);
            result.decision == SamplingDecision::RecordAndSample
        });
        Ok(Some(Self(provider)))
    }

    /// What turns spans of `tracing` into those of the collector.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let spans =
            Targets::new().with_target(trace::TARGET, LevelFilter::TRACE).with_target(REQUESTS, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("airlock"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(spans)
    }

    /// Sends what is left.
    pub fn finish(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans may be missing");
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_wanted() -> bool {
    let is_named = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
        .iter()
        .any(|name| variable(name).is_some());
    let is_disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    is_named && !is_disabled && variable("OTEL_TRACES_EXPORTER").is_none_or(|exporter| exporter == "otlp")
}

/// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come with the builder; a service that nobody has named is `airlock`.
fn resource(role: &str) -> Resource {
    let is_named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let builder = Resource::builder().with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("host.name", crate::server::hostname()),
        KeyValue::new("airlock.role", role.to_owned()),
    ]);
    if is_named { builder.build() } else { builder.with_service_name("airlock").build() }
}

/// By `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`: what decides on a new trace, and what decides on a span. The SDK reads them
/// too, but keeps what it made of them to itself, and the trace of a run is not begun by a span.
fn samplers() -> Result<(Sampler, Sampler)> {
    let name = variable("OTEL_TRACES_SAMPLER").unwrap_or_else(|| "parentbased_always_on".to_owned());
    let (root, is_parents) = match name.strip_prefix("parentbased_") {
        Some(root) => (root, true),
        None => (name.as_str(), false),
    };
    let root = match root {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio()?),
        _ => {
            return Err(Failure::usage(format!("the environment variable OTEL_TRACES_SAMPLER is `{name}`"))
                .hint("always_on, always_off or traceidratio, each with or without `parentbased_` before it")
                .into());
        }
    };
    let sampler = if is_parents { Sampler::ParentBased(Box::new(root.clone())) } else { root.clone() };
    Ok((root, sampler))
}

fn ratio() -> Result<f64> {
    let Some(text) = variable("OTEL_TRACES_SAMPLER_ARG") else { return Ok(1.0) };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    Ok(ratio.ok_or_else(|| {
        Failure::usage(format!(
            "the environment variable OTEL_TRACES_SAMPLER_ARG is `{text}`, not a number from 0 to 1"
        ))
    })?)
}

/// Random, but for the root spans of runs.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        trace::planned_trace_id().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        trace::planned_span_id().unwrap_or_else(|| self.0.new_span_id())
    }
}

/// The HTTP client of everything else. Spans are sent by a thread of the SDK's, which has no runtime: it gets one of its own, so that
/// the last spans go out when the process's runtime is gone.
struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { http, runtime })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Client")
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime.block_on(async {
            let answer = self.http.execute(request.try_into()?).await?;
            let mut response = Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                response = response.header(name, value);
            }
            Ok(response.body(answer.bytes().await?)?)
        })
    }
}
