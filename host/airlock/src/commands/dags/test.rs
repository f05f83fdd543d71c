//! `airlock dags test`: a DAG on the developer's own machine, by the scheduler, the worker and the sandbox that servers have.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Session, object, read};
use crate::cli::{RunId, TestDag};
use crate::client::{Client, segment};
use crate::commands::{runs, tasks};
use crate::failure::Failure;
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
    let events = command.event.iter().map(|text| event(text)).collect::<Result<Vec<_>>>()?;
    let operators: Vec<PathBuf> = command.operators.iter().cloned().chain(local::built_operators()).collect();
    let surroundings = Surroundings {
        operators: &operators,
        modules: &[],
        connections: command.connections.as_deref(),
        variables: command.variables.as_deref(),
        allow_private_network: command.allow_private_network,
    };
    let local = Local::start(&session.config, &surroundings).await?;
    post(&local.client, &events).await?;
    let outcome = one_run(&local.client, &dag, &body).await;
    local.stop().await?;
    outcome
}

/// What waits for something that only others bring about, by the kind of its trigger.
const BY_OTHERS: &[(&str, &str)] = &[
    ("airlock.triggers.dag_run", "a run of another DAG, and there are no other DAGs here"),
    ("airlock.triggers.tasks", "tasks of another DAG, and there are no other DAGs here"),
    ("airlock.triggers.posted_event", "an event, which `--event NAME=JSON` would post"),
];

/// Events are kept for as long as a test may take.
const KEPT_SECONDS: u32 = 604_800;

/// The name and the payload of `--event`.
fn event(text: &str) -> Result<(&str, Value)> {
    let wrong = || Failure::usage(format!("--event {text} is not NAME=JSON")).hint("such as --event approved=true");
    let (name, payload) = text.split_once('=').ok_or_else(wrong)?;
    Ok((name, serde_json::from_str(payload).map_err(|_| wrong())?))
}

async fn post(client: &Client, events: &[(&str, Value)]) -> Result<()> {
    for (name, payload) in events {
        let body = json!({ "payload": payload, "keep_for": KEPT_SECONDS });
        client.post(&format!("/api/v2/triggerEvents/{}", segment(name)), &body).await?;
    }
    Ok(())
}

/// Says, once for each task, that it waits for what does not come here. Ends only with an error.
async fn tell_of_waits(client: &Client, dag_id: &str, run_id: &str) -> Result<Infallible> {
    let path = format!("{}/dagRuns/{}/taskInstances?state=deferred", super::path(dag_id), segment(run_id));
    let mut told = BTreeSet::new();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for instance in client.list(&path, "task_instances").await? {
            let of = |pointer: &str| instance.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (task_id, kind) = (of("/task_id"), of("/trigger/classpath"));
            if let Some((_, what)) = BY_OTHERS.iter().find(|(known, _)| *known == kind)
                && told.insert(task_id.clone())
            {
                eprintln!("note: `{task_id}` waits for {what}: it waits until its timeout");
            }
        }
    }
}

/// Applies a DAG, runs it once, and shows states and then logs, those of callbacks too. An error unless the run succeeds.
pub async fn one_run(client: &Client, dag: &Value, body: &Value) -> Result<()> {
    let dag_id = dag.get("dag_id").and_then(Value::as_str).context("the document has no dag_id")?;
    client.put_text(&super::path(dag_id), "application/json", dag.to_string()).await?;
    let run = client.post(&format!("{}/dagRuns", super::path(dag_id)), body).await?;
    let run_id = run.get("dag_run_id").and_then(Value::as_str).context("the run has no id")?;
    let outcome = tokio::select! {
        outcome = runs::watch::until_end(client, dag_id, run_id, Format::Plain) => outcome,
        Err(error) = tell_of_waits(client, dag_id, run_id) => Err(error),
    };
    tasks::every_log(client, dag_id, run_id).await?;
    let run = RunId { dag_id: dag_id.to_owned(), run_id: run_id.to_owned() };
    runs::callbacks::until_over(client, &runs::path(&run)).await?;
    outcome
}
