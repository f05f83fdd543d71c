//! What is old goes, on request and by itself; what is needed stays.

use std::path::PathBuf;
use std::process::Command;

use airlock_tests::{Database, Server};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(old_runs_are_cleaned_away_by_command, a_tenants_retention_is_kept_by_itself);

fn answer(command: &mut Command) -> Result<Value> {
    let output = command.args(["-o", "json"]).output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {words}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The rows of a table that a command tells of.
fn rows(answer: &Value, table: &str) -> Option<u64> {
    let row = answer.as_array()?.iter().find(|row| row["table"] == table)?;
    row["rows"].as_u64()
}

/// The logs of all tries, as files.
fn logs(server: &Server) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![server.home().join("logs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}

async fn old_runs_are_cleaned_away_by_command(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    // Each run depends on the one before it.
    api.apply(&json!({
        "dag_id": "sales", "schedule": null,
        "tasks": [{ "task_id": "load", "operator": "bash", "depends_on_past": true,
            "args": { "bash_command": "echo {{ run_id }}" } }]
    }))
    .await?;
    for day in 1..=4 {
        let body = json!({ "dag_run_id": format!("day{day}"), "logical_date": format!("2026-01-0{day}T00:00:00Z") });
        let run = api.trigger_with("sales", &body).await?;
        ensure!(api.finished("sales", &run).await? == "success", "{run} failed");
    }
    // A moment after all of them, by the server's clock.
    api.apply(&json!({ "dag_id": "clock", "tasks": [] })).await?;
    let later = api.post("/api/v2/dags/clock/dagRuns", &json!({ "dag_run_id": "later", "logical_date": null })).await?;
    let now = later["queued_at"].as_str().context("no time")?.to_owned();

    let clean = |more: &[&str]| {
        let mut command = server.command(&["db", "clean", "--clean-before-timestamp", &now]);
        command.args(more);
        command
    };
    let counted = answer(&mut clean(&["--dry-run", "--tables", "dag_run,xcom"]))?;
    assert_eq!(
        (rows(&counted, "dag_run"), rows(&counted, "xcom"), rows(&counted, "log")),
        (Some(3), Some(3), None),
        "{counted}"
    );
    assert_eq!(api.get("/api/v2/dags/sales/dagRuns").await?["total_entries"], 4, "it was only counted");
    let unasked = clean(&["--tables", "dag_run"]).output()?;
    assert_eq!(unasked.status.code(), Some(2), "nobody has agreed");
    let unknown = clean(&["--tables", "task_instance", "--yes"]).output()?;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("go with their runs"));
    assert_eq!(rows(&answer(&mut clean(&["--yes", "--exclude-dag-ids", "sales"]))?, "dag_run"), Some(0));

    assert_eq!(logs(&server)?.len(), 4);
    let gone = answer(&mut clean(&["--yes", "--tables", "dag_run", "--tenant", "default", "--batch-size", "2"]))?;
    assert_eq!(rows(&gone, "dag_run"), Some(3));
    let runs = api.get("/api/v2/dags/sales/dagRuns").await?;
    assert_eq!((&runs["total_entries"], &runs["dag_runs"][0]["dag_run_id"]), (&json!(1), &json!("day4")));
    assert_eq!(logs(&server)?.len(), 1);
    assert_eq!(api.log("sales", "day4", "load", 1).await?.matches("day4").count(), 1);

    // What the next run looks back at is there.
    let next = json!({ "dag_run_id": "day5", "logical_date": "2026-01-05T00:00:00Z" });
    let next = api.trigger_with("sales", &next).await?;
    assert_eq!(api.finished("sales", &next).await?, "success");

    let folder = server.home().join("archive").display().to_string();
    let export = ["db", "export-archived", "--output-path", &folder, "--drop-archives", "--yes"];
    let exported = answer(&mut server.command(&export))?;
    let file = exported[0]["file"].as_str().context("no file")?.to_owned();
    let text = std::fs::read_to_string(&file)?;
    assert_eq!(rows(&exported, "dag_run"), Some(text.lines().count() as u64));
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let of = |table: &str| lines.iter().filter(|line| line["table"] == table).collect::<Vec<_>>();
    assert_eq!((of("dag_runs").len(), of("task_tries").len(), of("xcoms").len()), (3, 3, 3));
    assert_eq!(of("dag_runs")[0]["row"]["run_id"], "day1");
    assert_eq!(answer(&mut server.command(&["db", "drop-archived", "--yes"]))?, json!([]));
    Ok(())
}

async fn a_tenants_retention_is_kept_by_itself(database: Database) -> Result<()> {
    let server = Server::start_with(database, &[("retention_interval", "1")])?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&json!({
        "dag_id": "sales",
        "tasks": [{ "task_id": "load", "operator": "bash", "args": { "bash_command": "true" } }]
    }))
    .await?;
    for run in ["one", "two", "three"] {
        let run = api.trigger_with("sales", &json!({ "dag_run_id": run, "logical_date": null })).await?;
        assert_eq!(api.finished("sales", &run).await?, "success");
    }
    let mut policy = api.get("/api/v2/tenants/default").await?["policy"].clone();
    assert_eq!(policy["retention"], json!({ "days": {}, "archive": false }), "everything is kept unless it is said");
    policy["retention"] = json!({ "days": { "dag": 0 } });
    let refused = api.refused(reqwest::Method::PUT, "/api/v2/tenants/default/policy", Some(&policy)).await?;
    assert!(refused.body.to_string().contains("dag_run"), "{}", refused.body);
    policy["retention"] = json!({ "days": { "dag_run": 0 }, "archive": true });
    api.put("/api/v2/tenants/default/policy", &policy).await?;
    let runs = api.until("/api/v2/dags/sales/dagRuns", |page| page["total_entries"] == 1).await?;
    assert_eq!(runs["dag_runs"][0]["dag_run_id"], "three", "the newest stays");
    assert!(rows(&answer(&mut server.command(&["db", "drop-archived", "--yes"]))?, "dag_run") >= Some(2));
    Ok(())
}
