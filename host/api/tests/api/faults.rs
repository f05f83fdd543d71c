//! Requests that nothing can be made of.

use airlock_api::Settings;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn every_refusal_is_a_problem_with_a_detail() {
    let server = Server::with(Settings { body_limit: 1000, ..Settings::default() }).await;
    let op = server.login("op").await;
    let large = json!({ "key": "a", "value": "x".repeat(2000) });
    for (answer, status) in [
        (op.get("/nothing").await, 404),
        (op.get("/dags/nothing").await, 404),
        (op.send(Method::DELETE, "/variables", None).await, 405),
        (op.send(Method::POST, "/variables", None).await, 415),
        (op.post("/variables", large).await, 413),
        (op.post("/variables", json!([])).await, 422),
        (op.post("/variables", json!({ "key": "a" })).await, 422),
        (op.get("/variables?limit=many").await, 422),
        (op.get("/dags/a/dagVersions/first").await, 422),
    ] {
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{status}");
        assert!(answer.headers.contains_key("x-request-id"));
        let problem = answer.expect(status);
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:airlock:problem:"), "{problem}");
        assert!(problem["title"].is_string() && !problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    }
    let broken = op.request(Method::POST, "/api/v2/variables").header(header::CONTENT_TYPE, "application/json");
    let broken = server.ask(broken.body(Body::from("{\"key\": ")).unwrap()).await.expect(422);
    assert!(broken["detail"].as_str().unwrap().contains("line 1 column"), "{broken}");
    let missing = op.post("/variables", json!({ "key": "a" })).await.expect(422);
    assert_eq!(missing["errors"][0]["detail"], "missing field `value`");
    let wrong = op.post("/pools", json!({ "name": "a", "slots": "many" })).await.expect(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/slots");
}

#[tokio::test]
async fn a_clients_request_id_comes_back() {
    let server = Server::start().await;
    let viewer = server.login("viewer").await;
    let request = viewer.request(Method::GET, "/api/v2/whoami").header("x-request-id", "mine").body(Body::empty());
    let answer = server.ask(request.unwrap()).await;
    assert_eq!((answer.status, answer.headers["x-request-id"].to_str().unwrap()), (StatusCode::OK, "mine"));
}

#[tokio::test]
async fn large_documents_have_a_limit_of_their_own() {
    let server = Server::with(Settings { body_limit: 1000, ..Settings::default() }).await;
    let op = server.login("op").await;
    let document = json!({ "dag_id": "large", "doc_md": "x".repeat(100_000), "tasks": [] });
    op.put("/dags/large", document).await.expect(201);
}
