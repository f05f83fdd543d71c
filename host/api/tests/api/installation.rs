//! What is told of the installation: jobs, providers, configuration, warnings, and what is always empty.

use airlock_api::{ConfigOption, ConfigSection, Settings};
use airlock_store::health::{Health, ProcessRow};
use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Contract, Server, start};

#[tokio::test]
async fn processes_are_jobs() {
    let server = Server::start().await;
    let viewer = server.login("viewer").await;
    let process = |role: &str, minutes: i64| ProcessRow {
        id: Uuid::new_v4(),
        role: role.to_owned(),
        hostname: format!("host-{role}"),
        version: "1".to_owned(),
        queues: Vec::new(),
        slots: None,
        started_at: start() - TimeDelta::minutes(minutes),
        heartbeat_at: start() - TimeDelta::seconds(5),
        stopped_at: None,
    };
    let silent = ProcessRow { heartbeat_at: start() - TimeDelta::minutes(1), ..process("worker", 2) };
    let stopped = ProcessRow { stopped_at: Some(start()), ..process("worker", 1) };
    for process in [process("scheduler", 3), silent, stopped] {
        server.store.process_heartbeat(&process).await.unwrap();
    }
    let jobs = async |query: &str| {
        let found = viewer.get(&format!("/jobs?{query}")).await.expect(200);
        Contract::get().check("get_jobs", 200, &found);
        let row = |job: &serde_json::Value| {
            format!("{}={}", job["job_type"].as_str().unwrap(), job["state"].as_str().unwrap())
        };
        found["jobs"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(jobs("order_by=start_date").await, ["SchedulerJob=running", "WorkerJob=failed", "WorkerJob=success"]);
    assert_eq!(jobs("order_by=-start_date&limit=1").await, ["WorkerJob=success"]);
    assert_eq!(jobs("is_alive=true").await, ["SchedulerJob=running"]);
    assert_eq!(jobs("job_type=WorkerJob&job_state=failed").await, ["WorkerJob=failed"]);
    assert_eq!(jobs("hostname=host-scheduler").await, ["SchedulerJob=running"]);
    let later = format!("{}", (start() - TimeDelta::seconds(90)).format("%Y-%m-%dT%H:%M:%SZ"));
    assert_eq!(jobs(&format!("start_date_gte={later}")).await, ["WorkerJob=success"]);
    assert_eq!(jobs(&format!("end_date_gte={later}")).await, ["WorkerJob=success"]);
    viewer.get("/jobs?order_by=nothing").await.expect(400);
}

#[tokio::test]
async fn operators_are_providers_and_nothing_is_imported() {
    let server = Server::start().await;
    let admin = server.login("admin").await;
    admin.add_dag("walk").await;
    let providers = admin.get("/providers").await.expect(200);
    Contract::get().check("get_providers", 200, &providers);
    assert_eq!((&providers["providers"][0]["package_name"], &providers["total_entries"]), (&json!("echo"), &json!(1)));
    for (path, operation) in [
        ("/plugins", "get_plugins"),
        ("/plugins/importErrors", "import_errors"),
        ("/importErrors", "get_import_errors"),
    ] {
        let found = admin.get(path).await.expect(200);
        Contract::get().check(operation, 200, &found);
        assert_eq!(found["total_entries"], 0);
    }
    admin.get("/importErrors/1").await.expect(404);
}

#[tokio::test]
async fn the_configuration_is_told_where_it_is_exposed() {
    let closed = Server::start().await;
    let problem = closed.login("op").await.get("/config").await.expect(403);
    assert!(problem["detail"].as_str().unwrap().contains("expose_config"), "{problem}");

    let option = |key: &str, value: &str| ConfigOption { key: key.to_owned(), value: value.to_owned() };
    let options = vec![option("listen", "127.0.0.1:8080"), option("token", "< hidden >")];
    let section = ConfigSection { name: "airlock".to_owned(), options };
    let open = Server::with(Settings { exposed_config: Some(vec![section]), ..Settings::default() }).await;
    let op = open.login("op").await;
    let config = op.get("/config").await.expect(200);
    Contract::get().check("get_config", 200, &config);
    assert_eq!(config["sections"][0]["options"][1]["value"], "< hidden >");
    assert_eq!(op.get("/config?section=airlock").await.expect(200), config);
    op.get("/config?section=core").await.expect(404);
    let one = op.get("/config/section/airlock/option/listen").await.expect(200);
    assert_eq!(one["sections"][0]["options"], json!([{ "key": "listen", "value": "127.0.0.1:8080" }]));
    op.get("/config/section/airlock/option/nothing").await.expect(404);
    let text = op.get_as("/config", "text/plain").await.text();
    assert_eq!(text, "[airlock]\nlisten = 127.0.0.1:8080\ntoken = < hidden >\n\n");
    op.get_as("/config", "image/png").await.expect(406);
    open.login("viewer").await.get("/config").await.expect(403);
}

#[tokio::test]
async fn a_dag_whose_pool_is_gone_is_warned_of() {
    let server = Server::start().await;
    let admin = server.login("admin").await;
    admin.add_dag("fine").await;
    admin.post("/pools", json!({ "name": "narrow", "slots": 1 })).await.expect(201);
    let task = json!({ "task_id": "only", "operator": "echo", "args": { "text": "x" }, "pool": "narrow" });
    admin.put("/dags/narrowed", json!({ "dag_id": "narrowed", "tasks": [task] })).await.expect(201);
    assert_eq!(admin.get("/dagWarnings").await.expect(200)["total_entries"], 0);
    admin.delete("/pools/narrow").await.expect(204);
    let warnings = admin.get("/dagWarnings?order_by=-timestamp").await.expect(200);
    Contract::get().check("list_dag_warnings", 200, &warnings);
    assert_eq!(warnings["dag_warnings"][0]["message"], "Dag 'narrowed' references non-existent pools: ['narrow']");
    let count =
        async |query: &str| admin.get(&format!("/dagWarnings?{query}")).await.expect(200)["total_entries"].clone();
    assert_eq!(count("dag_id=fine").await, 0);
    assert_eq!(count("dag_id=narrowed&warning_type=non-existent%20pool").await, 1);
    assert_eq!(count("warning_type=asset%20conflict").await, 0);
    admin.get("/dagWarnings?warning_type=other").await.expect(422);
}

#[tokio::test]
async fn people_pick_out_dags_for_themselves() {
    let server = Server::start().await;
    let (admin, viewer) = (server.login("admin").await, server.login("viewer").await);
    admin.add_dag("walk").await;
    admin.add_dag("run").await;
    viewer.post("/dags/walk/favorite", json!({})).await.expect(204);
    viewer.post("/dags/walk/favorite", json!({})).await.expect(204);
    viewer.post("/dags/nowhere/favorite", json!({})).await.expect(404);
    let listed = async |query: &str| {
        let found = viewer.get(&format!("/dags?{query}")).await.expect(200);
        let ids = found["dags"].as_array().unwrap().iter().map(|dag| dag["dag_id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(listed("is_favorite=true").await, ["walk"]);
    assert_eq!(listed("is_favorite=false").await, ["run"]);
    assert_eq!(viewer.get("/dags/walk/details").await.expect(200)["is_favorite"], true);
    assert_eq!(admin.get("/dags/walk/details").await.expect(200)["is_favorite"], false, "it is another person");
    viewer.post("/dags/walk/unfavorite", json!({})).await.expect(204);
    viewer.post("/dags/walk/unfavorite", json!({})).await.expect(409);
    assert!(listed("is_favorite=true").await.is_empty());
}
