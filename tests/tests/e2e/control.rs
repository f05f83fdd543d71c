//! What people do to DAGs and runs from outside.

use airlock_tests::{Database, Server};
use anyhow::Result;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::each::{lease, on_each};

on_each!(
    a_paused_dag_waits,
    a_cancelled_run_stops_its_tasks,
    faults_of_a_document_come_all_at_once,
    a_stop_lets_tries_end
);

async fn a_paused_dag_waits(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("empty").await?;
    let dag = json!({
        "dag_id": "sleeper", "is_paused_upon_creation": true,
        "tasks": [{ "task_id": "only", "operator": "empty" }]
    });
    api.apply(&dag).await?;
    let waiting = api.trigger("sleeper", json!({})).await?;
    // Another DAG's run goes through in the meantime: the paused one had its chance.
    api.apply(&json!({ "dag_id": "other", "tasks": [{ "task_id": "only", "operator": "empty" }] })).await?;
    let other = api.trigger("other", json!({})).await?;
    assert_eq!(api.finished("other", &other).await?, "success");
    assert_eq!(api.get(&format!("/api/v2/dags/sleeper/dagRuns/{waiting}")).await?["state"], "queued");

    api.patch("/api/v2/dags/sleeper", &json!({ "is_paused": false })).await?;

    assert_eq!(api.finished("sleeper", &waiting).await?, "success");
    Ok(())
}

async fn a_cancelled_run_stops_its_tasks(database: Database) -> Result<()> {
    let server = Server::start_with(database, &[("lease", "3")])?;
    let api = server.api()?;
    api.push("bash").await?;
    api.push("empty").await?;
    api.apply(&json!({
        "dag_id": "endless",
        "tasks": [
            { "task_id": "forever", "operator": "bash", "args": { "bash_command": "sleep 600" } },
            { "task_id": "after", "operator": "empty", "upstream": ["forever"] }
        ]
    }))
    .await?;
    let run = api.trigger("endless", json!({})).await?;
    api.task_in_state("endless", &run, "forever", "running").await?;

    api.patch(&format!("/api/v2/dags/endless/dagRuns/{run}"), &json!({ "state": "failed" })).await?;

    assert_eq!(api.finished("endless", &run).await?, "failed");
    let states = api.states("endless", &run).await?;
    assert!(
        states.iter().all(|(_, state)| !matches!(state.as_str(), "running" | "queued" | "scheduled")),
        "{states:?}"
    );
    // The worker hears of it, and its place is free again.
    let path = format!("/api/v2/dags/endless/dagRuns/{run}/taskInstances/forever/logs/1?full_content=true");
    api.until(&path, |log| log["content"].to_string().contains("stop")).await?;
    Ok(())
}

async fn faults_of_a_document_come_all_at_once(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("empty").await?;
    let dag = json!({
        "dag_id": "wrong", "sched": "@daily",
        "tasks": [
            { "task_id": "a", "operator": "emty", "upstream": ["b"] },
            { "task_id": "b", "operator": "empty", "upstream": ["a"], "trigger_rule": "sometimes" }
        ]
    });

    let refusal = api.refused(Method::PUT, "/api/v2/dags/wrong", Some(&dag)).await?;

    assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY);
    let faults = refusal.body["errors"].to_string();
    for expected in ["/sched", "/tasks/0/operator", "`empty`", "/tasks/1/trigger_rule"] {
        assert!(faults.contains(expected), "{expected} is not in {faults}");
    }
    assert_eq!(api.refused(Method::GET, "/api/v2/dags/wrong", None).await?.status, StatusCode::NOT_FOUND);
    Ok(())
}

async fn a_stop_lets_tries_end(database: Database) -> Result<()> {
    let mut server = Server::start_with(database, &[("grace", "30"), ("lease", lease(database))])?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&json!({
        "dag_id": "short",
        "tasks": [
            { "task_id": "ends", "operator": "bash", "args": { "bash_command": "sleep 2; echo ended" } },
            { "task_id": "next", "operator": "bash", "args": { "bash_command": "echo next" }, "upstream": ["ends"] }
        ]
    }))
    .await?;
    let run = api.trigger("short", json!({})).await?;
    api.task_in_state("short", &run, "ends", "running").await?;
    let role = if database == Database::Sqlite { "standalone" } else { "worker" };

    let stopped = server.stop(role)?;

    assert!(stopped.iter().all(|one| one.status.success()), "{stopped:?}\n{}", server.log(role));
    server.kill_all()?;
    server.start_again()?;
    let api = server.api()?;
    assert_eq!(api.finished("short", &run).await?, "success");
    // One try: it was neither lost nor run again.
    assert_eq!(api.tries("short", &run, "ends").await?.len(), 1);
    Ok(())
}
