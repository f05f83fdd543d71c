//! Tasks that wait without a slot, for what others do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use airlock_test_services::S3;
use airlock_tests::{Api, Database, Server};
use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use crate::each::{lease, on_each};

on_each!(what_is_waited_for_is_seen, what_can_never_come_fails_at_once, an_event_may_come_first);

/// The folder of a lake, a database and a service; the service says whether it is done.
struct World {
    folder: tempfile::TempDir,
    lake: S3,
    service: String,
    is_done: Arc<AtomicBool>,
}

impl World {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir_all(folder.path().join("lake/landing"))?;
        let lake = airlock_test_services::s3(&folder.path().join("lake"))?;
        let is_done = Arc::new(AtomicBool::new(false));
        let says = is_done.clone();
        let service = airlock_test_services::answer_with("/exports/1", move || match says.load(Ordering::SeqCst) {
            true => r#"{"state":"done"}"#,
            false => r#"{"state":"running"}"#,
        })?;
        Ok(Self { folder, lake, service, is_done })
    }

    async fn furnish(&self, api: &Api) -> Result<()> {
        let policy = json!({
            "egress": { "allow_hosts": ["127.0.0.1"], "allow_networks": ["127.0.0.0/8"] },
            "host_folders": [self.folder.path()],
        });
        api.put("/api/v2/tenants/default/policy", &policy).await?;
        let extra = json!({ "endpoint_url": self.lake.endpoint(), "region_name": S3::REGION }).to_string();
        for connection in [
            json!({ "connection_id": "lake", "conn_type": "aws", "login": S3::ACCESS_KEY, "password": S3::SECRET_KEY, "extra": extra }),
            json!({ "connection_id": "warehouse", "conn_type": "sqlite", "host": self.folder.path().join("warehouse.db") }),
            json!({ "connection_id": "exports", "conn_type": "http", "host": self.service }),
        ] {
            api.post("/api/v2/connections", &connection).await?;
        }
        for operator in [
            "s3-key-sensor",
            "sql-sensor",
            "http-sensor",
            "event-sensor",
            "external-task-sensor",
            "sql",
            "bash",
            "empty",
        ] {
            api.push(operator).await?;
        }
        Ok(())
    }
}

/// The DAG of the examples, and with it what only a server can tell of: a run and an event.
fn waiting_dag() -> Result<Value> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/dags/deferral.json");
    let mut dag: Value = serde_json::from_slice(&std::fs::read(document)?)?;
    let tasks = dag["tasks"].as_array_mut().context("no tasks")?;
    tasks.push(json!({ "task_id": "run", "operator": "external-task-sensor", "timeout": 3600,
                       "args": { "external_dag_id": "sales", "deferrable": true } }));
    tasks.push(json!({ "task_id": "task", "operator": "external-task-sensor", "timeout": 3600,
                       "args": { "external_dag_id": "sales", "external_task_id": "load", "deferrable": true } }));
    tasks.push(json!({ "task_id": "event", "operator": "event-sensor", "timeout": 3600,
                       "args": { "name": "go-{{ run_id }}" } }));
    Ok(dag)
}

