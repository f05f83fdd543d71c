//! `kill -9`, and a start after it.

use airlock_tests::{Database, Server};
use anyhow::Result;
use serde_json::json;

use crate::each::{lease, on_each};

on_each!(a_killed_process_loses_a_try_and_nothing_else, many_tasks_survive_a_kill);

async fn a_killed_process_loses_a_try_and_nothing_else(database: Database) -> Result<()> {
    let mut server = Server::start_with(database, &[("lease", lease(database))])?;
    let api = server.api()?;
    api.push("bash").await?;
    let slow_at_first = "if [ \"$AIRFLOW_CTX_TRY_NUMBER\" = 1 ]; then echo begun; sleep 600; fi; echo again";
    api.apply(&json!({
        "dag_id": "survivor",
        "default_args": { "retries": 1, "retry_delay": 0.1 },
        "tasks": [
            { "task_id": "before", "operator": "bash", "args": { "bash_command": "echo before" } },
            { "task_id": "during", "operator": "bash", "args": { "bash_command": slow_at_first }, "upstream": ["before"] },
            { "task_id": "after", "operator": "bash", "args": { "bash_command": "echo after" }, "upstream": ["during"] }
        ]
    }))
    .await?;
    let run = api.trigger("survivor", json!({})).await?;
    let log = format!("/api/v2/dags/survivor/dagRuns/{run}/taskInstances/during/logs/1?full_content=true");
    api.task_in_state("survivor", &run, "during", "running").await?;
    api.until(&log, |log| log["content"].to_string().contains("begun")).await?;

    server.kill_all()?;
    server.start_again()?;

    let api = server.api()?;
    assert_eq!(api.finished("survivor", &run).await?, "success");
    let tries = api.tries("survivor", &run, "during").await?;
    assert_eq!(tries.len(), 2, "{tries:#?}");
    assert_eq!(tries[0]["state"], "failed");
    assert_eq!(tries[1]["state"], "success");
    assert_eq!(api.tries("survivor", &run, "before").await?.len(), 1);
    // What the lost try wrote is still there, and the record says that it was lost.
    let lost = api.log("survivor", &run, "during", 1).await?;
    assert!(lost.contains("begun"), "{lost}");
    Ok(())
}

/// Killed again and again at no moment in particular, every task ends in success, and none that ended runs again.
async fn many_tasks_survive_a_kill(database: Database) -> Result<()> {
    let mut server = Server::start_with(database, &[("lease", lease(database))])?;
    let api = server.api()?;
    api.push("bash").await?;
    let tasks: Vec<_> = (0..60)
        .map(|number| {
            let upstream: Vec<String> = if number < 10 { Vec::new() } else { vec![format!("t{}", number - 10)] };
            json!({
                "task_id": format!("t{number}"), "operator": "bash", "upstream": upstream,
                "retries": 5, "retry_delay": 0.1, "args": { "bash_command": "sleep 0.2; echo done" }
            })
        })
        .collect();
    api.apply(&json!({ "dag_id": "many", "max_active_tasks": 64, "tasks": tasks })).await?;
    let run = api.trigger("many", json!({})).await?;
    let ended = format!("/api/v2/dags/many/dagRuns/{run}/taskInstances?state=success&limit=1");
    for more in [5, 20] {
        server.api()?.until(&ended, |page| page["total_entries"].as_u64() >= Some(more)).await?;
        server.kill_all()?;
        server.start_again()?;
    }

    let api = server.api()?;
    assert_eq!(api.finished("many", &run).await?, "success");
    for number in 0..60 {
        let tries = api.tries("many", &run, &format!("t{number}")).await?;
        let successes = tries.iter().filter(|one| one["state"] == "success").count();
        assert_eq!(successes, 1, "t{number}: {tries:#?}");
        assert_eq!(tries.last().map(|last| last["state"] == "success"), Some(true), "t{number}: {tries:#?}");
    }
    Ok(())
}
