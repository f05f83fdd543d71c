//! The traces of runs, across processes.
//!
//! A run has one trace. Its id, and the id of its root span, follow from the run's key and names, so that every process knows
//! them without a column, a header on the queue, or a word from another process: the scheduler tells of the waits and of the run
//! as a whole, the worker of the try and what it calls, the API of the request that made the run. A request has a trace of its own,
//! or its caller's; it and the run's trace are linked.
//!
//! Off, as long as nobody has called [`switch_on`], which costs a comparison. Spans have the target [`TARGET`] and the
//! level `trace`, so that a log never has them and their callsites are disabled where nothing listens.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::SystemTime;

use airlock_core::id::RunKey;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue, global};
use sha2::{Digest, Sha256};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of spans that go to traces, and nowhere else.
pub const TARGET: &str = "airlock::trace";

/// Whether a trace with this id is recorded: the same answer in every process that is configured alike.
type Samples = Box<dyn Fn(TraceId) -> bool + Send + Sync>;

static SAMPLES: OnceLock<Samples> = OnceLock::new();

thread_local! {
    /// The ids of the span that is begun next on this thread, where they are not to be random.
    static IDS: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// From now on there are traces: a tracer provider has been installed that takes ids from [`planned_trace_id`] and
/// [`planned_span_id`], and a subscriber that listens to [`TARGET`].
pub fn switch_on(samples: impl Fn(TraceId) -> bool + Send + Sync + 'static) {
    // Whoever was first stays.
    let _ = SAMPLES.set(Box::new(samples));
}

pub fn is_on() -> bool {
    SAMPLES.get().is_some()
}

/// For the id generator: what the root span of a run is to have.
pub fn planned_trace_id() -> Option<TraceId> {
    IDS.get().map(|(trace, _)| trace)
}

/// As [`planned_trace_id`].
pub fn planned_span_id() -> Option<SpanId> {
    IDS.get().map(|(_, span)| span)
}

/// A span for a call to something outside: fields as in `tracing`.
#[macro_export]
macro_rules! call_span {
    ($name:literal $(, $($fields:tt)*)?) => {
        tracing::trace_span!(
            target: $crate::trace::TARGET, $name, otel.kind = "client", otel.status_code = tracing::field::Empty,
            $($($fields)*)?
        )
    };
}

/// A span for a part of the work, with a place for whether it failed.
#[macro_export]
macro_rules! work_span {
    ($name:literal $(, $($fields:tt)*)?) => {
        tracing::trace_span!(
            target: $crate::trace::TARGET, $name, otel.status_code = tracing::field::Empty, $($($fields)*)?
        )
    };
}

/// Does the work within the span, and notes there whether it failed; the error itself stays out of the trace, because it may quote
/// what it was about.
pub async fn traced<T, E>(span: Span, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let outcome = work.instrument(span.clone()).await;
    if outcome.is_err() {
        failed(&span);
    }
    outcome
}

/// Notes that what the span stands for went wrong.
pub fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// The trace of a run.
#[derive(Clone, Debug)]
pub struct RunTrace(SpanContext);

impl RunTrace {
    /// None while there are no traces.
    pub fn of(run: RunKey, dag_id: &str, run_id: &str) -> Option<Self> {
        let samples = SAMPLES.get()?;
        let (trace_id, span_id) = ids(run, dag_id, run_id);
        let flags = if samples(trace_id) { TraceFlags::SAMPLED } else { TraceFlags::default() };
        Some(Self(SpanContext::new(trace_id, span_id, flags, true, TraceState::default())))
    }

    /// Makes a span that has not begun a part of this run.
    pub fn adopt(&self, span: &Span) {
        // A span that nobody listens to has no place for it.
        let _ = span.set_parent(self.context());
    }

    fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.0.clone())
    }

    /// Records something that is over, such as a wait.
    pub fn record(&self, name: &'static str, from: SystemTime, to: SystemTime, attributes: &[(&'static str, String)]) {
        if !self.0.is_sampled() {
            return;
        }
        let builder = builder(name, from, attributes);
        tracer().build_with_context(builder, &self.context()).end_with_timestamp(to.max(from));
    }

    /// Records the run as a whole: the root of its trace.
    pub fn ended(&self, from: SystemTime, to: SystemTime, has_failed: bool, attributes: &[(&'static str, String)]) {
        if !self.0.is_sampled() {
            return;
        }
        IDS.set(Some((self.0.trace_id(), self.0.span_id())));
        let mut span = tracer().build_with_context(builder("dag_run", from, attributes), &Context::new());
        IDS.take();
        if has_failed {
            span.set_status(Status::error("the run has failed"));
        }
        span.end_with_timestamp(to.max(from));
    }

    /// Records that the present request made the run, in both traces.
    pub fn triggered(&self, from: SystemTime, attributes: &[(&'static str, String)]) {
        let request = Span::current();
        request.add_link(self.0.clone());
        if !self.0.is_sampled() {
            return;
        }
        let context = request.context();
        let link = Link::new(context.span().span_context().clone(), Vec::new(), 0);
        let builder = builder("trigger", from, attributes).with_links(vec![link]);
        tracer().build_with_context(builder, &self.context()).end_with_timestamp(SystemTime::now().max(from));
    }
}

fn tracer() -> global::BoxedTracer {
    global::tracer("airlock")
}

fn builder(name: &'static str, from: SystemTime, attributes: &[(&'static str, String)]) -> SpanBuilder {
    let attributes = attributes.iter().map(|(name, value)| KeyValue::new(*name, value.clone()));
    SpanBuilder::from_name(name).with_kind(SpanKind::Internal).with_start_time(from).with_attributes(attributes)
}

/// Names go in beside numbers: two installations count alike.
fn ids(run: RunKey, dag_id: &str, run_id: &str) -> (TraceId, SpanId) {
    let mut hash = Sha256::new();
    hash.update(run.tenant.0.to_be_bytes());
    hash.update(run.id.to_be_bytes());
    hash.update(dag_id.as_bytes());
    hash.update([0]);
    hash.update(run_id.as_bytes());
    let hash = hash.finalize();
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&hash[..16]);
    span.copy_from_slice(&hash[16..24]);
    (TraceId::from_bytes(trace), SpanId::from_bytes(span))
}

