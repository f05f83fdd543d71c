//! Health and metrics.

use airlock_store::health::{Health, ProcessRow};
use axum::body::Body;
use axum::http::{Method, Request, header};
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Contract, Server, start};

async fn health(server: &Server) -> Value {
    let request = Request::get("/api/v2/monitor/health").body(Body::empty()).unwrap();
    let health = server.ask(request).await.expect(200);
    Contract::get().check("get_health", 200, &health);
    health
}

#[tokio::test]
async fn health_is_that_of_processes_on_any_machine() {
    let server = Server::start().await;
    let process = |role: &str, heartbeat: i64, stopped: Option<i64>| ProcessRow {
        id: Uuid::new_v4(),
        role: role.to_owned(),
        hostname: "elsewhere".to_owned(),
        version: "0.1.0".to_owned(),
        queues: Vec::new(),
        slots: None,
        started_at: start(),
        heartbeat_at: start() + TimeDelta::seconds(heartbeat),
        stopped_at: stopped.map(|seconds| start() + TimeDelta::seconds(seconds)),
    };
    let status = |health: &Value| [health["scheduler"]["status"].clone(), health["triggerer"]["status"].clone()];
    assert_eq!(status(&health(&server).await), [json!("unhealthy"), Value::Null], "there never was one");

    server.store.process_heartbeat(&process("scheduler", 0, None)).await.unwrap();
    server.store.process_heartbeat(&process("worker", 0, None)).await.unwrap();
    let healthy = health(&server).await;
    assert_eq!(status(&healthy), [json!("healthy"), json!("healthy")]);
    assert_eq!(healthy["triggerer"]["latest_triggerer_heartbeat"], healthy["scheduler"]["latest_scheduler_heartbeat"]);
    assert_eq!(healthy["dag_processor"]["status"], Value::Null);

    server.advance(TimeDelta::seconds(31));
    assert_eq!(status(&health(&server).await), [json!("unhealthy"), json!("unhealthy")], "they are silent");
    server.store.process_heartbeat(&process("scheduler", 31, Some(31))).await.unwrap();
    assert_eq!(status(&health(&server).await)[0], json!("unhealthy"), "one that stopped does not run");
    server.store.process_heartbeat(&process("scheduler", 31, None)).await.unwrap();
    assert_eq!(status(&health(&server).await)[0], json!("healthy"));
}

#[tokio::test]
async fn metrics_are_for_the_platforms_administrators() {
    let server = Server::start().await;
    server.ask(Request::get("/metrics").body(Body::empty()).unwrap()).await.expect(401);
    for stranger in ["viewer", "op", "other/admin"] {
        let request = server.login(stranger).await.request(Method::GET, "/metrics");
        server.ask(request.body(Body::empty()).unwrap()).await.expect(403);
    }
    let request = server.login("admin").await.request(Method::GET, "/metrics");
    let answer = server.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "airlock_measured 1\n"));
}
