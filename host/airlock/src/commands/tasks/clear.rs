//! `airlock tasks clear`.

use anyhow::Result;
use regex::Regex;
use serde_json::{Value, json};

use super::{Session, items};
use crate::cli::ClearTasks;
use crate::client::{Client, segment};
use crate::commands::ask;
use crate::failure::Failure;
use crate::output::{self, Column};

const CLEARED: &[Column] = &[
    ("RUN", "/dag_run_id"),
    ("TASK", "/task_id"),
    ("INDEX", "/map_index"),
    ("STATE", "/state"),
    ("TRY", "/try_number"),
];

pub async fn run(client: &Client, command: &ClearTasks, session: &Session) -> Result<()> {
    let path = format!("/api/v2/dags/{}/clearTaskInstances", segment(&command.dag_id));
    let mut body = json!({
        "dag_run_id": command.run,
        "task_ids": tasks(client, command).await?,
        "start_date": command.start_date,
        "end_date": command.end_date,
        "include_upstream": command.upstream,
        "include_downstream": command.downstream,
        "include_past": command.past,
        "include_future": command.future,
        "only_failed": command.only_failed,
        "only_running": command.only_running,
        "run_on_latest_version": command.latest_version,
        "dry_run": true,
    });
    let mut found = client.post(&path, &body).await?;
    let found = items(&mut found, "task_instances");
    if command.dry_run {
        return output::rows(session.output, CLEARED, &found);
    }
    if found.is_empty() {
        return Err(Failure::new("there is nothing to clear").into());
    }
    if !command.yes {
        eprint!("{}", output::table(CLEARED, &found));
    }
    ask::unless(command.yes, &format!("Clear these {} task instances?", found.len()))?;
    body["dry_run"] = Value::Bool(false);
    let mut cleared = client.post(&path, &body).await?;
    let cleared = items(&mut cleared, "task_instances");
    eprintln!("cleared {} task instances", cleared.len());
    output::rows(session.output, CLEARED, &cleared)
}

/// None: all tasks.
async fn tasks(client: &Client, command: &ClearTasks) -> Result<Option<Vec<String>>> {
    if !command.tasks.is_empty() {
        return Ok(Some(command.tasks.clone()));
    }
    let Some(written) = &command.task_regex else { return Ok(None) };
    let regex = Regex::new(written).map_err(|error| Failure::usage(format!("--task-regex: {error}")))?;
    let mut answer = client.get(&format!("/api/v2/dags/{}/tasks", segment(&command.dag_id))).await?;
    let tasks = items(&mut answer, "tasks");
    let named = tasks.iter().filter_map(|task| task.get("task_id").and_then(Value::as_str));
    let fitting: Vec<String> = named.filter(|task_id| regex.is_match(task_id)).map(str::to_owned).collect();
    if fitting.is_empty() {
        return Err(Failure::new(format!("no task of `{}` fits `{written}`", command.dag_id)).into());
    }
    Ok(Some(fitting))
}
