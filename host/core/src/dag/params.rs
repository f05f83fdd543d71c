//! Params: what a DAG lets a run choose, each with a JSON Schema, and what a run has chosen.

use serde_json::{Map, Value};

use super::{Dag, Task};
use crate::fault::{FaultSink, Faults, pointer_to};
use crate::schema::Schema;

/// The params of a run: the DAG's defaults with the run's `conf` laid over them, as in Airflow. A member of `conf` that is no
/// param is passed on unchecked.
///
/// Faults have pointers into `conf`.
pub fn for_run(dag: &Dag, conf: &Map<String, Value>) -> Result<Map<String, Value>, Faults> {
    merge([&dag.params], conf)
}

/// The params of a task of a run: the task's own between the DAG's and `conf`.
pub fn for_task(dag: &Dag, task: &Task, conf: &Map<String, Value>) -> Result<Map<String, Value>, Faults> {
    merge([&dag.params, &task.params], conf)
}

fn merge<const N: usize>(
    layers: [&Map<String, Value>; N],
    conf: &Map<String, Value>,
) -> Result<Map<String, Value>, Faults> {
    let sink = FaultSink::default();
    let mut schemas: Map<String, Value> = Map::new();
    for (name, schema) in layers.into_iter().flatten() {
        schemas.insert(name.clone(), schema.clone());
    }
    let mut merged = Map::new();
    for (name, schema) in &schemas {
        let pointer = pointer_to("", name);
        let Some(value) = conf.get(name).or_else(|| schema.get("default")) else {
            sink.push(pointer, format!("the param `{name}` has no default and needs a value"));
            continue;
        };
        for detail in misfits(schema, value) {
            sink.push(
                format!("{pointer}{}", detail.0),
                format!("the param `{name}` does not fit its schema: {}", detail.1),
            );
        }
        merged.insert(name.clone(), value.clone());
    }
    for (name, value) in conf {
        if !schemas.contains_key(name) {
            merged.insert(name.clone(), value.clone());
        }
    }
    sink.finish(merged)
}

/// Where and how `value` does not fit.
pub(super) fn misfits(schema: &Value, value: &Value) -> Vec<(String, String)> {
    match Schema::compile(schema) {
        Ok(schema) => schema.misfits(value).into_iter().map(|misfit| (misfit.pointer, misfit.detail)).collect(),
        Err(reason) => vec![(String::new(), format!("its schema cannot be used: {reason}"))],
    }
}
