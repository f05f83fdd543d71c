//! What a run does when nothing goes wrong around it.

use airlock_tests::{Database, Server};
use anyhow::Result;
use serde_json::json;

use crate::each::on_each;

on_each!(a_dag_runs, retries_and_rules, logs_can_be_read_while_a_task_runs, cron_makes_runs);

async fn a_dag_runs(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.push("empty").await?;
    api.apply(&json!({
        "dag_id": "hello",
        "tasks": [
            { "task_id": "start", "operator": "empty" },
            { "task_id": "say", "operator": "bash@1", "upstream": ["start"],
              "args": { "bash_command": "echo first; echo 'hello {{ dag_run.conf.name }}'" } },
            { "task_id": "repeat", "operator": "bash", "upstream": ["say"],
              "args": { "bash_command": "echo \"{{ ti.xcom_pull(task_ids='say') }}!\"" } }
        ]
    }))
    .await?;

    let run = api.trigger("hello", json!({ "name": "Ada" })).await?;

    assert_eq!(api.finished("hello", &run).await?, "success");
    assert_eq!(api.xcom("hello", &run, "repeat", "return_value").await?, "hello Ada!");
    assert!(api.log("hello", &run, "say", 1).await?.contains("first\nhello Ada"));
    Ok(())
}

async fn retries_and_rules(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.push("empty").await?;
    api.push("branch").await?;
    api.push("short-circuit").await?;
    let fails_at_first = "if [ \"$AIRFLOW_CTX_TRY_NUMBER\" = 1 ]; then echo oh; exit 3; fi; echo well";
    api.apply(&json!({
        "dag_id": "rules",
        "tasks": [
            { "task_id": "again", "operator": "bash", "retries": 1, "retry_delay": 0.05,
              "args": { "bash_command": fails_at_first } },
            { "task_id": "never", "operator": "bash", "args": { "bash_command": "exit 1" }, "upstream": ["again"] },
            { "task_id": "skips", "operator": "bash", "args": { "bash_command": "exit 99" }, "upstream": ["again"] },
            { "task_id": "choose", "operator": "branch", "args": { "follow_task_ids": "left" }, "upstream": ["again"] },
            { "task_id": "gate", "operator": "short-circuit", "upstream": ["again"],
              "args": { "condition": "{{ ti.xcom_pull(task_ids='again') == 'ill' }}" } },
            { "task_id": "cut", "operator": "empty", "upstream": ["gate"], "trigger_rule": "all_done" },
            { "task_id": "left", "operator": "empty", "upstream": ["choose"] },
            { "task_id": "right", "operator": "empty", "upstream": ["choose"] },
            { "task_id": "stopped", "operator": "empty", "upstream": ["never"] },
            { "task_id": "rescue", "operator": "empty", "upstream": ["never"], "trigger_rule": "one_failed" },
            { "task_id": "join", "operator": "empty", "upstream": ["left", "right", "skips"],
              "trigger_rule": "none_failed_min_one_success" }
        ]
    }))
    .await?;

    let run = api.trigger("rules", json!({})).await?;

    // `stopped` is a leaf that did not succeed: that fails the run.
    assert_eq!(api.finished("rules", &run).await?, "failed");
    let states = api.states("rules", &run).await?;
    let states: Vec<(&str, &str)> = states.iter().map(|(task, state)| (task.as_str(), state.as_str())).collect();
    assert_eq!(
        states,
        [
            ("again", "success"),
            ("choose", "success"),
            ("cut", "skipped"),
            ("gate", "success"),
            ("join", "success"),
            ("left", "success"),
            ("never", "failed"),
            ("rescue", "success"),
            ("right", "skipped"),
            ("skips", "skipped"),
            ("stopped", "upstream_failed"),
        ]
    );
    let tries = api.tries("rules", &run, "again").await?;
    assert_eq!(
        tries.iter().map(|one| one["state"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["failed", "success"]
    );
    assert!(api.log("rules", &run, "again", 1).await?.contains("oh"));
    assert!(api.log("rules", &run, "again", 2).await?.contains("well"));
    Ok(())
}

async fn logs_can_be_read_while_a_task_runs(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&json!({
        "dag_id": "slow",
        "tasks": [{ "task_id": "wait", "operator": "bash", "args": { "bash_command": "echo begun; sleep 60; echo done" } }]
    }))
    .await?;
    let run = api.trigger("slow", json!({})).await?;
    api.task_in_state("slow", &run, "wait", "running").await?;

    let path = format!("/api/v2/dags/slow/dagRuns/{run}/taskInstances/wait/logs/1?full_content=true");
    let log = api.until(&path, |log| log["content"].to_string().contains("begun")).await?;

    assert!(!log["content"].to_string().contains("done"));
    api.patch(&format!("/api/v2/dags/slow/dagRuns/{run}"), &json!({ "state": "failed" })).await?;
    assert_eq!(api.finished("slow", &run).await?, "failed");
    Ok(())
}

async fn cron_makes_runs(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("empty").await?;
    // Airflow's cron has minutes; a schedule by seconds keeps the test short, and takes the same way.
    api.apply(&json!({
        "dag_id": "often",
        "schedule": { "type": "delta_trigger", "delta": 1 },
        "start_date": "2026-01-01T00:00:00Z",
        "tasks": [{ "task_id": "only", "operator": "empty" }]
    }))
    .await?;

    let runs = api
        .until("/api/v2/dags/often/dagRuns?order_by=run_after&limit=10", |page| {
            page["dag_runs"]
                .as_array()
                .is_some_and(|runs| runs.iter().filter(|run| run["state"] == "success").count() >= 2)
        })
        .await?;

    let first = &runs["dag_runs"][0];
    assert_eq!(first["run_type"], "scheduled");
    assert!(first["dag_run_id"].as_str().is_some_and(|id| id.starts_with("scheduled__")), "{first}");
    Ok(())
}
