//! `wasi:http` goes where the policy lets it, and nowhere else.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use airlock_core::limits::{Egress, Grants};
use airlock_sandbox::capability::task::LogSource;
use airlock_sandbox::egress::{Gate, Resolver};
use airlock_sandbox::{CallReport, Sandbox};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Services, assert_limit, call, options, sandbox, value};

/// A server on loopback that answers every request with this, and counts nothing; none never answers.
async fn server(answer: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            match &answer {
                Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                None => held.push(stream),
            }
        }
    });
    address
}

fn response(status: &str, headers: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()))
}

fn egress(hosts: &[&str], networks: &[&str]) -> Arc<Egress> {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Arc::new(Egress { allow_hosts: own(hosts), allow_networks: own(networks) })
}

async fn get(sandbox: &Sandbox, url: String, egress: Arc<Egress>) -> (CallReport, Arc<Services>) {
    let services = Arc::new(Services::default());
    let mut call = call("hostile", json!({ "do": "get", "url": url }), &services);
    call.caller.egress = egress;
    call.limits.wall_ms = 2_000;
    (sandbox.call(call).await, services)
}

fn refused(report: &CallReport, services: &Services, code: &str, reason: &str) {
    let error = value(report)["error"].as_str().unwrap_or_default();
    assert!(error.contains(code), "{:?}", report.result);
    let notes = services.lines(LogSource::Host);
    assert!(notes.iter().any(|note| note.contains(reason)), "{notes:?}");
}

#[tokio::test]
async fn a_host_that_is_allowed_answers() {
    let address = server(response("200 OK", "", "hello")).await;
    let (report, _) = get(&sandbox(), format!("http://{address}/x"), egress(&["127.0.0.1"], &["127.0.0.1/32"])).await;
    assert_eq!(*value(&report), json!({ "status": 200, "location": "", "body": "hello" }));
}

#[tokio::test]
async fn forbidden_names_and_addresses_are_refused_with_a_reason() {
    let sandbox = sandbox();
    let address = server(response("200 OK", "", "hello")).await;
    let url = format!("http://{address}/");
    let (report, services) = get(&sandbox, url.clone(), egress(&[], &["127.0.0.1/32"])).await;
    refused(&report, &services, "HttpRequestDenied", "`egress.allow_hosts`");
    let (report, services) = get(&sandbox, url, egress(&["*"], &[])).await;
    refused(&report, &services, "DestinationIpProhibited", "127.0.0.1");
    for forbidden in
        ["http://[::ffff:127.0.0.1]/", "http://169.254.169.254/", "http://10.0.0.1/", "http://[fd00:ec2::254]/"]
    {
        let (report, services) = get(&sandbox, forbidden.to_owned(), egress(&["*"], &[])).await;
        refused(&report, &services, "DestinationIpProhibited", "cannot connect");
    }
}

#[tokio::test]
async fn a_task_without_the_grant_is_refused() {
    let services = Arc::new(Services::default());
    let mut call = call("hostile", json!({ "do": "get", "url": "http://example.com/" }), &services);
    call.caller.egress = egress(&["*"], &[]);
    call.caller.task_grants = Arc::new(Grants(["http:other.example.com".to_owned()].into()));
    let report = sandbox().call(call).await;
    refused(&report, &services, "HttpRequestDenied", "`http:example.com`");
}

/// A redirect is only told to the guest; following it is another request.
#[tokio::test]
async fn a_redirect_to_a_forbidden_address_is_refused_like_the_address() {
    let sandbox = sandbox();
    let location = "location: http://169.254.169.254/latest/meta-data\r\n";
    let address = server(response("302 Found", location, "")).await;
    let policy = egress(&["*"], &["127.0.0.1/32"]);
    let (report, _) = get(&sandbox, format!("http://{address}/"), policy.clone()).await;
    assert_eq!(value(&report)["status"], 302);
    let target = value(&report)["location"].as_str().unwrap().to_owned();
    let (report, services) = get(&sandbox, target, policy).await;
    refused(&report, &services, "DestinationIpProhibited", "169.254.169.254");
}

/// A name under an attacker's hand.
struct Rebinding;

#[async_trait]
impl Resolver for Rebinding {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec!["93.184.216.34".parse().unwrap(), "127.0.0.1".parse().unwrap()])
    }
}

#[tokio::test]
async fn a_name_that_answers_a_private_address_is_refused() {
    let mut options = options();
    options.gate = Gate::new(Arc::new(Rebinding));
    let sandbox = Sandbox::new(options).unwrap();
    let (report, services) = get(&sandbox, "http://innocent.example/".to_owned(), egress(&["*"], &[])).await;
    refused(&report, &services, "DestinationIpProhibited", "`innocent.example`");
}

#[tokio::test]
async fn a_server_that_never_answers_ends_at_the_wall_time() {
    let address = server(None).await;
    let (report, _) = get(&sandbox(), format!("http://{address}/"), egress(&["*"], &["127.0.0.1/32"])).await;
    assert_limit(&report, "wall_ms", 2_000);
}

#[tokio::test]
async fn the_operators_own_http_needs_the_grant_too() {
    let services = Arc::new(Services::default());
    let mut call = call("hostile", json!({ "do": "operator-get", "url": "http://example.com/" }), &services);
    call.caller.task_grants = Arc::new(Grants(Default::default()));
    let report = sandbox().call(call).await;
    let error = value(&report)["error"].as_str().map(str::to_owned).unwrap_or_default();
    assert!(error.contains("http:example.com"), "{:?}", Value::from(error));
}
