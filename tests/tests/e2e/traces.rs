//! Traces, as a collector receives them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airlock_tests::{Database, PATIENCE, Server};
use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use reqwest::Method;
use serde_json::json;

/// A collector, and a service that a task calls, behind one address.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    /// Each with the role of the process that it came from.
    spans: Vec<(String, Span)>,
    /// What the service was called with.
    traceparent: Option<String>,
}

impl Collector {
    async fn start() -> Result<(Self, String)> {
        let collector = Self::default();
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .route("/rates/hidden-path", get(serve))
            .with_state(collector.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((collector, url))
    }

    fn spans(&self) -> Vec<(String, Span)> {
        self.0.lock().map(|received| received.spans.clone()).unwrap_or_default()
    }

    /// Waits until spans of all these names have come.
    async fn until(&self, names: &[&str]) -> Result<Vec<(String, Span)>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let spans = self.spans();
            let missing: Vec<_> =
                names.iter().filter(|name| spans.iter().all(|(_, span)| span.name != **name)).collect();
            if missing.is_empty() {
                return Ok(spans);
            }
            if Instant::now() > end {
                let there: Vec<_> = spans.iter().map(|(role, span)| format!("{role}: {}", span.name)).collect();
                bail!("{missing:?} have not come; there are {there:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn receive(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> Result<Vec<u8>, String> {
    if headers.get("content-type").is_none_or(|kind| kind != "application/x-protobuf")
        || headers.get("x-collector-key").is_none_or(|key| key != "let-me-in")
    {
        return Err(format!("{headers:?}"));
    }
    let request = ExportTraceServiceRequest::decode(body).map_err(|error| error.to_string())?;
    let mut received = collector.0.lock().map_err(|error| error.to_string())?;
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| format!("{:?}", resource.attributes)).unwrap_or_default();
        let role = ["api", "scheduler", "worker"].into_iter().find(|role| attributes.contains(&format!("\"{role}\"")));
        let is_named = attributes.contains("\"airlock-under-test\"");
        let role = role.filter(|_| is_named).ok_or("a resource without role or name")?;
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        received.spans.extend(spans.map(|span| (role.to_owned(), span)));
    }
    Ok(Vec::new())
}

async fn serve(State(collector): State<Collector>, headers: HeaderMap) -> &'static str {
    if let Ok(mut received) = collector.0.lock() {
        received.traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    }
    r#"{"EUR":1}"#
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const CALLERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_to_the_calls_of_a_task() -> Result<()> {
    let (collector, url) = Collector::start().await?;
    let folder = tempfile::tempdir()?;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=let-me-in"),
        ("OTEL_SERVICE_NAME", "airlock-under-test"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let server = Server::start_with(Database::Postgres, &settings)?;
    let api = server.api()?;
    let policy = json!({ "egress": { "allow_hosts": ["127.0.0.1"], "allow_networks": ["127.0.0.0/8"] }, "host_folders": [folder.path()] });
    api.put("/api/v2/tenants/default/policy", &policy).await?;
    let warehouse = json!({ "connection_id": "warehouse", "conn_type": "sqlite", "host": folder.path().join("w.db") });
    api.post("/api/v2/connections", &warehouse).await?;
    for operator in ["http", "sql"] {
        api.push(operator).await?;
    }
    api.apply(&json!({ "dag_id": "traced", "tasks": [
        { "task_id": "ask", "operator": "http", "args": { "endpoint": format!("{url}/rates/hidden-path"), "method": "GET" } },
        { "task_id": "store", "operator": "sql", "upstream": ["ask"],
          "args": { "conn_id": "warehouse", "sql": "select ? as word", "parameters": ["hunter2"] } }
    ] }))
    .await?;
    let path = "/api/v2/dags/traced/dagRuns";
    let request =
        api.request(Method::POST, path).header("traceparent", format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"));
    let answer = request.json(&json!({ "logical_date": null })).send().await?.error_for_status()?;
    let run: serde_json::Value = answer.json().await?;
    let run_id = run["dag_run_id"].as_str().context("no run")?;
    assert_eq!(api.finished("traced", run_id).await?, "success");

    let request = "POST /api/v2/dags/{dag_id}/dagRuns";
    let of_run = [
        "trigger",
        "dag_run",
        "scheduled",
        "queued",
        "settle",
        "try",
        "prepare",
        "sandbox",
        "http.send",
        "sql.open",
        "sql.query",
    ];
    let spans = collector.until(&[&of_run[..], &[request]].concat()).await?;
    let find = |name: &str| spans.iter().find(|(_, span)| span.name == name).with_context(|| name.to_owned());
    let (role, root) = find("dag_run")?;
    assert_eq!((role.as_str(), root.parent_span_id.as_slice()), ("scheduler", &[][..]));

    // The caller's trace goes on, and is linked with that of the run, both ways.
    let (role, asked) = find(request)?;
    assert_eq!((role.as_str(), hex(&asked.trace_id).as_str()), ("api", CALLERS_TRACE));
    assert_eq!(hex(&asked.parent_span_id), CALLERS_SPAN);
    assert!(asked.links.iter().any(|link| link.trace_id == root.trace_id && link.span_id == root.span_id));
    let (role, trigger) = find("trigger")?;
    assert_eq!(role, "api");
    assert!(trigger.links.iter().any(|link| link.trace_id == asked.trace_id && link.span_id == asked.span_id));

    // Everything of the run is in its trace, and leads up to its root.
    let parents: BTreeMap<&[u8], &[u8]> =
        spans.iter().map(|(_, span)| (span.span_id.as_slice(), span.parent_span_id.as_slice())).collect();
    for (_, span) in spans.iter().filter(|(_, span)| of_run.contains(&span.name.as_str())) {
        assert_eq!(hex(&span.trace_id), hex(&root.trace_id), "{}", span.name);
        let mut above = span.span_id.as_slice();
        while let Some(parent) = parents.get(above).filter(|parent| !parent.is_empty()) {
            above = parent;
        }
        assert_eq!(hex(above), hex(&root.span_id), "{} hangs in the air", span.name);
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{}", span.name);
    }
    for (name, process) in
        [("scheduled", "scheduler"), ("settle", "scheduler"), ("try", "worker"), ("sql.query", "worker")]
    {
        assert_eq!(find(name)?.0, process, "{name}");
    }
    let told = collector.0.lock().ok().and_then(|received| received.traceparent.clone()).context("no traceparent")?;
    let (_, sent) = find("http.send")?;
    assert_eq!(told, format!("00-{}-{}-01", hex(&root.trace_id), hex(&sent.span_id)));

    let everything = format!("{spans:?}");
    for hidden in ["hunter2", "hidden-path", server.token()] {
        assert!(!everything.contains(hidden), "`{hidden}` is in a trace");
    }
    Ok(())
}
