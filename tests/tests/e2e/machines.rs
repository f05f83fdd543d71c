//! Processes that share a database and a bucket, and no folder.

use std::time::{Duration, Instant};

use airlock_tests::{Server, module};
use anyhow::Result;
use reqwest::Method;
use serde_json::json;

use crate::bucket::{Bucket, files};

#[tokio::test(flavor = "multi_thread")]
async fn machines_share_a_database_and_a_bucket_and_nothing_else() -> Result<()> {
    let bucket = Bucket::start()?;
    let keys = tempfile::tempdir()?;
    let vault = keys.path().join("vault.keys").display().to_string();
    let mut server = Server::start_apart(airlock_test_services::postgres()?, &bucket.settings(&vault))?;
    let api = server.api()?;
    api.push("bash").await?;
    let slow_at_first = "echo begun; if [ \"$AIRFLOW_CTX_TRY_NUMBER\" = 1 ]; then sleep 600; fi; echo ended";
    api.apply(&json!({
        "dag_id": "far",
        "tasks": [
            { "task_id": "quick", "operator": "bash", "args": { "bash_command": "echo at once" } },
            { "task_id": "slow", "operator": "bash", "upstream": ["quick"], "retries": 1, "retry_delay": 0.1,
              "args": { "bash_command": slow_at_first } }
        ]
    }))
    .await?;
    let run = api.trigger("far", json!({})).await?;
    let log = |task: &str, number: u32| {
        format!("/api/v2/dags/far/dagRuns/{run}/taskInstances/{task}/logs/{number}?full_content=true")
    };

    api.task_in_state("far", &run, "slow", "running").await?;
    // Read on another machine while it is written.
    let growing = api.until(&log("slow", 1), |log| log["content"].to_string().contains("begun")).await?;
    assert!(growing["continuation_token"].is_string(), "{growing}");
    assert!(!growing["content"].to_string().contains("is missing"), "{growing}");
    let quick = api.until(&log("quick", 1), |log| log["continuation_token"].is_null()).await?;
    assert!(quick["content"].to_string().contains("at once"), "{quick}");

    server.kill("worker")?;
    server.start_process_in("worker", "another")?;
    assert_eq!(api.finished("far", &run).await?, "success");
    let lost = api.until(&log("slow", 1), |log| log["continuation_token"].is_null()).await?;
    let said = lost["content"].to_string();
    assert!(said.contains("begun") && said.contains("the end of this log is missing"), "{said}");
    let whole = api.until(&log("slow", 2), |log| log["continuation_token"].is_null()).await?;
    let said = whole["content"].to_string();
    assert!(said.contains("ended") && !said.contains("is missing"), "{said}");
    let stream = api.request(Method::GET, &log("slow", 2)).header("accept", "text/plain").send().await?.text().await?;
    assert!(stream.contains("ended"), "{stream}");

    // Each machine has what it needs of the modules, and no logs.
    for machine in ["worker", "another"] {
        let home = server.home().join(machine);
        assert_eq!(files(&home.join("modules"))?.len(), 1, "{machine}");
        assert_eq!(files(&home.join("logs"))?.len(), 0, "{machine}");
    }
    std::fs::remove_dir_all(server.home().join("api/modules"))?;
    let path = "/api/v2/operators/bash/versions/1.0.0";
    let bytes = api.request(Method::GET, path).header("accept", "application/wasm").send().await?.bytes().await?;
    assert!(bytes == module("bash")?, "the module comes back as it was sent, also by an API that does not have it");

    // A worker that is asked to stop delivers its logs first.
    let stored = files(&bucket.path().join("production/logs"))?.len();
    api.apply(&json!({
        "dag_id": "brief", "tasks": [{ "task_id": "say", "operator": "bash", "args": { "bash_command": "echo x; sleep 1" } }]
    }))
    .await?;
    let brief = api.trigger("brief", json!({})).await?;
    api.task_in_state("brief", &brief, "say", "running").await?;
    server.stop("worker")?;
    assert_eq!(files(&bucket.path().join("production/logs"))?.len(), stored + 1);

    api.delete(&format!("/api/v2/dags/far/dagRuns/{run}")).await?;
    assert_eq!(files(&bucket.path().join("production/logs"))?.len(), 1, "those of the deleted run are gone");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_go_on_without_the_bucket_and_logs_come_after_it() -> Result<()> {
    let mut bucket = Bucket::start()?;
    let keys = tempfile::tempdir()?;
    let vault = keys.path().join("vault.keys").display().to_string();
    let server = Server::start_apart(airlock_test_services::postgres()?, &bucket.settings(&vault))?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&json!({
        "dag_id": "cut_off", "tasks": [{ "task_id": "say", "operator": "bash", "args": { "bash_command": "echo said" } }]
    }))
    .await?;
    let first = api.trigger("cut_off", json!({})).await?;
    assert_eq!(api.finished("cut_off", &first).await?, "success");
    bucket.stop();

    let run = api.trigger("cut_off", json!({})).await?;
    assert_eq!(api.finished("cut_off", &run).await?, "success", "no task waits for its log");

    bucket.start_again()?;
    let path = format!("/api/v2/dags/cut_off/dagRuns/{run}/taskInstances/say/logs/1?full_content=true");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let log = api.get(&path).await?;
        if log["content"].to_string().contains("said") {
            return Ok(());
        }
        assert!(Instant::now() < end, "{log}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What is wrong with the settings shows at the start, and says what to look at.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_is_named_at_the_start() -> Result<()> {
    let bucket = Bucket::start()?;
    let mut settings = bucket.settings("vault.keys");
    settings.push(("blobs_secret_key", "another"));
    let Err(error) = Server::start_apart(airlock_test_services::postgres()?, &settings) else {
        anyhow::bail!("it started")
    };
    let text = format!("{error:#}");
    assert!(text.contains("s3://airlock/production") && text.contains("blobs_endpoint"), "{text}");
    Ok(())
}
