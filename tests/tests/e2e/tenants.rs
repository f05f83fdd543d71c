//! Two tenants on one server.

use airlock_tests::{Database, Server};
use anyhow::{Context, Result};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::each::on_each;

on_each!(tenants_do_not_see_each_other, a_tenant_with_much_to_do_does_not_hold_up_another);

async fn tenants_do_not_see_each_other(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let ours = server.api()?;
    let made = ours.post("/api/v2/tenants", &json!({ "name": "other", "admin": { "username": "admin" } })).await?;
    let password = made["admin"]["password"].as_str().context("no password")?;
    let theirs = ours.login("other/admin", password).await?;
    ours.push("empty").await?;
    let dag = json!({ "dag_id": "mine", "tasks": [{ "task_id": "only", "operator": "empty" }] });
    ours.apply(&dag).await?;
    let run = ours.trigger("mine", json!({})).await?;
    assert_eq!(ours.finished("mine", &run).await?, "success");
    ours.post("/api/v2/variables", &json!({ "key": "secret_of_ours", "value": "x" })).await?;

    for path in [
        "/api/v2/dags/mine".to_owned(),
        format!("/api/v2/dags/mine/dagRuns/{run}"),
        format!("/api/v2/dags/mine/dagRuns/{run}/taskInstances/only"),
        format!("/api/v2/dags/mine/dagRuns/{run}/taskInstances/only/logs/1"),
        "/api/v2/variables/secret_of_ours".to_owned(),
        "/api/v2/operators/empty".to_owned(),
    ] {
        assert_eq!(theirs.refused(Method::GET, &path, None).await?.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(theirs.get("/api/v2/dags").await?["total_entries"], 0);
    assert_eq!(theirs.get("/api/v2/dags/~/dagRuns").await?["total_entries"], 0);

    // The same names are free for them, and what they do is not ours.
    let unknown = theirs.refused(Method::PUT, "/api/v2/dags/mine", Some(&dag)).await?;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    theirs.push("empty").await?;
    theirs.apply(&dag).await?;
    let run = theirs.trigger("mine", json!({})).await?;
    assert_eq!(theirs.finished("mine", &run).await?, "success");
    assert_eq!(ours.get("/api/v2/dags/mine/dagRuns").await?["total_entries"], 1);
    let refusal = theirs.refused(Method::POST, "/api/v2/tenants", Some(&json!({ "name": "third" }))).await?;
    assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    Ok(())
}

async fn a_tenant_with_much_to_do_does_not_hold_up_another(database: Database) -> Result<()> {
    // One slot: only one try of anybody runs at a time.
    let server = Server::start_with(database, &[("worker_slots", "1")])?;
    let ours = server.api()?;
    let made = ours.post("/api/v2/tenants", &json!({ "name": "other", "admin": { "username": "admin" } })).await?;
    let password = made["admin"]["password"].as_str().context("no password")?;
    let theirs = ours.login("other/admin", password).await?;
    ours.push("bash").await?;
    theirs.push("bash").await?;
    let task = |number: u32| {
        json!({ "task_id": format!("t{number}"), "operator": "bash", "priority_weight": 1_000,
            "args": { "bash_command": "sleep 0.2" } })
    };
    let backlog =
        json!({ "dag_id": "flood", "max_active_tasks": 1_000, "tasks": (0..400).map(task).collect::<Vec<_>>() });
    ours.apply(&backlog).await?;
    theirs.apply(&json!({ "dag_id": "modest", "tasks": [task(0)] })).await?;
    let flood = ours.trigger("flood", json!({})).await?;
    ours.until(&format!("/api/v2/dags/flood/dagRuns/{flood}/taskInstances?state=success"), |page| {
        page["total_entries"].as_u64() > Some(0)
    })
    .await?;

    let modest = theirs.trigger("modest", json!({})).await?;

    assert_eq!(theirs.finished("modest", &modest).await?, "success");
    let done = ours.get(&format!("/api/v2/dags/flood/dagRuns/{flood}/taskInstances?state=success")).await?;
    assert!(done["total_entries"].as_u64() < Some(200), "of 400 there are {} done", done["total_entries"]);
    ours.patch(&format!("/api/v2/dags/flood/dagRuns/{flood}"), &json!({ "state": "failed" })).await?;
    Ok(())
}
