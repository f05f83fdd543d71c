//! How runs end: by failing fast, by time, by failing again and again, and whatever failed on the way.

use airlock_tests::{Database, Server};
use anyhow::Result;
use serde_json::json;

use crate::each::on_each;

on_each!(
    a_run_that_fails_fast_skips_what_has_not_begun,
    runs_and_tasks_end_in_time,
    a_dag_that_fails_again_and_again_is_paused,
    a_teardown_follows_whatever_happened,
);

async fn a_run_that_fails_fast_skips_what_has_not_begun(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.push("empty").await?;
    api.apply(&json!({
        "dag_id": "fast", "fail_fast": true,
        "tasks": [
            // It fails when the other is at work, which then fails with it.
            { "task_id": "fails", "operator": "bash", "args": { "bash_command": "sleep 1; exit 1" } },
            { "task_id": "works", "operator": "bash", "args": { "bash_command": "sleep 600" } },
            { "task_id": "after", "operator": "empty", "upstream": ["works"] },
            { "task_id": "last", "operator": "empty", "upstream": ["after"] }
        ]
    }))
    .await?;
    let run = api.trigger("fast", json!({})).await?;

    assert_eq!(api.finished("fast", &run).await?, "failed");
    let states = api.states("fast", &run).await?;
    let states: Vec<(&str, &str)> = states.iter().map(|(task, state)| (task.as_str(), state.as_str())).collect();
    assert_eq!(states, [("after", "skipped"), ("fails", "failed"), ("last", "skipped"), ("works", "failed")]);
    Ok(())
}

async fn runs_and_tasks_end_in_time(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.push("empty").await?;
    api.apply(&json!({
        "dag_id": "late", "dagrun_timeout": "PT2S",
        "tasks": [
            { "task_id": "works", "operator": "bash", "args": { "bash_command": "sleep 600" } },
            { "task_id": "after", "operator": "empty", "upstream": ["works"] }
        ]
    }))
    .await?;
    api.apply(&json!({
        "dag_id": "slow",
        "tasks": [
            { "task_id": "works", "operator": "bash", "execution_timeout": 1, "retries": 1, "retry_delay": 0.05,
              "args": { "bash_command": "if [ \"$AIRFLOW_CTX_TRY_NUMBER\" = 1 ]; then sleep 600; fi" } }
        ]
    }))
    .await?;
    let (late, slow) = (api.trigger("late", json!({})).await?, api.trigger("slow", json!({})).await?);

    assert_eq!(api.finished("late", &late).await?, "failed");
    let states = api.states("late", &late).await?;
    assert!(states.iter().all(|(_, state)| state == "skipped"), "{states:?}");
    assert_eq!(api.finished("slow", &slow).await?, "success");
    let tries = api.tries("slow", &slow, "works").await?;
    assert_eq!(tries.iter().map(|one| &one["state"]).collect::<Vec<_>>(), ["failed", "success"]);
    Ok(())
}

async fn a_dag_that_fails_again_and_again_is_paused(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&json!({
        "dag_id": "broken", "max_consecutive_failed_dag_runs": 2,
        "tasks": [{ "task_id": "only", "operator": "bash", "args": { "bash_command": "exit {{ dag_run.conf.code }}" } }]
    }))
    .await?;
    // A success in between begins the count anew.
    for (code, expected) in [(1, "failed"), (0, "success"), (1, "failed")] {
        let run = api.trigger("broken", json!({ "code": code })).await?;
        assert_eq!(api.finished("broken", &run).await?, expected);
    }
    assert_eq!(api.get("/api/v2/dags/broken").await?["is_paused"], false);
    let last = api.trigger("broken", json!({ "code": 1 })).await?;
    assert_eq!(api.finished("broken", &last).await?, "failed");
    api.until("/api/v2/dags/broken", |dag| dag["is_paused"] == true).await?;
    Ok(())
}

async fn a_teardown_follows_whatever_happened(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.push("empty").await?;
    api.apply(&json!({
        "dag_id": "cluster",
        "task_groups": [{ "group_id": "work" }, { "group_id": "checks", "parent": "work" }],
        "tasks": [
            { "task_id": "create", "operator": "empty", "is_setup": true },
            { "task_id": "load", "operator": "bash", "task_group": "work", "upstream": ["create"],
              "args": { "bash_command": "exit {{ dag_run.conf.code }}" } },
            { "task_id": "count", "operator": "empty", "task_group": "work.checks", "upstream": ["work.load"] },
            // It fails, which is not held against the run.
            { "task_id": "delete", "operator": "bash", "is_teardown": true, "setups": ["create"], "upstream": ["work"],
              "args": { "bash_command": "exit 1" } }
        ],
        "edge_labels": [{ "from": "work.load", "to": "work.checks.count", "label": "rows" }]
    }))
    .await?;
    for (code, run_state, count) in [(0, "success", "success"), (1, "failed", "upstream_failed")] {
        let run = api.trigger("cluster", json!({ "code": code })).await?;
        assert_eq!(api.finished("cluster", &run).await?, run_state);
        let states = api.states("cluster", &run).await?;
        let of = |task: &str| states.iter().find(|(id, _)| id == task).map(|(_, state)| state.as_str());
        assert_eq!((of("work.checks.count"), of("delete")), (Some(count), Some("failed")), "{states:?}");
    }
    Ok(())
}
