//! DAGs that trigger others and wait for them.

use airlock_tests::{Database, Server};
use anyhow::Result;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::each::on_each;

on_each!(
    a_dag_triggers_another_and_waits,
    a_sensor_waits_for_another_dags_task,
    a_sensor_that_pokes_keeps_its_slot,
    a_marker_clears_what_depends_on_it,
    a_run_that_is_there_is_run_again,
);

async fn a_dag_triggers_another_and_waits(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    for operator in ["bash", "trigger-dag-run"] {
        api.push(operator).await?;
    }
    api.apply(&json!({
        "dag_id": "reports",
        "params": { "day": { "type": "string" } },
        "tasks": [{ "task_id": "build", "operator": "bash", "args": { "bash_command": "echo for {{ params.day }}; exit {{ dag_run.conf.get('code', 0) }}" } }]
    }))
    .await?;
    let trigger = |task_id: &str, conf: serde_json::Value| {
        json!({
            "task_id": task_id, "operator": "trigger-dag-run", "retries": 2, "retry_delay": 0.1,
            "args": { "trigger_dag_id": "reports", "trigger_run_id": format!("{task_id}__{{{{ run_id }}}}"),
                      "conf": conf, "wait_for_completion": true, "poke_interval": 0.2 }
        })
    };
    api.apply(&json!({
        "dag_id": "day",
        "tasks": [
            trigger("good", json!({ "day": "{{ logical_date | ds }}" })),
            trigger("bad", json!({ "day": "x", "code": 3 })),
            trigger("misfit", json!({ "day": 7 })),
        ]
    }))
    .await?;

    let run = api.trigger_with("day", &json!({ "dag_run_id": "r1", "logical_date": "2026-01-31T00:00:00Z" })).await?;

    assert_eq!(api.finished("day", &run).await?, "failed");
    let states = api.states("day", &run).await?;
    let state = |task: &str| states.iter().find(|(id, _)| id == task).map(|(_, state)| state.as_str());
    assert_eq!((state("good"), state("bad"), state("misfit")), (Some("success"), Some("failed"), Some("failed")));
    // Neither of the failures can be mended by trying again.
    assert_eq!(api.tries("day", &run, "bad").await?.len(), 1);
    assert_eq!(api.tries("day", &run, "good").await?.len(), 1, "waiting is part of the try");
    let misfit = api.log("day", &run, "misfit", 1).await?;
    assert!(misfit.contains("does not fit the DAG's params"), "{misfit}");
    assert_eq!(api.xcom("day", &run, "good", "trigger_run_id").await?, "good__r1");
    let triggered = api.get("/api/v2/dags/reports/dagRuns/good__r1").await?;
    assert_eq!(
        (&triggered["state"], &triggered["run_type"], &triggered["triggered_by"], &triggered["conf"]["day"]),
        (&json!("success"), &json!("operator_triggered"), &json!("operator"), &json!("2026-01-31"))
    );
    Ok(())
}

async fn a_sensor_waits_for_another_dags_task(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    for operator in ["bash", "empty", "external-task-sensor"] {
        api.push(operator).await?;
    }
    api.apply(&json!({
        "dag_id": "sales", "is_paused_upon_creation": true,
        "tasks": [{ "task_id": "load", "operator": "bash", "args": { "bash_command": "echo loaded" } }]
    }))
    .await?;
    api.apply(&json!({
        "dag_id": "marts",
        "tasks": [
            { "task_id": "wait", "operator": "external-task-sensor", "poke_interval": 0.2, "timeout": 600,
              "args": { "external_dag_id": "sales", "external_task_id": "load", "check_existence": true } },
            { "task_id": "after", "operator": "empty", "upstream": ["wait"] },
            { "task_id": "lost", "operator": "external-task-sensor",
              "args": { "external_dag_id": "sales", "external_task_id": "lod", "check_existence": true } }
        ]
    }))
    .await?;
    let date = json!({ "logical_date": "2026-01-31T00:00:00Z" });
    let waiting = api.trigger_with("marts", &date).await?;
    api.task_in_state("marts", &waiting, "wait", "up_for_reschedule").await?;
    api.trigger_with("sales", &date).await?;

    api.patch("/api/v2/dags/sales", &json!({ "is_paused": false })).await?;

    api.task_in_state("marts", &waiting, "after", "success").await?;
    assert_eq!(api.finished("marts", &waiting).await?, "failed", "of the task that is not there");
    assert!(api.log("marts", &waiting, "lost", 1).await?.contains("has no task `lod`"));
    Ok(())
}