async fn what_is_waited_for_is_seen(database: Database) -> Result<()> {
    let world = World::new()?;
    let mut server = Server::start_with(database, &[("lease", lease(database))])?;
    let api = server.api()?;
    world.furnish(&api).await?;
    let table = json!({ "dag_id": "tables", "tasks": [{ "task_id": "make", "operator": "sql",
        "args": { "conn_id": "warehouse", "sql": "create table orders (id integer)" } }] });
    api.apply(&table).await?;
    let made = api.trigger("tables", json!({})).await?;
    assert_eq!(api.finished("tables", &made).await?, "success");
    api.apply(&json!({ "dag_id": "fills", "tasks": [{ "task_id": "fill", "operator": "sql",
        "args": { "conn_id": "warehouse", "sql": "insert into orders values (1)" } }] }))
        .await?;
    api.apply(&json!({ "dag_id": "sales", "tasks": [{ "task_id": "load", "operator": "bash",
        "args": { "bash_command": "echo loaded" } }] }))
        .await?;
    api.apply(&waiting_dag()?).await?;
    let date = json!({ "logical_date": "2026-01-31T00:00:00Z", "dag_run_id": "r1" });
    let run = api.trigger_with("deferral", &date).await?;

    let waiting = ["file", "row", "response", "run", "task", "event"];
    for task in waiting {
        api.task_in_state("deferral", &run, task, "deferred").await?;
    }
    // Somebody has looked, and says what was seen.
    let instances = format!("/api/v2/dags/deferral/dagRuns/{run}/taskInstances");
    let response = api
        .until(&format!("{instances}/response/dependencies"), |why| {
            why["dependencies"][0]["reason"].as_str().is_some_and(|reason| reason.contains("there is \"running\""))
        })
        .await?;
    assert_eq!(response["dependencies"][0]["name"], "Trigger");
    let event = api.get(&format!("{instances}/event")).await?;
    assert_eq!(event["trigger"]["classpath"], "airlock.triggers.posted_event");
    assert_eq!(event["trigger"]["kwargs"], "{\"name\":\"go-r1\"}");

    server.kill_all()?;
    world.is_done.store(true, Ordering::SeqCst);
    std::fs::write(world.folder.path().join("lake/landing/orders-1.csv"), "1")?;
    server.start_again()?;

    let api = server.api()?;
    let fill = api.trigger("fills", json!({})).await?;
    assert_eq!(api.finished("fills", &fill).await?, "success");
    let sales = api.trigger_with("sales", &date).await?;
    assert_eq!(api.finished("sales", &sales).await?, "success");
    let posted = api.post("/api/v2/triggerEvents/go-r1", &json!({ "payload": { "by": "ann" } })).await?;
    assert_eq!((&posted["woken"], &posted["kept_until"]), (&json!(1), &Value::Null));

    assert_eq!(api.finished("deferral", &run).await?, "success");
    for task in waiting {
        assert_eq!(api.tries("deferral", &run, task).await?.len(), 1, "waiting is part of the try");
    }
    assert_eq!(api.xcom("deferral", &run, "event", "return_value").await?, json!({ "by": "ann" }));
    assert_eq!(api.xcom("deferral", &run, "file", "return_value").await?, json!(["s3://landing/orders-1.csv"]));
    let log = api.log("deferral", &run, "response", 1).await?;
    assert!(log.contains("is over: status 200"), "{log}");
    Ok(())
}

async fn what_can_never_come_fails_at_once(database: Database) -> Result<()> {
    let world = World::new()?;
    let server = Server::start(database)?;
    let api = server.api()?;
    world.furnish(&api).await?;
    let sensor = |task_id: &str, more: Value| {
        let mut task = json!({ "task_id": task_id, "operator": "http-sensor", "poke_interval": 1,
            "args": { "conn_id": "exports", "endpoint": "/exports/1", "response_check": { "/state": "done" }, "deferrable": true } });
        for (name, value) in more.as_object().into_iter().flatten() {
            task[name] = value.clone();
        }
        task
    };
    api.apply(&json!({
        "dag_id": "hopeless",
        "tasks": [
            sensor("taken_away", json!({ "timeout": 3600 })),
            sensor("out_of_patience", json!({ "timeout": 2, "soft_fail": true })),
        ]
    }))
    .await?;
    let run = api.trigger("hopeless", json!({})).await?;
    api.task_in_state("hopeless", &run, "taken_away", "deferred").await?;

    api.task_in_state("hopeless", &run, "out_of_patience", "skipped").await?;
    api.delete("/api/v2/connections/exports").await?;

    assert_eq!(api.finished("hopeless", &run).await?, "failed");
    let log = api.log("hopeless", &run, "taken_away", 1).await?;
    assert!(log.contains("can never end: there is no connection `exports`"), "{log}");
    Ok(())
}

async fn an_event_may_come_first(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("event-sensor").await?;
    let sensor =
        |name: &str| json!({ "task_id": name, "operator": "event-sensor", "args": { "name": name }, "timeout": 3600 });
    api.apply(&json!({ "dag_id": "early", "tasks": [sensor("first"), sensor("cancelled")] })).await?;
    let posted = server.command(&["events", "post", "first", "--payload", "[1]", "-o", "json"]).output()?;
    let posted: Value = serde_json::from_slice(&posted.stdout)?;
    assert_eq!(posted["woken"], 0);

    let run = api.trigger("early", json!({})).await?;

    api.task_in_state("early", &run, "first", "success").await?;
    assert_eq!(api.xcom("early", &run, "first", "return_value").await?, json!([1]));
    api.task_in_state("early", &run, "cancelled", "deferred").await?;
    api.patch(&format!("/api/v2/dags/early/dagRuns/{run}"), &json!({ "state": "failed" })).await?;
    let posted = api.post("/api/v2/triggerEvents/cancelled", &json!({ "keep_for": 1 })).await?;
    assert_eq!(posted["woken"], 0, "its trigger has gone with the run");
    let refused = api.refused(Method::POST, "/api/v2/triggerEvents/x", Some(&json!({ "keep_for": 1_000_000 }))).await?;
    assert_eq!(refused.status, 422);
    Ok(())
}
