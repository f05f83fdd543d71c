//! Why a task does not run.

use std::process::Command;

use airlock_tests::{Api, Database, Server};
use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(whatever_keeps_a_task_from_running_is_said);

/// The names of what is not met, and all sentences.
async fn why(api: &Api, dag_id: &str, run: &str, task_id: &str) -> Result<(Vec<String>, String)> {
    let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/{task_id}/dependencies");
    let answer = api.get(&path).await?;
    let unmet = answer["dependencies"].as_array().context("no dependencies")?;
    let text = |unmet: &Value, member: &str| unmet[member].as_str().unwrap_or_default().to_owned();
    let reasons: Vec<String> = unmet.iter().map(|unmet| text(unmet, "reason")).collect();
    Ok((unmet.iter().map(|unmet| text(unmet, "name")).collect(), reasons.join("\n")))
}

/// What the command line says of a task.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    anyhow::ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn whatever_keeps_a_task_from_running_is_said(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.post("/api/v2/pools", &json!({ "name": "narrow", "slots": 1, "description": null, "include_deferred": false }))
        .await?;
    let bash = |task_id: &str, upstream: &[&str]| {
        json!({
            "task_id": task_id, "operator": "bash", "args": { "bash_command": "sleep 600" }, "upstream": upstream
        })
    };
    let mut second = bash("b_second", &[]);
    let mut first = bash("a_first", &[]);
    (first["pool"], second["pool"]) = (json!("narrow"), json!("narrow"));
    (first["priority_weight"], first["weight_rule"]) = (json!(9), json!("absolute"));
    let mut nobody = bash("d_nobody", &[]);
    nobody["queue"] = json!("gpu");
    let tasks = [first, second, bash("c_after", &["a_first"]), nobody];
    api.apply(&json!({ "dag_id": "busy", "max_active_runs": 1, "tasks": tasks })).await?;
    let run = api.trigger("busy", json!({})).await?;
    api.task_in_state("busy", &run, "a_first", "running").await?;
    api.task_in_state("busy", &run, "d_nobody", "queued").await?;

    assert_eq!(why(&api, "busy", &run, "a_first").await?.0, Vec::<String>::new());
    let (names, reasons) = why(&api, "busy", &run, "b_second").await?;
    assert_eq!(names, ["Pool Slots Available"], "{reasons}");
    assert!(reasons.contains("`narrow` has 0 open"), "{reasons}");
    assert!(reasons.contains(&format!("busy/{run}/a_first")), "{reasons}");
    let (names, reasons) = why(&api, "busy", &run, "c_after").await?;
    assert_eq!(names, ["Trigger Rule"], "{reasons}");
    assert!(reasons.contains("`a_first` is running"), "{reasons}");
    let (names, reasons) = why(&api, "busy", &run, "d_nobody").await?;
    assert_eq!(names, ["Worker"], "{reasons}");
    assert!(reasons.contains("`gpu`") && reasons.contains("`default`"), "{reasons}");

    let waiting = api.trigger("busy", json!({})).await?;
    let (names, reasons) = why(&api, "busy", &waiting, "a_first").await?;
    assert_eq!(names[0], "Max Active Runs", "{reasons}");
    api.patch("/api/v2/dags/busy", &json!({ "is_paused": true })).await?;
    let words = said(&mut server.command(&["tasks", "why", "busy", &waiting, "a_first", "-o", "plain"]))?;
    assert!(words.starts_with("Dag Not Paused\tthe DAG `busy` is paused"), "{words}");

    api.patch(&format!("/api/v2/dags/busy/dagRuns/{run}"), &json!({ "state": "failed" })).await?;
    api.finished("busy", &run).await?;
    assert_eq!(why(&api, "busy", &run, "a_first").await?.0, ["Task Instance State"]);
    Ok(())
}
