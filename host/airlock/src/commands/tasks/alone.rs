//! A task without the tasks around it: how `airlock tasks test` and `airlock tasks render` see it.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::cli::{LocalTask, TestDag};
use crate::commands::dags::{object, read};
use crate::failure::Failure;
use crate::local::{self, Surroundings};

/// What a task says of others, and what would keep it from running now.
const OF_OTHERS: &[&str] = &[
    "upstream",
    "trigger_rule",
    "setups",
    "is_setup",
    "is_teardown",
    "on_failure_fail_dagrun",
    "depends_on_past",
    "wait_for_downstream",
];

/// What a DAG says of when and how its tasks run together.
const OF_ALL: &[&str] = &["schedule", "edge_labels", "dagrun_timeout", "callbacks", "deadlines"];

/// The document with this task alone, which runs once.
pub fn document(command: &LocalTask) -> Result<Value> {
    let mut dag: Map<String, Value> = serde_json::from_str(&read(&command.dag.file)?.text)?;
    let tasks = dag.get("tasks").and_then(Value::as_array).cloned().unwrap_or_default();
    let wanted = &command.task_id;
    let Some(mut task) = tasks.iter().find(|task| is_called(task, wanted)).and_then(Value::as_object).cloned() else {
        let known: Vec<&str> = tasks.iter().filter_map(|task| task.get("task_id")?.as_str()).collect();
        let known = known.join(", ");
        return Err(Failure::new(format!("there is no task `{wanted}`")).hint(format!("tasks are {known}")).into());
    };
    for member in OF_OTHERS {
        task.remove(*member);
    }
    task.insert("retries".to_owned(), json!(0));
    for member in OF_ALL {
        dag.remove(*member);
    }
    for group in dag.get_mut("task_groups").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(group) = group.as_object_mut() {
            group.remove("upstream");
        }
    }
    dag.insert("tasks".to_owned(), json!([task]));
    dag.insert("is_paused_upon_creation".to_owned(), json!(false));
    Ok(Value::Object(dag))
}

/// By its id as written, or in full with its groups.
fn is_called(task: &Value, name: &str) -> bool {
    let written = task.get("task_id").and_then(Value::as_str);
    written.is_some_and(|id| id == name || name.strip_suffix(id).is_some_and(|groups| groups.ends_with('.')))
}

/// What a run of it is asked for with.
pub fn run_body(dag: &TestDag) -> Result<Value> {
    let mut body = json!({ "logical_date": dag.logical_date });
    if let Some(conf) = &dag.conf {
        body["conf"] = Value::Object(object("--conf", conf)?);
    }
    Ok(body)
}

/// Where operators come from: the folders that were named, and those that this program finds itself.
pub fn operators(dag: &TestDag) -> Vec<PathBuf> {
    dag.operators.iter().cloned().chain(local::built_operators()).collect()
}

pub fn surroundings<'a>(dag: &'a TestDag, operators: &'a [PathBuf]) -> Surroundings<'a> {
    Surroundings {
        operators,
        modules: &[],
        connections: dag.connections.as_deref(),
        variables: dag.variables.as_deref(),
        allow_private_network: dag.allow_private_network,
    }
}
