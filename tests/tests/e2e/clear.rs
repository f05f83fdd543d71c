//! Runs and tasks that people let run again.

use airlock_tests::{Api, Database, Server};
use anyhow::Result;
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(
    what_failed_is_cleared_and_runs_again,
    what_runs_is_cleared_and_restarts,
    what_a_branch_skipped_stays_skipped,
    a_run_is_cleared_on_the_newest_version,
    runs_before_and_after_are_cleared_too
);

const CLEAR: &str = "/api/v2/dags/again/clearTaskInstances";

fn bash(task_id: &str, command: &str, upstream: &[&str]) -> Value {
    json!({ "task_id": task_id, "operator": "bash", "args": { "bash_command": command }, "upstream": upstream })
}

async fn with_operators(server: &Server, operators: &[&str]) -> Result<Api> {
    let api = server.api()?;
    for operator in operators {
        api.push(operator).await?;
    }
    Ok(api)
}

fn state_names(states: &[(String, String)]) -> Vec<&str> {
    states.iter().map(|(_, state)| state.as_str()).collect()
}

async fn what_failed_is_cleared_and_runs_again(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = with_operators(&server, &["bash"]).await?;
    api.post("/api/v2/variables", &json!({ "key": "code", "value": "1" })).await?;
    let load = "echo attempt {{ ti.try_number }}; exit {{ var.value.code }}";
    let tasks = [bash("extract", "echo one", &[]), bash("load", load, &["extract"]), bash("report", "echo", &["load"])];
    api.apply(&json!({ "dag_id": "again", "tasks": tasks })).await?;
    let run = api.trigger("again", json!({})).await?;
    assert_eq!(api.finished("again", &run).await?, "failed");
    assert_eq!(state_names(&api.states("again", &run).await?), ["success", "failed", "upstream_failed"]);

    api.patch("/api/v2/variables/code", &json!({ "key": "code", "value": "0" })).await?;
    let mut body = json!({ "dag_run_id": run, "task_ids": ["load"], "include_downstream": true });
    assert_eq!(api.post(CLEAR, &body).await?["total_entries"], 2);
    body["dry_run"] = json!(false);
    assert_eq!(api.post(CLEAR, &body).await?["total_entries"], 2);

    assert_eq!(api.finished("again", &run).await?, "success");
    assert_eq!(state_names(&api.states("again", &run).await?), ["success"; 3]);
    let tries = api.tries("again", &run, "load").await?;
    assert_eq!(tries.iter().map(|one| &one["state"]).collect::<Vec<_>>(), ["failed", "success"]);
    for number in [1, 2] {
        let log = api.log("again", &run, "load", number).await?;
        assert!(log.contains(&format!("attempt {number}")), "{log}");
    }
    assert_eq!(api.tries("again", &run, "extract").await?.len(), 1, "it was not meant");
    assert_eq!(api.xcom("again", &run, "load", "return_value").await?, "attempt 2");
    Ok(())
}

async fn what_runs_is_cleared_and_restarts(database: Database) -> Result<()> {
    let server = Server::start_with(database, &[("lease", "3")])?;
    let api = with_operators(&server, &["bash"]).await?;
    let hang = "{% if ti.try_number == 1 %}sleep 600; {% endif %}echo through";
    api.apply(&json!({ "dag_id": "again", "tasks": [bash("hang", hang, &[])] })).await?;
    let run = api.trigger("again", json!({})).await?;
    api.task_in_state("again", &run, "hang", "running").await?;

    let cleared = api.post(CLEAR, &json!({ "dry_run": false, "only_failed": false, "only_running": true })).await?;

    assert_eq!(cleared["total_entries"], 1);
    assert_eq!(api.finished("again", &run).await?, "success");
    let tries = api.tries("again", &run, "hang").await?;
    assert_eq!(tries.iter().map(|one| &one["state"]).collect::<Vec<_>>(), ["failed", "success"]);
    Ok(())
}

