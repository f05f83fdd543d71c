//! The record of who did what.

use serde_json::{Value, json};

use crate::support::{Client, Contract, Server};

async fn events(client: &Client<'_>, query: &str) -> Vec<Value> {
    let found = client.get(&format!("/eventLogs?{query}")).await.expect(200);
    Contract::get().check("get_event_logs", 200, &found);
    found["event_logs"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_changes_something_is_kept_without_secrets() {
    let server = Server::start().await;
    let admin = server.login("admin").await;
    admin.add_dag("walk").await;
    admin.post("/variables", json!({ "key": "region", "value": "a-secret-place" })).await.expect(201);
    let connection = json!({ "connection_id": "lake", "conn_type": "aws", "password": "hush-hush" });
    admin.post("/connections", connection).await.expect(201);
    let conf = json!({ "day": "monday", "api_key": "hush-hush" });
    let run = json!({ "dag_run_id": "r1", "logical_date": null, "conf": conf });
    admin.post("/dags/walk/dagRuns", run).await.expect(200);
    // What is refused, and what only looks, is not in it.
    admin.post("/dags/nowhere/dagRuns", json!({ "logical_date": null })).await.expect(404);
    admin.post("/dags/~/dagRuns/list", json!({})).await.expect(200);
    admin.get("/dags").await.expect(200);

    let all = events(&admin, "").await;
    let names: Vec<&str> = all.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let last = ["put_dag", "post_variable", "post_connection", "trigger_dag_run"];
    assert!(names.ends_with(&last), "{names:?}");
    assert!(!json!(all).to_string().contains("hush-hush") && !json!(all).to_string().contains("a-secret-place"));

    let of_dag = events(&admin, "dag_id=walk&event=trigger_dag_run").await;
    assert_eq!(of_dag.len(), 1);
    assert_eq!(of_dag[0]["owner"], "admin");
    let extra: Value = serde_json::from_str(of_dag[0]["extra"].as_str().unwrap()).unwrap();
    assert_eq!(extra["body"]["dag_run_id"], "r1");
    assert_eq!(extra["body"]["conf"]["day"], "monday");

    admin.patch("/dags/walk/dagRuns/r1", json!({ "note": "mine" })).await.expect(200);
    let newest = events(&admin, "order_by=-event_log_id&limit=1").await;
    let id = newest[0]["event_log_id"].as_i64().unwrap();
    let one = admin.get(&format!("/eventLogs/{id}")).await.expect(200);
    Contract::get().check("get_event_log", 200, &one);
    assert_eq!(one, newest[0]);
    assert_eq!((&newest[0]["event"], &newest[0]["run_id"]), (&json!("patch_dag_run"), &json!("r1")));
    admin.get("/eventLogs/999999").await.expect(404);
    admin.get("/eventLogs?order_by=nothing").await.expect(400);
}
