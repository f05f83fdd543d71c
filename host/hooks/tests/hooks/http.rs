//! HTTP requests.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use airlock_core::limits::{Egress, Grants};
use airlock_hooks::Hooks;
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::http::{HttpError, HttpHook, HttpRequest, HttpResponse};
use airlock_sandbox::capability::task::Connection;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{any, get};
use serde_json::{Value, json};

use crate::support::*;

/// A server that tells what it was asked, and redirects where it is told to. Its address, without a scheme.
async fn server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router()).await });
    address
}

fn router() -> Router {
    Router::new()
        .route("/echo/{*rest}", any(echo))
        .route("/echo", any(echo))
        .route("/to/{code}/{*target}", any(redirect))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/slow", get(std::future::pending::<()>))
        .route("/drip", get(drip))
        .route("/large", get(|| async { "x".repeat(1 << 20) }))
}

async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap()))).collect();
    let body = String::from_utf8(body.to_vec()).unwrap();
    axum::Json(json!({"method": method.as_str(), "uri": uri.to_string(), "headers": headers, "body": body}))
}

/// The target has no `//`, which paths do not keep.
async fn redirect(Path((code, target)): Path<(u16, String)>) -> impl IntoResponse {
    (StatusCode::from_u16(code).unwrap(), [(header::LOCATION, target.replacen("http:", "http://", 1))])
}

/// One chunk, and then nothing for ever.
async fn drip() -> impl IntoResponse {
    let chunks = futures::stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"drop")) });
    Body::from_stream(futures::stream::StreamExt::chain(chunks, futures::stream::pending()))
}

fn request(conn_id: Option<&str>, method: &str, url: &str) -> HttpRequest {
    HttpRequest {
        conn_id: conn_id.map(str::to_owned),
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        timeout: Some(Duration::from_secs(20)),
        max_redirects: 5,
    }
}

fn api(address: &str) -> Connection {
    let mut connection = with_extra(connection("http"), json!({"X-Tenant-Key": "key-of-tenant"}));
    connection.info.host = Some(format!("http://{address}/echo"));
    connection.info.login = Some("me".to_owned());
    connection.password = Some("my-pass-word".to_owned());
    connection
}

async fn body(mut response: Box<dyn HttpResponse>) -> String {
    let mut all = Vec::new();
    loop {
        let some = response.read(1000).await.unwrap();
        assert!(some.len() <= 1000);
        if some.is_empty() {
            return String::from_utf8(all).unwrap();
        }
        all.extend(some);
    }
}

async fn answer(hooks: &Hooks, request: HttpRequest) -> Value {
    let response = hooks.send(&caller(), request).await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_str(&body(response).await).unwrap()
}