async fn what_a_branch_skipped_stays_skipped(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = with_operators(&server, &["branch", "empty"]).await?;
    let empty =
        |task_id: &str, upstream: &[&str]| json!({ "task_id": task_id, "operator": "empty", "upstream": upstream });
    api.apply(&json!({
        "dag_id": "again",
        "tasks": [
            { "task_id": "a_branch", "operator": "branch", "args": { "follow_task_ids": ["b_left"] } },
            empty("b_left", &["a_branch"]), empty("c_right", &["a_branch"]), empty("d_below", &["c_right"])
        ]
    }))
    .await?;
    let run = api.trigger("again", json!({})).await?;
    assert_eq!(api.finished("again", &run).await?, "success");
    let decided = ["success", "success", "skipped", "skipped"];
    assert_eq!(state_names(&api.states("again", &run).await?), decided);

    let body = json!({
        "dry_run": false, "only_failed": false, "dag_run_id": run, "task_ids": ["c_right"], "include_downstream": true
    });
    assert_eq!(api.post(CLEAR, &body).await?["total_entries"], 2);

    assert_eq!(api.finished("again", &run).await?, "success");
    assert_eq!(state_names(&api.states("again", &run).await?), decided);
    assert!(api.tries("again", &run, "c_right").await?.is_empty(), "it has never run");
    Ok(())
}

async fn a_run_is_cleared_on_the_newest_version(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = with_operators(&server, &["bash"]).await?;
    let dag = |tasks: &[Value]| json!({ "dag_id": "again", "tasks": tasks });
    api.apply(&dag(&[bash("kept", "echo old", &[]), bash("gone", "exit 1", &["kept"])])).await?;
    let run = api.trigger("again", json!({})).await?;
    assert_eq!(api.finished("again", &run).await?, "failed");
    api.apply(&dag(&[bash("kept", "echo new", &[]), bash("more", "echo more", &["kept"])])).await?;

    let path = format!("/api/v2/dags/again/dagRuns/{run}/clear");
    api.post(&path, &json!({ "dry_run": false })).await?;
    assert_eq!(api.finished("again", &run).await?, "failed", "it is still of the version that fails");
    assert_eq!(api.xcom("again", &run, "kept", "return_value").await?, "old");
    let queued = api.post(&path, &json!({ "dry_run": false, "run_on_latest_version": true })).await?;

    assert_eq!(queued["dag_versions"][0]["version_number"], 2);
    assert_eq!(api.finished("again", &run).await?, "success");
    let states = api.states("again", &run).await?;
    let expected = [("gone", "removed"), ("kept", "success"), ("more", "success")];
    assert_eq!(states.iter().map(|(task, state)| (task.as_str(), state.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(api.xcom("again", &run, "kept", "return_value").await?, "new");
    Ok(())
}

async fn runs_before_and_after_are_cleared_too(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = with_operators(&server, &["bash"]).await?;
    api.apply(&json!({ "dag_id": "again", "tasks": [bash("only", "echo {{ ds }}", &[])] })).await?;
    let days = ["2026-01-01", "2026-01-02", "2026-01-03"];
    for day in days {
        let body = json!({ "dag_run_id": day, "logical_date": format!("{day}T00:00:00Z") });
        api.post("/api/v2/dags/again/dagRuns", &body).await?;
    }
    for day in days {
        assert_eq!(api.finished("again", day).await?, "success");
    }

    let body = json!({
        "dry_run": false, "only_failed": false, "dag_run_id": "2026-01-02", "task_ids": ["only"], "include_future": true
    });
    assert_eq!(api.post(CLEAR, &body).await?["total_entries"], 2);

    for (day, tries) in [("2026-01-01", 1), ("2026-01-02", 2), ("2026-01-03", 2)] {
        assert_eq!(api.finished("again", day).await?, "success");
        assert_eq!(api.tries("again", day, "only").await?.len(), tries, "{day}");
    }
    let mark = json!({ "new_state": "failed", "include_past": true });
    let path = "/api/v2/dags/again/dagRuns/2026-01-02/taskInstances/only";
    assert_eq!(api.patch(path, &mark).await?["total_entries"], 2);
    let bound = json!({ "dry_run": false, "end_date": "2026-01-01T00:00:00Z" });
    assert_eq!(api.post(CLEAR, &bound).await?["total_entries"], 1, "of the failed ones, the first");
    assert_eq!(api.finished("again", "2026-01-01").await?, "success");
    Ok(())
}