/// Lets a request's span go on with the caller's trace, where W3C's `traceparent` names one.
pub fn go_on(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    if !is_on() {
        return;
    }
    let headers = Headers { traceparent, tracestate };
    let context = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    if context.span().span_context().is_valid() {
        let _ = span.set_parent(context);
    }
}

struct Headers<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// W3C's `traceparent` of the present span, for whoever is called; none where nothing is recorded.
pub fn traceparent() -> Option<String> {
    if !is_on() {
        return None;
    }
    let mut injected = Injected(None);
    global::get_text_map_propagator(|propagator| propagator.inject_context(&Span::current().context(), &mut injected));
    injected.0
}

struct Injected(Option<String>);

impl Injector for Injected {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            self.0 = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use airlock_core::id::TenantId;

    use super::*;

    #[test]
    fn a_runs_ids_follow_from_its_key_and_names() {
        let key = |tenant, id| RunKey { tenant: TenantId(tenant), id };
        let first = ids(key(1, 7), "sales", "manual__1");
        assert_eq!(ids(key(1, 7), "sales", "manual__1"), first);
        let others = [
            ids(key(2, 7), "sales", "manual__1"),
            ids(key(1, 8), "sales", "manual__1"),
            ids(key(1, 7), "costs", "manual__1"),
            ids(key(1, 7), "sales", "manual__2"),
            ids(key(1, 7), "salesm", "anual__1"),
        ];
        assert!(others.iter().all(|(trace, span)| *trace != first.0 && *span != first.1));
        assert!(RunTrace::of(key(1, 7), "sales", "manual__1").is_none(), "off until somebody switches it on");
    }
}
