//! `airlock runs`.

pub mod callbacks;
mod clear;
pub mod watch;

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::Session;
use crate::cli::{RunId, RunsCommand};
use crate::client::{Client, query, segment};
use crate::output::{self, Column};

pub const COLUMNS: &[Column] = &[
    ("DAG", "/dag_id"),
    ("RUN", "/dag_run_id"),
    ("STATE", "/state"),
    ("TYPE", "/run_type"),
    ("LOGICAL DATE", "/logical_date"),
    ("START", "/start_date"),
    ("END", "/end_date"),
];

pub async fn run(command: RunsCommand, session: &Session) -> Result<()> {
    let client = session.client()?;
    match command {
        RunsCommand::List { dag_id, number } => list(&client, &dag_id, &[], number, session).await,
        RunsCommand::Show(id) => output::record(session.output, COLUMNS, &client.get(&path(&id)).await?),
        RunsCommand::Watch(id) => watch::until_end(&client, &id.dag_id, &id.run_id, session.output).await,
        RunsCommand::Cancel(id) => {
            let run = client.send(Method::PATCH, &path(&id), &json!({ "state": "failed" })).await?;
            output::record(session.output, COLUMNS, &run)
        }
        RunsCommand::Callbacks { run, logs } => callbacks::run(&client, &path(&run), logs, session.output).await,
        RunsCommand::Clear(command) => clear::run(&client, &command, session).await,
        RunsCommand::Delete(id) => {
            client.delete(&path(&id)).await?;
            eprintln!("removed the run `{}`", id.run_id);
            Ok(())
        }
    }
}

/// The newest runs of a DAG, in any of these states if there are any.
pub async fn list(client: &Client, dag_id: &str, states: &[String], number: u32, session: &Session) -> Result<()> {
    let states: String = states.iter().map(|state| format!("&state={}", query(state))).collect();
    let path = format!("/api/v2/dags/{}/dagRuns?order_by=-run_after&limit={number}{states}", segment(dag_id));
    let mut page = client.get(&path).await?;
    let runs = page.get_mut("dag_runs").map(Value::take).and_then(|runs| runs.as_array().cloned());
    output::rows(session.output, COLUMNS, &runs.unwrap_or_default())
}

pub fn path(id: &RunId) -> String {
    format!("/api/v2/dags/{}/dagRuns/{}", segment(&id.dag_id), segment(&id.run_id))
}
