//! `airlock tasks`.

mod alone;
mod clear;
pub mod logs;
mod render;
mod test;

use anyhow::Result;
use serde_json::Value;

use super::Session;
use crate::cli::{TaskId, TasksCommand};
use crate::client::{Client, segment};
use crate::output::{self, Column};

const TASKS: &[Column] = &[
    ("TASK", "/task_id"),
    ("OPERATOR", "/operator_name"),
    ("TRIGGER RULE", "/trigger_rule"),
    ("RETRIES", "/retries"),
    ("POOL", "/pool"),
    ("DOWNSTREAM", "/downstream_task_ids"),
];
const INSTANCES: &[Column] = &[
    ("TASK", "/task_id"),
    ("INDEX", "/map_index"),
    ("STATE", "/state"),
    ("TRY", "/try_number"),
    ("START", "/start_date"),
    ("END", "/end_date"),
    ("DURATION", "/duration"),
    ("HOST", "/hostname"),
];
const DEPENDENCIES: &[Column] = &[("DEPENDENCY", "/name"), ("REASON", "/reason")];
const XCOMS: &[Column] = &[("KEY", "/key"), ("INDEX", "/map_index"), ("TIME", "/timestamp")];

pub async fn run(command: TasksCommand, session: &Session) -> Result<()> {
    let client = match &command {
        TasksCommand::Test(task) => return test::run(task, session).await,
        TasksCommand::Render(task) => return render::run(task, session).await,
        _ => session.client()?,
    };
    match command {
        TasksCommand::Test(_) | TasksCommand::Render(_) => Ok(()),
        TasksCommand::List { dag_id, run_id: None } => {
            let mut answer = client.get(&format!("/api/v2/dags/{}/tasks", segment(&dag_id))).await?;
            output::rows(session.output, TASKS, &items(&mut answer, "tasks"))
        }
        TasksCommand::List { dag_id, run_id: Some(run_id) } => {
            let path = format!("/api/v2/dags/{}/dagRuns/{}/taskInstances", segment(&dag_id), segment(&run_id));
            output::rows(session.output, INSTANCES, &client.list(&path, "task_instances").await?)
        }
        TasksCommand::State(task) => {
            let instance = client.get(&instance_path(&task)).await?;
            output::record(session.output, INSTANCES, &instance)
        }
        TasksCommand::Why(task) => why(&client, &task, session).await,
        TasksCommand::Clear(command) => clear::run(&client, &command, session).await,
        TasksCommand::Logs { task, try_number, follow } => {
            logs::run(&client, &task, try_number, follow, session.output).await
        }
        TasksCommand::Tries(task) => {
            let mut answer = client.get(&format!("{}/tries", instance_path(&task))).await?;
            output::rows(session.output, INSTANCES, &items(&mut answer, "task_instances"))
        }
        TasksCommand::Xcom { task, key } => xcom(&client, &task, key.as_deref(), session).await,
    }
}

async fn why(client: &Client, task: &TaskId, session: &Session) -> Result<()> {
    let mut answer = client.get(&format!("{}/dependencies", instance_path(task))).await?;
    let unmet = items(&mut answer, "dependencies");
    if unmet.is_empty() {
        eprintln!("nothing keeps `{}` from running: it runs, or is about to", task.task_id);
    }
    output::rows(session.output, DEPENDENCIES, &unmet)
}

/// The logs of every try of a run, task by task.
pub async fn every_log(client: &Client, dag_id: &str, run_id: &str) -> Result<()> {
    let path = format!("/api/v2/dags/{}/dagRuns/{}/taskInstances", segment(dag_id), segment(run_id));
    for instance in client.list(&path, "task_instances").await? {
        let Some(task_id) = instance.get("task_id").and_then(Value::as_str) else { continue };
        let map_index = instance.get("map_index").and_then(Value::as_i64).and_then(|index| i32::try_from(index).ok());
        let task = TaskId {
            dag_id: dag_id.to_owned(),
            run_id: run_id.to_owned(),
            task_id: task_id.to_owned(),
            map_index: map_index.unwrap_or(-1),
        };
        let index = if task.map_index < 0 { String::new() } else { format!("[{}]", task.map_index) };
        for number in 1..=instance.get("try_number").and_then(Value::as_u64).unwrap_or_default() {
            output::write(&format!("-- {task_id}{index}, try {number}\n"))?;
            logs::run(client, &task, u32::try_from(number).ok(), false, output::Format::Table).await?;
        }
    }
    Ok(())
}

async fn xcom(client: &Client, task: &TaskId, key: Option<&str>, session: &Session) -> Result<()> {
    let entries = format!("{}/xcomEntries", task_path(task));
    let Some(key) = key else {
        return output::rows(session.output, XCOMS, &client.list(&entries, "xcom_entries").await?);
    };
    let path = format!("{entries}/{}?map_index={}&deserialize=true", segment(key), task.map_index);
    let entry = client.get(&path).await?;
    let value = entry.get("value").unwrap_or(&Value::Null);
    output::write(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

fn task_path(task: &TaskId) -> String {
    format!(
        "/api/v2/dags/{}/dagRuns/{}/taskInstances/{}",
        segment(&task.dag_id),
        segment(&task.run_id),
        segment(&task.task_id)
    )
}

fn instance_path(task: &TaskId) -> String {
    if task.map_index < 0 { task_path(task) } else { format!("{}/{}", task_path(task), task.map_index) }
}

fn items(answer: &mut Value, member: &str) -> Vec<Value> {
    answer.get_mut(member).map(Value::take).and_then(|items| items.as_array().cloned()).unwrap_or_default()
}
