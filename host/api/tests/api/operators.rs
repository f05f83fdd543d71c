//! The catalogue: uploads, and what becomes of them.

use airlock_api::Settings;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};

use crate::support::{Server, dag, module};

fn modules(server: &Server) -> Vec<String> {
    server.files().into_iter().filter(|name| name.contains("/modules/") || name.contains("/uploads/")).collect()
}

#[tokio::test]
async fn a_module_is_uploaded_listed_fetched_and_yanked() {
    let server = Server::start().await;
    let op = server.login("op").await;
    let made = op.upload("echo", "1.0.0", module("echo", "1.0.0")).await.expect(201);
    assert_eq!((made["name"].as_str(), made["uploaded_by"].as_str()), (Some("echo"), Some("op")));
    assert!(made["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(modules(&server).len(), 1);
    op.upload("echo", "1.0.0", module("echo", "1.0.0")).await.expect(200);
    op.upload("echo", "1.10.0", module("echo", "1.10.0")).await.expect(201);
    op.upload("echo", "2.0.0-rc.1", module("echo", "2.0.0-rc.1")).await.expect(201);

    let other_content = format!(" {}", module("echo", "1.0.0"));
    op.upload("echo", "1.0.0", other_content).await.expect(409);
    assert_eq!(modules(&server).len(), 3, "the refused one leaves nothing");

    let list = op.get("/operators").await.expect(200);
    assert_eq!(
        (list["total_entries"].as_u64(), list["operators"][0]["default_version"].as_str()),
        (Some(1), Some("1.10.0"))
    );
    let one = op.get("/operators/echo").await.expect(200);
    let versions: Vec<_> =
        one["versions"].as_array().unwrap().iter().map(|version| version["version"].clone()).collect();
    assert_eq!(versions, ["2.0.0-rc.1", "1.10.0", "1.0.0"]);

    let fetched = op.get("/operators/echo/versions/1.0.0").await;
    assert_eq!(fetched.headers[header::CONTENT_TYPE], "application/wasm");
    assert_eq!(fetched.text(), module("echo", "1.0.0"));
    let about = op.get_as("/operators/echo/versions/1.0.0", "application/json").await.expect(200);
    assert_eq!(about["imports"], json!(["airlock:operator/log@0.1.0"]));

    op.delete("/operators/echo/versions/1.10.0").await.expect(204);
    let one = op.get("/operators/echo").await.expect(200);
    assert_eq!((one["default_version"].as_str(), one["versions"][1]["yanked"].as_bool()), (Some("1.0.0"), Some(true)));
    let mut pinned = dag("talk");
    pinned["tasks"][0]["operator"] = json!("echo@1.10.0");
    let problem = op.put("/dags/talk", pinned).await.expect(422);
    assert_eq!(problem["errors"][0]["pointer"], "/tasks/0/operator");
    op.upload("echo", "1.10.0", module("echo", "1.10.0")).await.expect(200);
    assert_eq!(
        op.get("/operators/echo").await.expect(200)["default_version"],
        "1.10.0",
        "uploading again brings it back"
    );
    for path in ["/operators/ecko", "/operators/echo/versions/9.0.0"] {
        op.get(path).await.expect(404);
    }
    op.delete("/operators/echo/versions/9.0.0").await.expect(404);
}

#[tokio::test]
async fn what_is_no_operator_leaves_no_trace() {
    let server = Server::with(Settings { module_limit: 1000, ..Settings::default() }).await;
    let op = server.login("op").await;
    let rubbish = op.upload("echo", "1.0.0", "rubbish").await.expect(422);
    assert_eq!(rubbish["type"], "urn:airlock:problem:unfit-module");
    assert!(rubbish["detail"].as_str().unwrap().contains("no WebAssembly component"));

    let misnamed = op.upload("ecko", "1.0.1", module("echo", "1.0.0")).await.expect(422);
    let pointers: Vec<_> =
        misnamed["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].clone()).collect();
    assert_eq!(pointers, ["/name", "/version"]);

    let broken = stream::iter([Ok(Bytes::from_static(b"{\"name\"")), Err(std::io::Error::other("connection reset"))]);
    let broken = op.upload("echo", "1.0.0", Body::from_stream(broken)).await.expect(422);
    assert!(broken["detail"].as_str().unwrap().contains("ended early"), "{broken}");

    let large = stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 100]))));
    op.upload("echo", "1.0.0", Body::from_stream(large)).await.expect(413);

    let request = op.request(Method::PUT, "/api/v2/operators/echo/versions/1.0.0");
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(module("echo", "1.0.0")));
    assert_eq!(server.ask(request.unwrap()).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);

    server.login("user").await.upload("echo", "1.0.0", module("echo", "1.0.0")).await.expect(403);
    assert_eq!(modules(&server), [""; 0]);
    assert_eq!(op.get("/operators").await.expect(200)["operators"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn two_tenants_may_have_the_same_module_and_see_only_their_own() {
    let server = Server::start().await;
    let (here, there) = (server.login("op").await, server.login("other/op").await);
    here.upload("echo", "1.0.0", module("echo", "1.0.0")).await.expect(201);
    assert_eq!(there.get("/operators").await.expect(200)["total_entries"], 0);
    there.get("/operators/echo/versions/1.0.0").await.expect(404);
    there.upload("echo", "1.0.0", module("echo", "1.0.0")).await.expect(201);
    assert_eq!(modules(&server).len(), 1, "content is kept once");
    let row = there.get_as("/operators/echo/versions/1.0.0", "application/json").await.expect(200);
    assert_eq!(row["uploaded_by"], "op");
}