async fn refusal(hooks: &Hooks, caller: &Caller, request: HttpRequest) -> HttpError {
    match hooks.send(caller, request).await {
        Ok(response) => panic!("{} answers {}", response.url(), response.status()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn requests_carry_what_they_say_and_what_the_connection_adds() {
    let address = server().await;
    let hooks = hooks(api(&address));
    let mut post = request(Some("test"), "POST", "items?page=2");
    post.headers = vec![("Content-Type".to_owned(), "text/plain".to_owned()), ("x-own".to_owned(), "1".to_owned())];
    post.body = Some("hello".into());
    let seen = answer(&hooks, post).await;
    assert_eq!(
        (&seen["method"], &seen["uri"], &seen["body"]),
        (&json!("POST"), &json!("/echo/items?page=2"), &json!("hello"))
    );
    assert_eq!(seen["headers"]["authorization"], "Basic bWU6bXktcGFzcy13b3Jk");
    assert_eq!(seen["headers"]["x-tenant-key"], "key-of-tenant");
    assert_eq!((&seen["headers"]["x-own"], &seen["headers"]["content-type"]), (&json!("1"), &json!("text/plain")));

    let mut own = request(Some("test"), "GET", "");
    own.headers = vec![("Authorization".to_owned(), "Bearer mine".to_owned())];
    assert_eq!(answer(&hooks, own).await["headers"]["authorization"], "Bearer mine");

    let seen = answer(&hooks, request(None, "DELETE", &format!("http://{address}/echo/x"))).await;
    assert_eq!(seen["method"], "DELETE");
    assert_eq!(seen["headers"].get("authorization"), None);
}

#[tokio::test]
async fn bodies_come_as_a_stream() {
    let address = server().await;
    let hooks = hooks(connection("http"));
    let response = hooks.send(&caller(), request(None, "GET", &format!("http://{address}/large"))).await.unwrap();
    assert!(response.headers().contains(&("content-length".to_owned(), (1 << 20).to_string())));
    assert_eq!(body(response).await.len(), 1 << 20);
}

#[tokio::test]
async fn time_counts_for_the_whole_exchange() {
    let address = server().await;
    let hooks = hooks(connection("http"));
    let mut slow = request(None, "GET", &format!("http://{address}/slow"));
    slow.timeout = Some(Duration::from_millis(100));
    assert_eq!(refusal(&hooks, &caller(), slow.clone()).await, HttpError::Timeout);
    slow.url = format!("http://{address}/drip");
    let mut response = hooks.send(&caller(), slow).await.unwrap();
    assert_eq!(response.read(100).await.unwrap(), "drop");
    assert_eq!(response.read(100).await, Err(HttpError::Timeout));
}

#[tokio::test]
async fn redirects_are_followed_with_method_and_body_as_their_codes_say() {
    let address = server().await;
    let hooks = hooks(connection("http"));
    for (code, method, body) in [(302, "GET", ""), (303, "GET", ""), (307, "POST", "hello"), (308, "POST", "hello")] {
        let mut post = request(None, "POST", &format!("http://{address}/to/{code}//echo/there"));
        post.headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        post.body = Some("hello".into());
        let response = hooks.send(&caller(), post).await.unwrap();
        assert_eq!(response.url(), format!("http://{address}/echo/there"));
        let seen: Value = serde_json::from_str(&self::body(response).await).unwrap();
        assert_eq!((&seen["method"], &seen["body"]), (&json!(method), &json!(body)), "{code}");
    }
    let failure = refusal(&hooks, &caller(), request(None, "GET", &format!("http://{address}/loop"))).await;
    assert!(failure.to_string().contains("more than 5 redirects"), "{failure}");
    let mut none = request(None, "GET", &format!("http://{address}/loop"));
    none.max_redirects = 0;
    assert_eq!(hooks.send(&caller(), none).await.unwrap().status(), 307);
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_origin() {
    let (address, other) = (server().await, server().await);
    let mut connection = api(&address);
    connection.info.host = Some(format!("http://{address}"));
    let hooks = hooks(connection);
    let seen = answer(&hooks, request(Some("test"), "GET", "to/302//echo/same")).await;
    assert_eq!(seen["headers"]["authorization"], "Basic bWU6bXktcGFzcy13b3Jk");
    let mut away = request(Some("test"), "GET", &format!("to/302/http:{other}/echo/away"));
    away.headers = vec![("cookie".to_owned(), "own".to_owned()), ("x-own".to_owned(), "1".to_owned())];
    let seen = answer(&hooks, away).await;
    assert_eq!(seen["headers"]["host"], other);
    for name in ["authorization", "x-tenant-key", "cookie"] {
        assert_eq!(seen["headers"].get(name), None, "{name}");
    }
    assert_eq!(seen["headers"]["x-own"], "1");
}

#[tokio::test]
async fn every_address_of_an_exchange_is_checked() {
    let address = server().await;
    let to = |target: &str| format!("http://{address}/to/302/http:{target}");
    let plain = hooks(connection("http"));
    let denied = |error: HttpError, part: &str| {
        assert!(matches!(&error, HttpError::Denied(text) if text.contains(part)), "{error:?} has no {part}");
    };
    let metadata = request(None, "GET", &to("169.254.169.254/latest/meta-data"));
    denied(refusal(&plain, &caller(), metadata).await, "metadata");
    denied(refusal(&plain, &caller(), request(None, "GET", "http://[::ffff:10.0.0.1]/")).await, "private");
    denied(refusal(&plain, &caller(), request(None, "GET", "http://0x0a000001/")).await, "private");
    denied(
        refusal(&plain, &fenced_caller(), request(None, "GET", &format!("http://{address}/echo"))).await,
        "loopback",
    );

    let egress = Egress { allow_hosts: vec!["127.0.0.1".to_owned()], allow_networks: vec!["127.0.0.0/8".to_owned()] };
    let listed = Caller { egress: Arc::new(egress), ..caller() };
    denied(refusal(&plain, &listed, request(None, "GET", &to("localhost/"))).await, "allow_hosts");
    let granted = Caller { task_grants: Arc::new(Grants(["http:127.0.0.1".to_owned()].into())), ..caller() };
    denied(refusal(&plain, &granted, request(None, "GET", &to("localhost/"))).await, "http:localhost");

    let rebound = hooks_with_names(connection("http"), &["93.184.216.34", "192.168.0.1"]);
    denied(refusal(&rebound, &caller(), request(None, "GET", "http://api.example/")).await, "192.168.0.1");
    let port = address.rsplit(':').next().unwrap();
    let pinned = hooks_with_names(connection("http"), &["127.0.0.1"]);
    let seen = answer(&pinned, request(None, "GET", &format!("http://api.example:{port}/echo"))).await;
    assert_eq!(seen["headers"]["host"], format!("api.example:{port}"));
}

#[tokio::test]
async fn a_connection_needs_its_grant_and_opens_its_own_host_only() {
    let (address, other) = (server().await, server().await);
    let hooks = hooks(api(&address));
    let egress = Egress { allow_hosts: Vec::new(), allow_networks: vec!["127.0.0.0/8".to_owned()] };
    let caller = |grants: &[&str]| Caller {
        egress: Arc::new(egress.clone()),
        task_grants: Arc::new(Grants(grants.iter().map(|&grant| grant.to_owned()).collect())),
        ..caller()
    };
    let own = hooks.send(&caller(&["connections:use:test"]), request(Some("test"), "GET", "x")).await.unwrap();
    assert_eq!(own.status(), 200);
    let denied = refusal(&hooks, &caller(&["http:*"]), request(Some("test"), "GET", "x")).await;
    assert!(matches!(&denied, HttpError::Denied(text) if text.contains("connections:use:test")));
    let elsewhere = request(Some("test"), "GET", &format!("http://{other}/echo"));
    let refused = refusal(&hooks, &caller(&["*"]), elsewhere).await;
    assert!(matches!(&refused, HttpError::InvalidRequest(text) if text.contains("not below")), "{refused}");
    let missing = refusal(&hooks, &caller(&["*"]), request(Some("other"), "GET", "x")).await;
    assert_eq!(missing, HttpError::ConnectionNotFound("other".to_owned()));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let address = server().await;
    let hooks = hooks(connection("http"));
    let url = format!("http://{address}/echo");
    let with_header = |name: &str, value: &str| HttpRequest {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..request(None, "GET", &url)
    };
    for (request, part) in [
        (request(None, "GET", "/only/a/path"), "connection"),
        (request(None, "GET", "ftp://example.com/"), "ftp"),
        (request(None, "GET", "http://me:secret@example.com/"), "connection"),
        (request(None, "CONNECT", &url), "CONNECT"),
        (request(None, "G T", &url), "G T"),
        (with_header("Host", "other.example"), "host"),
        (with_header("bad name", "x"), "bad name"),
        (with_header("x-own", "line\nbreak"), "line break"),
    ] {
        let refused = refusal(&hooks, &caller(), request).await;
        assert!(
            matches!(&refused, HttpError::InvalidRequest(text) if text.contains(part)),
            "{refused:?} has no {part}"
        );
    }
    let failure = refusal(&hooks, &caller(), request(None, "GET", "http://127.0.0.1:1/?token=hush")).await;
    assert!(matches!(&failure, HttpError::Connect(text) if !text.contains("hush")), "{failure:?}");
    let failure = refusal(&hooks, &caller(), request(None, "GET", &format!("https://{address}/"))).await;
    assert!(matches!(failure, HttpError::Tls(_) | HttpError::Connect(_)), "{failure:?}");
}
