//! Runs of the past.

use std::process::Command;

use airlock_tests::{Database, Server};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(a_backfill_makes_runs_and_makes_them_anew, a_backfill_is_paused_and_cancelled);

/// A command's answer, as JSON.
fn answer(command: &mut Command) -> Result<Value> {
    let output = command.args(["-o", "json"]).output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn a_backfill_makes_runs_and_makes_them_anew(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    let fails_unless_told =
        "if [ \"{{ ds }} {{ dag_run.conf.get('again') }}\" = '2024-01-02 None' ]; then exit 3; fi; echo well";
    api.apply(&json!({
        "dag_id": "daily", "schedule": { "type": "cron_data_interval", "cron": "@daily" },
        "tasks": [{ "task_id": "only", "operator": "bash",
            "args": { "bash_command": fails_unless_told } }]
    }))
    .await?;
    let span = ["--from-date", "2024-01-01", "--to-date", "2024-01-03"];
    let create = |more: &[&str]| {
        let mut command = server.command(&["backfill", "create", "--dag-id", "daily"]);
        command.args(span).args(more);
        command
    };
    assert_eq!(answer(&mut create(&["--dry-run"]))?.as_array().map(Vec::len), Some(3));
    let made = answer(&mut create(&["--run-backwards", "--max-active-runs", "2"]))?;
    let path = format!("/api/v2/backfills/{}", made["id"]);
    api.until(&path, |backfill| backfill["completed_at"].is_string()).await?;

    let list = "/api/v2/dags/daily/dagRuns?run_type=backfill&order_by=logical_date";
    let states = |runs: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let runs = runs["dag_runs"].as_array().cloned().unwrap_or_default();
        runs.iter().map(|run| (text(&run["dag_run_id"]), text(&run["state"]))).collect()
    };
    let named = |day: u32, state: &str| (format!("backfill__2024-01-0{}T00:00:00+00:00", day + 1), state.to_owned());
    let runs = api.get(list).await?;
    assert_eq!(states(&runs), [named(1, "success"), named(2, "failed"), named(3, "success")]);
    assert_eq!(runs["dag_runs"][0]["triggered_by"], "backfill");

    assert!(!create(&["--dry-run"]).output()?.status.success(), "every run is there");
    let again = ["--reprocess-behavior", "failed", "--dag-run-conf", "{\"again\": true}"];
    assert_eq!(answer(create(&["--dry-run"]).args(again))?[0]["logical_date"], "2024-01-02T00:00:00Z");
    let made = answer(&mut create(&again))?;
    let path = format!("/api/v2/backfills/{}", made["id"]);
    api.until(&path, |backfill| backfill["completed_at"].is_string()).await?;
    let runs = api.get(list).await?;
    assert_eq!(states(&runs), [named(1, "success"), named(2, "success"), named(3, "success")]);
    assert_eq!(runs["dag_runs"][1]["conf"], json!({ "again": true }));
    assert_eq!(api.tries("daily", &named(2, "").0, "only").await?.len(), 2);
    let listed = answer(&mut server.command(&["backfill", "list", "--dag-id", "daily"]))?;
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    Ok(())
}

async fn a_backfill_is_paused_and_cancelled(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&json!({
        "dag_id": "slow", "schedule": "@daily", "start_date": "2099-01-01T00:00:00Z",
        "tasks": [{ "task_id": "only", "operator": "bash", "args": { "bash_command": "sleep 600" } }]
    }))
    .await?;
    let made = answer(&mut server.command(&[
        "backfill",
        "create",
        "--dag-id",
        "slow",
        "--from-date",
        "2024-01-01",
        "--to-date",
        "2024-01-04",
        "--max-active-runs",
        "1",
    ]))?;
    let id = made["id"].as_i64().context("the backfill has no id")?.to_string();
    let runs = |state: &str| format!("/api/v2/dags/slow/dagRuns?state={state}");
    let count = |number: u64| move |page: &Value| page["total_entries"] == number;
    api.until(&runs("running"), count(1)).await?;
    api.until(&runs("queued"), count(3)).await?;
    assert_eq!(answer(&mut server.command(&["backfill", "pause", &id]))?["is_paused"], true);

    // What runs ends, and nothing new begins: a run by hand, which would be behind it otherwise, shows that there was a chance.
    let running = "backfill__2024-01-01T00:00:00+00:00";
    api.task_in_state("slow", running, "only", "running").await?;
    api.patch(&format!("/api/v2/dags/slow/dagRuns/{running}"), &json!({ "state": "failed" })).await?;
    let by_hand = api.trigger("slow", json!({})).await?;
    api.task_in_state("slow", &by_hand, "only", "running").await?;
    assert_eq!(api.get(&runs("queued")).await?["total_entries"], 3);
    assert_eq!(answer(&mut server.command(&["backfill", "unpause", &id]))?["is_paused"], false);
    api.until(&runs("queued"), count(2)).await?;

    let cancelled = answer(&mut server.command(&["backfill", "cancel", &id]))?;
    assert!(cancelled["completed_at"].is_string(), "{cancelled}");
    let left = api.get(&runs("running")).await?;
    assert_eq!(left["total_entries"], 2, "what runs goes on: {left}");
    assert_eq!(api.get(&runs("failed")).await?["total_entries"], 3);
    Ok(())
}
