//! A disk without room: what is lost is said, nothing is half done, and things mend by themselves.

use std::path::{Path, PathBuf};

use airlock_tests::{Api, Database, Server};
use anyhow::{Context, Result};
use serde_json::json;

/// Bytes: less than a module.
const LIMIT: u64 = 40_000;
const LINES: usize = 200;

/// The folder of the only instance that has a log.
fn logs_of_instance(home: &Path) -> Result<PathBuf> {
    let mut folder = home.join("logs");
    for _ in ["tenant", "run", "instance"] {
        folder = std::fs::read_dir(&folder)?.next().context("no log yet")??.path();
    }
    Ok(folder)
}

#[tokio::test]
async fn a_task_does_not_fail_because_its_log_has_no_room() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let api = server.api()?;
    api.push("bash").await?;
    let print = format!(
        "if [ $AIRFLOW_CTX_TRY_NUMBER = 1 ]; then echo begun; exit 1; fi
         i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i + 1)); done"
    );
    let task = json!({ "task_id": "task", "operator": "bash", "args": { "bash_command": print } });
    api.apply(&json!({ "dag_id": "wordy", "tasks": [task] })).await?;
    let run = api.trigger("wordy", json!({})).await?;
    assert_eq!(api.finished("wordy", &run).await?, "failed");
    // Whatever is written there finds a device without room.
    let log = logs_of_instance(server.home())?.join("2.jsonl");
    std::os::unix::fs::symlink("/dev/full", &log)?;
    let again = json!({ "dag_run_id": run, "dry_run": false, "only_failed": true, "reset_dag_runs": true });
    api.post("/api/v2/dags/wordy/clearTaskInstances", &again).await?;

    assert_eq!(api.finished("wordy", &run).await?, "success");
    let told = server.log("standalone");
    assert_eq!(told.matches("a task's log cannot be written").count(), 1, "{told}");
    assert!(told.contains("No space left on device") && told.contains("2.jsonl"), "{told}");

    std::fs::remove_file(&log)?;

    let path = format!("/api/v2/dags/wordy/dagRuns/{run}/taskInstances/task/logs/2?full_content=true");
    let last = format!("line {}", LINES - 1);
    let found = api.until(&path, |log| log["content"].to_string().contains(&last)).await?;
    let events = found["content"].as_array().context("no content")?.iter().filter_map(|line| line["event"].as_str());
    let said: Vec<_> = events.filter(|event| event.starts_with("line ")).collect();
    let expected: Vec<_> = (0..LINES).map(|number| format!("line {number}")).collect();
    assert_eq!(said, expected, "each line once");
    assert!(server.log("standalone").contains("the disk takes tasks' logs again"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_for_which_there_is_no_room_is_refused_and_leaves_nothing() -> Result<()> {
    let mut server = Server::start_with(Database::Postgres, &[])?;
    server.kill("api")?;
    let url = server.start_process_for_full_disk("api")?;
    let api = Api::new(&url, server.token())?;
    let process = server.ids_of("api")[0];
    server.limit_files(process, Some(LIMIT))?;

    let refused = api.push("bash").await.err().context("there was room")?;

    let refused = format!("{refused:#}");
    assert!(refused.contains("507") && refused.contains("the server's disk has no room for the module"), "{refused}");
    let entries = |folder: &str| Ok::<_, std::io::Error>(std::fs::read_dir(server.home().join(folder))?.count());
    assert_eq!((entries("uploads")?, entries("modules/sha256")?), (0, 0));
    assert_eq!(api.get("/api/v2/operators").await?["total_entries"], 0);

    server.limit_files(process, None)?;

    api.push("bash").await?;
    assert_eq!(api.get("/api/v2/operators").await?["total_entries"], 1);
    Ok(())
}