async fn a_sensor_that_pokes_keeps_its_slot(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    for operator in ["empty", "external-task-sensor"] {
        api.push(operator).await?;
    }
    api.post("/api/v2/pools", &json!({ "name": "one", "slots": 1 })).await?;
    let sensor = |task_id: &str, more: serde_json::Value| {
        let mut task = json!({
            "task_id": task_id, "operator": "external-task-sensor", "mode": "poke", "poke_interval": 0.1,
            "args": { "external_dag_id": "awaited" }
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            task[name] = value.clone();
        }
        task
    };
    api.apply(&json!({ "dag_id": "awaited", "tasks": [{ "task_id": "only", "operator": "empty" }] })).await?;
    api.apply(&json!({
        "dag_id": "pokes",
        "tasks": [
            sensor("wait", json!({ "pool": "one", "priority_weight": 9 })),
            { "task_id": "behind", "operator": "empty", "pool": "one" },
            sensor("impatient", json!({ "timeout": 0.3 })),
            sensor("bounded", json!({ "execution_timeout": 0.3 })),
        ]
    }))
    .await?;
    let date = json!({ "logical_date": "2026-01-31T00:00:00Z" });
    let run = api.trigger_with("pokes", &date).await?;
    api.task_in_state("pokes", &run, "wait", "running").await?;
    // It has looked several times, and the task behind it still has no slot.
    let log = format!("/api/v2/dags/pokes/dagRuns/{run}/taskInstances/wait/logs/1?full_content=true");
    api.until(&log, |log| log["content"].to_string().matches("0 of 1 runs").count() >= 3).await?;
    let states = api.states("pokes", &run).await?;
    let state = |task: &str| states.iter().find(|(id, _)| id == task).map(|(_, state)| state.as_str());
    assert_eq!((state("wait"), state("behind")), (Some("running"), Some("scheduled")), "{states:?}");
    api.task_in_state("pokes", &run, "impatient", "failed").await?;
    api.task_in_state("pokes", &run, "bounded", "failed").await?;

    api.trigger_with("awaited", &date).await?;

    assert_eq!(api.finished("pokes", &run).await?, "failed", "of those that would not wait");
    for task in ["wait", "behind"] {
        api.task_in_state("pokes", &run, task, "success").await?;
        assert_eq!(api.tries("pokes", &run, task).await?.len(), 1);
    }
    assert!(api.log("pokes", &run, "bounded", 1).await?.contains("execution_timeout"));
    Ok(())
}

async fn a_marker_clears_what_depends_on_it(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    for operator in ["empty", "external-task-marker"] {
        api.push(operator).await?;
    }
    let marker = |dag_id: &str, next: &str, depth: u32| {
        json!({
            "dag_id": dag_id,
            "tasks": [
                { "task_id": "begin", "operator": "empty" },
                { "task_id": "before", "operator": "empty" },
                { "task_id": "tell", "operator": "external-task-marker", "upstream": ["begin"],
                  "args": { "external_dag_id": next, "external_task_id": "begin", "recursion_depth": depth,
                            "logical_date": "{{ logical_date.isoformat() }}" } }
            ]
        })
    };
    api.apply(&marker("first", "second", 3)).await?;
    api.apply(&marker("second", "third", 3)).await?;
    api.apply(&marker("third", "nowhere", 3)).await?;
    let date = json!({ "logical_date": "2026-01-31T00:00:00Z" });
    let mut runs = Vec::new();
    for dag_id in ["first", "second", "third"] {
        let run = api.trigger_with(dag_id, &date).await?;
        assert_eq!(api.finished(dag_id, &run).await?, "success");
        runs.push((dag_id, run));
    }
    let clear = |dry_run: bool| json!({ "dry_run": dry_run, "dag_run_id": runs[0].1, "task_ids": ["tell"], "only_failed": false });
    let would = api.post("/api/v2/dags/first/clearTaskInstances", &clear(true)).await?;
    let names: Vec<String> = would["task_instances"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| format!("{}.{}", one["dag_id"].as_str().unwrap_or("?"), one["task_id"].as_str().unwrap_or("?")))
        .collect();
    assert_eq!(names, ["first.tell", "second.begin", "second.tell", "third.begin", "third.tell"]);
    api.post("/api/v2/dags/first/clearTaskInstances", &clear(false)).await?;
    for (dag_id, run) in &runs {
        assert_eq!(api.finished(dag_id, run).await?, "success");
        assert_eq!(api.tries(dag_id, run, "tell").await?.len(), 2, "{dag_id}");
        assert_eq!(api.tries(dag_id, run, "before").await?.len(), 1, "{dag_id}");
    }

    // Markers that go on for longer than the first of them says are refused, and nothing is cleared.
    api.apply(&marker("first", "second", 1)).await?;
    let mut latest = clear(false);
    latest["run_on_latest_version"] = json!(true);
    let refused = api.refused(Method::POST, "/api/v2/dags/first/clearTaskInstances", Some(&latest)).await?;
    assert!(
        refused.status == StatusCode::BAD_REQUEST && refused.body.to_string().contains("recursion depth"),
        "{refused:?}"
    );
    assert_eq!(api.tries("first", &runs[0].1, "tell").await?.len(), 2);
    Ok(())
}

async fn a_run_that_is_there_is_run_again(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    for operator in ["empty", "trigger-dag-run"] {
        api.push(operator).await?;
    }
    api.apply(&json!({ "dag_id": "target", "tasks": [{ "task_id": "only", "operator": "empty" }] })).await?;
    let args = json!({ "trigger_dag_id": "target", "trigger_run_id": "fixed", "reset_dag_run": true,
                       "wait_for_completion": true, "poke_interval": 0.2 });
    api.apply(
        &json!({ "dag_id": "again", "tasks": [{ "task_id": "go", "operator": "trigger-dag-run", "args": args }] }),
    )
    .await?;

    for expected in [1, 2] {
        let run = api.trigger("again", json!({})).await?;
        assert_eq!(api.finished("again", &run).await?, "success");
        assert_eq!(api.tries("target", "fixed", "only").await?.len(), expected);
    }
    Ok(())
}
