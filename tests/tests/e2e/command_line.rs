//! The client commands, and what needs no server.

use std::path::Path;
use std::process::{Command, Output};

use airlock_tests::{Database, Server, target};
use anyhow::{Context, Result};
use serde_json::{Value, json};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command says, if its exit code is the expected one.
fn says(command: &mut Command, expected: i32) -> Result<Output> {
    let output = command.output()?;
    let words = format!("{command:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    anyhow::ensure!(output.status.code() == Some(expected), "exit {:?}, not {expected}: {words}", output.status.code());
    Ok(output)
}

fn write(server: &Server, name: &str, value: &Value) -> Result<String> {
    let path = server.home().join(name);
    std::fs::write(&path, value.to_string())?;
    Ok(path.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_works_by_commands() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    server.api()?.push("bash").await?;
    let dag = json!({
        "dag_id": "by_hand", "params": { "code": 0 },
        "tasks": [{ "task_id": "only", "operator": "bash", "args": { "bash_command": "echo heard; exit {{ params.code }}" } }]
    });
    let file = write(&server, "dag.json", &dag)?;
    let wrong = write(&server, "wrong.json", &json!({ "dag_id": "by_hand", "tasks": [{ "task_id": "only" }] }))?;

    says(&mut server.command(&["dags", "validate", &file]), 0)?;
    let faults = says(&mut server.command(&["dags", "validate", &wrong, "--output", "json"]), 1)?;
    assert!(text(&faults.stdout).contains("operator"), "{}", text(&faults.stdout));
    says(&mut server.command(&["dags", "apply", &file]), 0)?;
    let listed: Value = serde_json::from_slice(&says(&mut server.command(&["dags", "list", "-o", "json"]), 0)?.stdout)?;
    assert_eq!(listed[0]["dag_id"], "by_hand");

    let plain =
        says(&mut server.command(&["dags", "trigger", "by_hand", "--run-id", "one", "--wait", "-o", "plain"]), 0)?;
    assert!(text(&plain.stdout).starts_with("by_hand\tone\tsuccess\t"), "{}", text(&plain.stdout));
    let failed = says(
        &mut server.command(&["dags", "trigger", "by_hand", "--run-id", "two", "--conf", "{\"code\": 1}", "--wait"]),
        1,
    )?;
    assert!(text(&failed.stderr).contains("hint: airlock tasks logs by_hand two only"), "{}", text(&failed.stderr));
    let log = says(&mut server.command(&["tasks", "logs", "by_hand", "one", "only", "--follow"]), 0)?;
    assert!(text(&log.stdout).contains("heard"), "{}", text(&log.stdout));
    let value = says(&mut server.command(&["tasks", "xcom", "by_hand", "one", "only", "--key", "return_value"]), 0)?;
    assert_eq!(text(&value.stdout), "\"heard\"\n");

    says(&mut server.command(&["variables", "set", "region", "eu"]), 0)?;
    says(&mut server.command(&["variables", "set", "region", "us"]), 0)?;
    let exported = says(&mut server.command(&["variables", "export"]), 0)?;
    let exported: Value = serde_json::from_slice(&exported.stdout)?;
    assert_eq!(exported["region"]["value"], "us");
    says(&mut server.command(&["pools", "set", "narrow", "2"]), 0)?;
    says(&mut server.command(&["connections", "set", "there", "--type", "http", "--host", "http://localhost"]), 0)?;
    says(&mut server.command(&["connections", "delete", "there"]), 0)?;
    let failed = says(&mut server.command(&["dags", "list-runs", "by_hand", "--state", "failed", "-o", "plain"]), 0)?;
    assert!(text(&failed.stdout).starts_with("by_hand\ttwo\tfailed"), "{}", text(&failed.stdout));
    says(&mut server.command(&["dags", "delete", "by_hand", "--yes"]), 0)?;
    says(&mut server.command(&["dags", "show", "by_hand"]), 1)?;
    says(&mut server.command(&["jobs", "check", "--job-type", "SchedulerJob"]), 0)?;
    let several = says(&mut server.command(&["jobs", "check"]), 1)?;
    assert!(text(&several.stderr).contains("hint: --allow-multiple"), "{}", text(&several.stderr));
    says(&mut server.command(&["jobs", "check", "--hostname", "nowhere"]), 1)?;
    let listed = says(&mut server.command(&["jobs", "list", "--alive", "-o", "plain"]), 0)?;
    assert_eq!(text(&listed.stdout).lines().count(), 3);
    let info: Value = serde_json::from_slice(&says(&mut server.command(&["info", "-o", "json"]), 0)?.stdout)?;
    assert_eq!((&info["scheduler"], &info["user"]), (&json!("healthy"), &json!("admin")));
    assert_eq!(text(&says(&mut server.command(&["config", "get-value", "worker_slots"]), 0)?.stdout), "32\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_clears_and_compares_by_commands() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    server.api()?.push("bash").await?;
    let dag = |command: &str| {
        let task = json!({ "task_id": "only", "operator": "bash", "args": { "bash_command": command } });
        json!({ "dag_id": "by_hand", "tasks": [task] })
    };
    let file = write(&server, "dag.json", &dag("echo first; exit 1"))?;
    says(&mut server.command(&["dags", "apply", &file]), 0)?;
    says(&mut server.command(&["dags", "trigger", "by_hand", "--run-id", "one", "--wait"]), 1)?;
    assert_eq!(text(&says(&mut server.command(&["dags", "state", "by_hand", "one"]), 0)?.stdout), "failed\n");

    let clear = ["tasks", "clear", "by_hand", "--run", "one", "--only-failed"];
    let dry = says(server.command(&clear).args(["--dry-run", "-o", "plain"]), 0)?;
    assert_eq!(text(&dry.stdout), "one\tonly\t-1\tfailed\t1\n");
    let unasked = says(&mut server.command(&clear), 2)?;
    assert!(text(&unasked.stderr).contains("hint: --yes"), "{}", text(&unasked.stderr));
    let none = says(&mut server.command(&["tasks", "clear", "by_hand", "--task-regex", "^other", "--yes"]), 1)?;
    assert!(text(&none.stderr).contains("no task of `by_hand` fits"), "{}", text(&none.stderr));
    says(server.command(&clear).arg("--yes"), 0)?;
    says(&mut server.command(&["runs", "watch", "by_hand", "one"]), 1)?;
    let tries = says(&mut server.command(&["tasks", "tries", "by_hand", "one", "only", "-o", "plain"]), 0)?;
    assert_eq!(text(&tries.stdout).lines().count(), 2, "{}", text(&tries.stdout));

    let better = write(&server, "dag.json", &dag("echo second"))?;
    says(&mut server.command(&["dags", "apply", &better]), 0)?;
    let versions = says(&mut server.command(&["dags", "versions", "by_hand", "-o", "plain"]), 0)?;
    assert_eq!(text(&versions.stdout).lines().count(), 2);
    let difference = says(&mut server.command(&["dags", "diff", "by_hand", "-o", "plain"]), 0)?;
    assert_eq!(text(&difference.stdout), "task only\t/args/bash_command\techo first; exit 1\techo second\n");
    says(&mut server.command(&["runs", "clear", "by_hand", "one", "--latest-version", "--yes"]), 0)?;
    says(&mut server.command(&["runs", "watch", "by_hand", "one"]), 0)?;
    let why = says(&mut server.command(&["tasks", "why", "by_hand", "one", "only", "-o", "plain"]), 0)?;
    assert_eq!(text(&why.stdout), "Task Instance State\tTask is in the 'success' state.\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_use_is_told_from_failure() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let unknown = says(server.command(&["config", "show"]).env("AIRLOCK_LISTN", "x"), 2)?;
    assert!(text(&unknown.stderr).contains("did you mean `listen`?"), "{}", text(&unknown.stderr));
    says(&mut server.command(&["dags", "frobnicate"]), 2)?;
    says(&mut server.command(&["dags", "trigger", "nothing", "--conf", "no json"]), 2)?;
    let missing = says(&mut server.command(&["dags", "trigger", "nothing"]), 1)?;
    assert!(text(&missing.stderr).contains("nothing"), "{}", text(&missing.stderr));
    let nobody = says(&mut server.command(&["dags", "list", "--url", "http://127.0.0.1:1"]), 1)?;
    assert!(text(&nobody.stderr).contains("hint: start one with `airlock standalone`"), "{}", text(&nobody.stderr));

    let shown = says(&mut server.command(&["config", "show", "-o", "json"]), 0)?;
    let settings: Value = serde_json::from_slice(&shown.stdout)?;
    let home =
        settings.as_array().and_then(|rows| rows.iter().find(|row| row["setting"] == "home")).context("no home")?;
    assert_eq!(home["from"], "environment AIRLOCK_HOME");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dag_is_tried_without_a_server() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let dag = |code: u32| {
        json!({
            "dag_id": "tried", "schedule": "@daily", "start_date": "2026-01-01T00:00:00Z",
            "tasks": [{ "task_id": "only", "operator": "bash",
                "args": { "bash_command": format!("echo \"it is {{{{ var.value.mood }}}}\"; exit {code}") } }]
        })
    };
    let good = write(&server, "good.json", &dag(0))?;
    let bad = write(&server, "bad.json", &dag(1))?;
    let variables = write(&server, "variables.json", &json!({ "mood": "sunny" }))?;

    let tried = says(&mut server.command(&["dags", "test", &good, "--variables", &variables]), 0)?;
    assert!(text(&tried.stdout).contains("it is sunny"), "{}", text(&tried.stdout));
    let failed = says(&mut server.command(&["dags", "test", &bad, "--variables", &variables]), 1)?;
    assert!(text(&failed.stdout).contains("exit code 1"), "{}", text(&failed.stdout));
    Ok(())
}

/// All but those that need services beside them, which are tests of their own.
#[tokio::test(flavor = "multi_thread")]
async fn every_example_can_be_tried() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/dags");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        let is_document = file.extension().is_some_and(|ending| ending == "json");
        if is_document && !["demo.json", "deferral.json"].iter().any(|name| file.ends_with(name)) {
            says(&mut server.command(&["dags", "test", &file.to_string_lossy()]), 0)?;
            tried += 1;
        }
    }
    assert!(tried > 0, "there are no examples");
    Ok(())
}

/// What the README says, in a folder outside of the project.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_a_third_party_is_made_built_uploaded_and_run() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let api = server.api()?;
    let folder = server.home().join("greet");
    // What is compiled here is kept: the SDK's dependencies are the same each time.
    let compiled = target()?.join("test-operator");
    let airlock = |arguments: &[&str]| {
        let mut command = server.command(arguments);
        command.env("CARGO_TARGET_DIR", &compiled);
        command
    };

    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk/rust/airlock-sdk");
    says(&mut airlock(&["operators", "new", "greet", "--sdk", sdk]), 0)?;
    says(Command::new("cargo").args(["test", "--quiet"]).current_dir(&folder).env("CARGO_TARGET_DIR", &compiled), 0)?;
    let tested = says(&mut airlock(&["operators", "test", "greet", "--args", "{\"name\": \"Ada\"}"]), 0)?;
    assert!(text(&tested.stdout).ends_with("\"Hello, Ada!\"\n"), "{}", text(&tested.stdout));
    says(&mut airlock(&["operators", "push", "greet"]), 0)?;
    says(&mut airlock(&["operators", "inspect", "greet"]), 0)?;

    api.apply(&json!({
        "dag_id": "third_party",
        "tasks": [{ "task_id": "greet", "operator": "greet", "args": { "name": "{{ dag_run.conf.who }}" } }]
    }))
    .await?;
    let run = api.trigger("third_party", json!({ "who": "Grace" })).await?;
    assert_eq!(api.finished("third_party", &run).await?, "success");
    assert_eq!(api.xcom("third_party", &run, "greet", "return_value").await?, "Hello, Grace!");
    Ok(())
}
