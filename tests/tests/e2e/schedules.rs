//! When runs come, which of them wait for the ones before, and which are the newest.

use airlock_tests::{Api, Database, Server};
use anyhow::Result;
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(
    every_kind_of_schedule_says_when_it_is_due,
    a_task_waits_for_itself_in_the_run_before,
    only_the_newest_run_goes_on,
    runs_stand_for_partitions,
);

/// A list of the runs of a DAG by the moment at which they were due, once so many of them have ended.
async fn ended(api: &Api, dag_id: &str, count: usize) -> Result<Vec<Value>> {
    let is_over = |run: &Value| matches!(run["state"].as_str(), Some("success" | "failed"));
    let page = api
        .until(&format!("/api/v2/dags/{dag_id}/dagRuns?order_by=run_after&limit=100"), |page| {
            page["dag_runs"].as_array().is_some_and(|runs| runs.iter().filter(|run| is_over(run)).count() >= count)
        })
        .await?;
    Ok(page["dag_runs"].as_array().cloned().unwrap_or_default())
}

fn ago(seconds: i64) -> String {
    (Utc::now() - TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn every_kind_of_schedule_says_when_it_is_due(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("empty").await?;
    let next = async |schedule: Value, timezone: &str| -> Result<Vec<String>> {
        api.apply(&json!({
            "dag_id": "planned", "schedule": schedule, "timezone": timezone, "catchup": true,
            "start_date": "2099-03-28T00:00:00Z", "tasks": [{ "task_id": "only", "operator": "empty" }]
        }))
        .await?;
        let runs = api.get("/api/v2/dags/planned/nextRuns?count=3").await?;
        let local = |run: &Value| run["run_after_local"].as_str().unwrap_or_default().to_owned();
        Ok(runs["runs"].as_array().into_iter().flatten().map(local).collect())
    };
    // 02:30 does not exist on the day on which clocks are put forward.
    assert_eq!(
        next(json!("30 2 * * *"), "Europe/Berlin").await?,
        ["2099-03-28T02:30:00+01:00", "2099-03-29T03:30:00+02:00", "2099-03-30T02:30:00+02:00"]
    );
    assert_eq!(
        next(json!({ "type": "cron_data_interval", "cron": "0 6 * * 1" }), "UTC").await?[0],
        "2099-04-06T06:00:00+00:00"
    );
    assert_eq!(
        next(json!({ "type": "cron_trigger", "cron": ["0 6 * * *", "30 6 * * *"] }), "UTC").await?,
        ["2099-03-28T06:00:00+00:00", "2099-03-28T06:30:00+00:00", "2099-03-29T06:00:00+00:00"]
    );
    assert_eq!(
        next(json!({ "type": "delta_data_interval", "delta": "PT36H" }), "UTC").await?[..2],
        ["2099-03-29T12:00:00+00:00", "2099-03-31T00:00:00+00:00"]
    );
    assert_eq!(
        next(json!({ "type": "events", "dates": ["2099-05-01T00:00:00Z", "2099-04-01T00:00:00Z"] }), "UTC").await?,
        ["2099-04-01T00:00:00+00:00", "2099-05-01T00:00:00+00:00"]
    );
    assert_eq!(next(json!("@monthly"), "UTC").await?[0], "2099-04-01T00:00:00+00:00");
    assert_eq!(next(json!("@once"), "UTC").await?.len(), 1);
    assert!(next(Value::Null, "UTC").await?.is_empty());
    Ok(())
}

async fn a_task_waits_for_itself_in_the_run_before(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.post("/api/v2/variables", &json!({ "key": "mended", "value": "no" })).await?;
    let dates = [ago(3), ago(2), ago(1)];
    let command = format!(
        "if [ {{{{ data_interval_end | ts }}}}/{{{{ var.value.mended }}}} = {}/no ]; then exit 1; fi",
        dates[1].replace('Z', "+00:00")
    );
    api.apply(&json!({
        "dag_id": "daily", "catchup": true, "schedule": { "type": "events", "dates": dates },
        "tasks": [{ "task_id": "only", "operator": "bash", "depends_on_past": true, "args": { "bash_command": command } }]
    }))
    .await?;
    let runs = ended(&api, "daily", 2).await?;
    let states: Vec<&Value> = runs.iter().map(|run| &run["state"]).collect();
    assert_eq!(states[..2], ["success", "failed"]);
    let third = api
        .until("/api/v2/dags/daily/dagRuns?order_by=run_after", |page| page["dag_runs"][2]["state"] == "running")
        .await?;
    let third = third["dag_runs"][2]["dag_run_id"].as_str().unwrap_or_default().to_owned();
    let why = api.get(&format!("/api/v2/dags/daily/dagRuns/{third}/taskInstances/only/dependencies")).await?;
    assert!(why.to_string().contains("depends_on_past"), "{why}");

    // Put right and run again, it lets the next one go.
    api.patch("/api/v2/variables/mended", &json!({ "key": "mended", "value": "yes" })).await?;
    let second = runs[1]["dag_run_id"].as_str().unwrap_or_default();
    api.post(&format!("/api/v2/dags/daily/dagRuns/{second}/clear"), &json!({ "dry_run": false })).await?;
    for run in [second, &third] {
        assert_eq!(api.finished("daily", run).await?, "success");
    }
    Ok(())
}

async fn only_the_newest_run_goes_on(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("latest-only").await?;
    api.push("empty").await?;
    api.apply(&json!({
        "dag_id": "report", "catchup": true,
        "schedule": { "type": "events", "dates": [ago(20), ago(10), "2099-01-01T00:00:00Z"] },
        "tasks": [
            { "task_id": "now", "operator": "latest-only" },
            { "task_id": "send", "operator": "empty", "upstream": ["now"] },
            { "task_id": "tidy", "operator": "empty", "upstream": ["send"], "trigger_rule": "all_done" }
        ]
    }))
    .await?;
    let runs = ended(&api, "report", 2).await?;
    let by_hand = api.trigger("report", json!({})).await?;
    assert_eq!(api.finished("report", &by_hand).await?, "success");

    let first = runs[0]["dag_run_id"].as_str().unwrap_or_default();
    let second = runs[1]["dag_run_id"].as_str().unwrap_or_default();
    for (run, sent) in [(first, "skipped"), (second, "success"), (by_hand.as_str(), "success")] {
        let states = api.states("report", run).await?;
        let states: Vec<&str> = states.iter().map(|(_, state)| state.as_str()).collect();
        assert_eq!(states, ["success", sent, "success"], "{run}");
    }
    Ok(())
}

async fn runs_stand_for_partitions(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    let dag = json!({
        "dag_id": "parts", "timezone": "Asia/Taipei", "catchup": true,
        "start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-02T23:00:00Z",
        "schedule": { "type": "cron_partition", "cron": "0 2 * * *", "run_offset": -1, "key_format": "%Y-%m-%d" },
        "tasks": [{ "task_id": "only", "operator": "bash",
            "args": { "bash_command": "echo {{ dag_run.partition_key }}" } }]
    });
    api.apply(&dag).await?;

    let runs = ended(&api, "parts", 2).await?;
    let keys: Vec<&Value> = runs.iter().map(|run| &run["partition_key"]).collect();
    assert_eq!(keys, ["2026-01-01", "2026-01-02"]);
    assert_eq!(runs[0]["partition_date"], "2025-12-31T18:00:00Z");
    assert_eq!((&runs[0]["logical_date"], &runs[0]["data_interval_start"]), (&Value::Null, &Value::Null));
    let run_id = runs[0]["dag_run_id"].as_str().unwrap_or_default();
    assert_eq!(run_id, "scheduled__2026-01-01T18:00:00+00:00__2026-01-01");
    assert_eq!(api.xcom("parts", run_id, "only", "return_value").await?, "2026-01-01");

    let asked = json!({ "logical_date": null, "partition_key": "2020-02-02" });
    let by_hand = api.trigger_with("parts", &asked).await?;
    assert_eq!(api.finished("parts", &by_hand).await?, "success");
    assert_eq!(api.xcom("parts", &by_hand, "only", "return_value").await?, "2020-02-02");

    // The days before the first one are filled in; the one that is there already is passed over.
    let span = json!({ "dag_id": "parts", "from_date": "2025-12-30T00:00:00Z", "to_date": "2026-01-01T20:00:00Z" });
    api.post("/api/v2/backfills", &span).await?;
    let all = "/api/v2/dags/parts/dagRuns?state=success&order_by=partition_date";
    let runs = api.until(all, |page| page["total_entries"] == 5).await?;
    let filled: Vec<&Value> = runs["dag_runs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|run| run["run_type"] == "backfill")
        .map(|run| &run["partition_key"])
        .collect();
    assert_eq!(filled, ["2025-12-30", "2025-12-31"]);

    let clear = json!({ "dry_run": false, "partition_key": "2025-12-31" });
    let cleared = api.post("/api/v2/dags/parts/clearDagRuns", &clear).await?;
    assert_eq!(cleared["total_entries"], 1);
    // A scheduler may have taken it by the time of the answer.
    let state = &cleared["dag_runs"][0]["state"];
    assert!(state == "queued" || state == "running", "{state}");
    let run_id = cleared["dag_runs"][0]["dag_run_id"].as_str().unwrap_or_default();
    assert_eq!(api.finished("parts", run_id).await?, "success");
    assert_eq!(api.tries("parts", run_id, "only").await?.len(), 2);
    Ok(())
}
