//! Templates, from the document to what the operator got and what people see of it.

use std::path::Path;

use airlock_tests::{Database, Server};
use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(what_was_rendered_is_kept_and_shown, a_fault_names_its_field_and_its_place);

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/dags/templates.json");

fn instance(run: &str, task: &str) -> String {
    format!("/api/v2/dags/templates/dagRuns/{run}/taskInstances/{task}")
}

async fn what_was_rendered_is_kept_and_shown(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.apply(&serde_json::from_str(&std::fs::read_to_string(EXAMPLE)?)?).await?;
    let run = api.trigger("templates", json!({ "region": "south" })).await?;
    assert_eq!(api.finished("templates", &run).await?, "success");
    let returned = async |task: &str| api.xcom("templates", &run, task, "return_value").await;
    assert_eq!(returned("dates").await?, "2026-03-01 28.02.26 True");
    assert_eq!(returned("values").await?, "data in test");
    assert_eq!(returned("together").await?, "SOUTH: [2026-03-01 28.02.26 True] [data in test]");

    let values = api.get(&instance(&run, "values")).await?;
    assert_eq!(values["rendered_fields"]["env"], json!({ "TEAM": "data", "STAGE": "test" }), "an object, not its text");
    let together = api.get(&instance(&run, "together")).await?;
    let command = together["rendered_fields"]["bash_command"].as_str().context("no rendered command")?;
    assert!(command.starts_with("echo 'SOUTH: [2026"), "{command}");
    Ok(())
}

async fn a_fault_names_its_field_and_its_place(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    let dag = |command: &str| {
        let task = json!({ "task_id": "only", "operator": "bash", "args": { "bash_command": "true", "env": { "A": command } } });
        json!({ "dag_id": "templates", "tasks": [task] })
    };
    let broken = dag("one\n{{ two");
    let refused = api.refused(reqwest::Method::PUT, "/api/v2/dags/templates", Some(&broken)).await?;
    assert_eq!(refused.body["errors"][0]["pointer"], "/tasks/0/args/env/A", "{}", refused.body);
    assert!(
        refused.body["errors"][0]["detail"].as_str().is_some_and(|text| text.contains("line 2")),
        "{}",
        refused.body
    );

    api.apply(&dag("one\n{{ nothing.of_this }}")).await?;
    let run = api.trigger("templates", json!({})).await?;
    assert_eq!(api.finished("templates", &run).await?, "failed");
    let log = api.log("templates", &run, "only", 1).await?;
    assert!(log.contains("/env/A") && log.contains("line 2"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_rendered_and_tried_without_a_server() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let airlock = |arguments: &[&str]| -> Result<String> {
        let output = server.command(arguments).output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{arguments:?}: {words}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let rendered = airlock(&["tasks", "render", EXAMPLE, "values", "--conf", "{\"labels\": {\"TEAM\": \"ops\"}}"])?;
    let rendered: Value = serde_json::from_str(&rendered)?;
    assert_eq!(rendered, json!({ "bash_command": "echo \"$TEAM in $STAGE\"", "env": { "TEAM": "ops" } }));
    let tested = airlock(&["tasks", "test", EXAMPLE, "values"])?;
    assert!(tested.contains("data in test"), "{tested}");

    let unknown = server.command(&["tasks", "render", EXAMPLE, "nothing"]).output()?;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("tasks are dates, values, together"));
    let file = Path::new(server.home()).join("broken.json");
    let task = json!({ "task_id": "only", "operator": "bash", "args": { "bash_command": "{{ var.value.nothing }}" } });
    std::fs::write(&file, json!({ "dag_id": "broken", "tasks": [task] }).to_string())?;
    let failed = server.command(&["tasks", "render", &file.display().to_string(), "only"]).output()?;
    let words = String::from_utf8_lossy(&failed.stderr);
    assert!(words.contains("/bash_command") && words.contains("nothing"), "{words}");
    Ok(())
}
