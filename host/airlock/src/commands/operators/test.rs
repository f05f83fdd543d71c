//! `airlock operators test`: one call of an operator, as the only task of a DAG.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Session, build};
use crate::cli::TestOperator;
use crate::commands::dags;
use crate::local::{Local, Surroundings};
use crate::output;

const DAG: &str = "test";
const TASK: &str = "operator";

pub async fn run(command: &TestOperator, session: &Session) -> Result<()> {
    let arguments = dags::object("--args", &command.args)?;
    let module = build::module(&command.path)?;
    let surroundings = Surroundings {
        operators: &[],
        modules: std::slice::from_ref(&module),
        connections: command.connections.as_deref(),
        variables: command.variables.as_deref(),
        allow_private_network: command.allow_private_network,
    };
    let local = Local::start(&session.config, &surroundings).await?;
    let operators = local.client.get("/api/v2/operators").await?;
    let name = operators.pointer("/operators/0/name").and_then(Value::as_str).context("the module was not taken in")?;
    let mut task = json!({ "task_id": TASK, "operator": name, "args": arguments });
    if operators.pointer("/operators/0/versions/0/kind").and_then(Value::as_str) == Some("sensor") {
        task["poke_interval"] = json!(1);
    }
    let dag = json!({ "dag_id": DAG, "tasks": [task] });
    let outcome =
        dags::test::one_run(&local.client, &dag, &json!({ "logical_date": null, "dag_run_id": "test" })).await;
    if outcome.is_ok() {
        let path =
            format!("/api/v2/dags/{DAG}/dagRuns/test/taskInstances/{TASK}/xcomEntries/return_value?deserialize=true");
        if let Some(entry) = local.client.find(&path).await? {
            output::write(&format!("{}\n", serde_json::to_string_pretty(entry.get("value").unwrap_or(&Value::Null))?))?;
        }
    }
    local.stop().await?;
    outcome
}
