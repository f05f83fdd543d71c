//! Passwords for tokens, and what a token is good for.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Answered, Client, PASSWORD, Server};

async fn login(server: &Server, path: &str, content_type: &str, body: String) -> Answered {
    let request = Request::post(path).header(header::CONTENT_TYPE, content_type);
    server.ask(request.body(body.into()).unwrap()).await
}

fn credentials(username: &str, password: &str) -> String {
    json!({ "username": username, "password": password }).to_string()
}

async fn who(server: &Server, token: &Value) -> Answered {
    Client { server, token: token.as_str().unwrap().to_owned() }.get("/whoami").await
}

#[tokio::test]
async fn a_password_is_exchanged_for_a_token_of_its_tenant() {
    let server = Server::start().await;
    for (path, content_type, body, tenant, role) in [
        ("/auth/token", "application/json", credentials("admin", PASSWORD), "default", "admin"),
        ("/auth/token/cli", "application/json", credentials("other/op", PASSWORD), "other", "op"),
        (
            "/auth/token",
            "application/x-www-form-urlencoded",
            "username=other%2Fviewer&password=correct+horse".to_owned(),
            "other",
            "viewer",
        ),
    ] {
        let answer = login(&server, path, content_type, body).await.expect(201);
        assert_eq!(answer.as_object().unwrap().len(), 1, "Airflow's answer has one member");
        let me = who(&server, &answer["access_token"]).await.expect(200);
        assert_eq!((me["tenant"].as_str(), me["role"].as_str()), (Some(tenant), Some(role)));
        assert_eq!(me["platform_admin"], json!(tenant == "default" && role == "admin"));
    }
}

#[tokio::test]
async fn wrong_logins_are_refused_alike() {
    let server = Server::start().await;
    for username in ["admin", "nobody", "nowhere/admin"] {
        let answer = login(&server, "/auth/token", "application/json", credentials(username, "wrong horse")).await;
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = answer.expect(401);
        assert_eq!(problem["detail"], "Invalid credentials");
        assert_eq!(problem["status"], 401);
    }
    login(&server, "/auth/token", "text/plain", credentials("admin", PASSWORD)).await.expect(415);
    let missing = login(&server, "/auth/token", "application/json", r#"{"username": "admin"}"#.to_owned()).await;
    assert_eq!(missing.expect(422)["errors"][0]["detail"], "missing field `password`");
    let request = Request::get("/auth/token").body(Body::empty()).unwrap();
    server.ask(request).await.expect(403);
}

#[tokio::test]
async fn guessing_is_braked() {
    let server = Server::start().await;
    let guess = || login(&server, "/auth/token", "application/json", credentials("op", "wrong horse"));
    for _ in 0..10 {
        guess().await.expect(401);
    }
    let refused = guess().await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers[header::RETRY_AFTER], "300");
    server.login("user").await;
    server.advance(TimeDelta::minutes(6));
    server.login("op").await;
}

#[tokio::test]
async fn a_token_ends() {
    let server = Server::start().await;
    let viewer = server.login("viewer").await;
    viewer.get("/dags").await.expect(200);
    server.advance(TimeDelta::hours(25));
    let refused = viewer.get("/dags").await;
    assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Bearer");
    refused.expect(401);
}

#[tokio::test]
async fn without_a_token_there_is_nothing_but_health() {
    let server = Server::start().await;
    let ask = |path: &'static str| server.ask(Request::get(path).body(Body::empty()).unwrap());
    for path in ["/api/v2/dags", "/api/v2/nothing", "/api/v2/operators/a/versions/1"] {
        ask(path).await.expect(401);
    }
    assert!(ask("/api/v2/version").await.expect(200)["version"].is_string());
    let health = ask("/api/v2/monitor/health").await.expect(200);
    assert_eq!(health["metadatabase"]["status"], "healthy");
    assert_eq!(health["scheduler"]["status"], "unhealthy", "none has been heard of");
    crate::support::Contract::get().check("get_health", 200, &health);
    let document = ask("/api/v2/openapi.json").await.expect(200);
    assert!(document["paths"]["/api/v2/dags/{dag_id}"]["put"].is_object());
    let page = ask("/docs/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("swagger"));
}
