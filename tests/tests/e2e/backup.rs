//! What `OPERATING.md` says of backups, done.

use std::path::Path;
use std::process::Command;

use airlock_tests::{Api, Database, Server};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::bucket::{Bucket, files};

/// A finished run, one that is under way, and secrets. Answers the ids of the runs.
async fn furnish(api: &Api) -> Result<(String, String)> {
    api.push("bash").await?;
    api.post("/api/v2/variables", &json!({ "key": "greeting", "value": "good day" })).await?;
    let connection =
        json!({ "connection_id": "warehouse", "conn_type": "postgres", "extra": "{\"region\": \"north\"}" });
    api.post("/api/v2/connections", &connection).await?;
    api.apply(&json!({
        "dag_id": "yesterday", "tasks": [{ "task_id": "say", "operator": "bash", "args": { "bash_command": "echo it was done" } }]
    }))
    .await?;
    let finished = api.trigger("yesterday", json!({})).await?;
    ensure!(api.finished("yesterday", &finished).await? == "success");
    let slow_at_first = "if [ \"$AIRFLOW_CTX_TRY_NUMBER\" = 1 ]; then sleep 600; fi; \
        echo '{{ var.value.greeting }}, {{ conn.warehouse.extra_dejson.region }}'";
    api.apply(&json!({
        "dag_id": "today",
        "tasks": [
            { "task_id": "before", "operator": "bash", "args": { "bash_command": "echo 42" } },
            { "task_id": "during", "operator": "bash", "upstream": ["before"], "retries": 2, "retry_delay": 0.1,
              "args": { "bash_command": slow_at_first } },
            { "task_id": "after", "operator": "bash", "upstream": ["during"],
              "args": { "bash_command": "echo {{ ti.xcom_pull(task_ids='before') }} and {{ ti.xcom_pull(task_ids='during') }}" } }
        ]
    }))
    .await?;
    let under_way = api.trigger("today", json!({})).await?;
    api.task_in_state("today", &under_way, "during", "running").await?;
    Ok((finished, under_way))
}

/// All of it is there, and what was under way goes on.
async fn goes_on(api: &Api, (finished, under_way): (String, String)) -> Result<()> {
    let log = log(api, "yesterday", &finished, "say").await?;
    assert!(log.contains("it was done"), "{log}");
    assert_eq!(api.finished("today", &under_way).await?, "success");
    assert_eq!(api.tries("today", &under_way, "before").await?.len(), 1, "what had ended did not run again");
    assert_eq!(api.tries("today", &under_way, "during").await?.len(), 2, "what ran was lost, and tried again");
    assert_eq!(api.xcom("today", &under_way, "after", "return_value").await?, "42 and good day, north");
    let next = api.trigger("yesterday", json!({})).await?;
    assert_eq!(api.finished("yesterday", &next).await?, "success", "its module is there");
    Ok(())
}

async fn log(api: &Api, dag: &str, run: &str, task: &str) -> Result<String> {
    let path = format!("/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/1?full_content=true");
    Ok(api.until(&path, |log: &Value| log["continuation_token"].is_null()).await?["content"].to_string())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::copy(file, target)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_a_bucket_and_keys_are_restored_elsewhere() -> Result<()> {
    let bucket = Bucket::start()?;
    let keys = tempfile::tempdir()?;
    let vault = keys.path().join("vault.keys").display().to_string();
    let mut server = Server::start_apart(airlock_test_services::postgres()?, &bucket.settings(&vault))?;
    let runs = furnish(&server.api()?).await?;
    log(&server.api()?, "yesterday", &runs.0, "say").await?;

    // The database first: what its rows name is in the bucket by then.
    let dump = keys.path().join("airlock.dump");
    airlock_test_services::dump_postgres(server.database_url()?, &dump)?;
    let elsewhere = Bucket::start()?;
    copy(&bucket.path(), &elsewhere.path())?;
    let kept = keys.path().join("copy.keys").display().to_string();
    std::fs::copy(&vault, &kept)?;
    server.kill_all()?;
    drop(server);
    drop(bucket);

    let database = airlock_test_services::postgres()?;
    airlock_test_services::restore_postgres(database.url(), &dump)?;
    let restored = Server::start_apart(database, &elsewhere.settings(&kept))?;
    goes_on(&restored.api()?, runs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_copy_of_the_file_is_restored_elsewhere() -> Result<()> {
    let mut server = Server::start(Database::Sqlite)?;
    let runs = furnish(&server.api()?).await?;
    let backup = tempfile::tempdir()?;
    let copied = backup.path().join("airlock.db");
    let vacuum = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', (sys.argv[2],))";
    let mut python = Command::new("python3");
    python.args(["-c", vacuum]).arg(server.home().join("airlock.db")).arg(&copied);
    ensure!(python.status()?.success(), "the file cannot be copied while it is in use");
    for folder in ["modules", "logs"] {
        copy(&server.home().join(folder), &backup.path().join(folder))?;
    }
    std::fs::copy(server.home().join("vault.keys"), backup.path().join("vault.keys"))?;
    server.kill_all()?;

    let restored = Server::start_in(backup)?;
    goes_on(&restored.api()?, runs).await
}
