//! `airlock dags test`: a DAG on the developer's own machine, by the scheduler, the worker and the sandbox that servers have.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Session, object, read};
use crate::cli::{RunId, TestDag};
use crate::client::Client;
use crate::commands::{runs, tasks};
use crate::local::{self, Local, Surroundings};
use crate::output::Format;

pub async fn run(command: &TestDag, session: &Session) -> Result<()> {
    let document = read(&command.file)?;
    let mut dag: Value = serde_json::from_str(&document.text)?;
    // One run is asked for: a schedule would make more of them meanwhile.
    dag["schedule"] = Value::Null;
    dag["is_paused_upon_creation"] = json!(false);
    let mut body = json!({ "logical_date": command.logical_date });
    if let Some(conf) = &command.conf {
        body["conf"] = Value::Object(object("--conf", conf)?);
    }
    let operators: Vec<PathBuf> = command.operators.iter().cloned().chain(local::built_operators()).collect();
    let surroundings = Surroundings {
        operators: &operators,
        modules: &[],
        connections: command.connections.as_deref(),
        variables: command.variables.as_deref(),
        allow_private_network: command.allow_private_network,
    };
    let local = Local::start(&session.config, &surroundings).await?;
    let outcome = one_run(&local.client, &dag, &body).await;
    local.stop().await?;
    outcome
}

/// Applies a DAG, runs it once, and shows states and then logs, those of callbacks too. An error unless the run succeeds.
pub async fn one_run(client: &Client, dag: &Value, body: &Value) -> Result<()> {
    let dag_id = dag.get("dag_id").and_then(Value::as_str).context("the document has no dag_id")?;
    client.put_text(&super::path(dag_id), "application/json", dag.to_string()).await?;
    let run = client.post(&format!("{}/dagRuns", super::path(dag_id)), body).await?;
    let run_id = run.get("dag_run_id").and_then(Value::as_str).context("the run has no id")?;
    let outcome = runs::watch::until_end(client, dag_id, run_id, Format::Plain).await;
    tasks::every_log(client, dag_id, run_id).await?;
    let run = RunId { dag_id: dag_id.to_owned(), run_id: run_id.to_owned() };
    runs::callbacks::until_over(client, &runs::path(&run)).await?;
    outcome
}
