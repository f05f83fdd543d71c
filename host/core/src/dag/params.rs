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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dag::{SnapshotCatalogue, parse_value};

    fn dag() -> Dag {
        let document = json!({
            "dag_id": "d", "tasks": [],
            "params": {
                "region": { "type": "string", "default": "eu", "enum": ["eu", "us"] },
                "limit": 10,
                "day": { "type": "string", "format": "date" },
                "note": { "type": ["string", "null"], "default": null },
            },
        });
        parse_value(&document, &SnapshotCatalogue::new([], [])).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn conf_lies_over_the_defaults_and_adds_to_them() {
        let params = for_run(&dag(), &object(json!({"day": "2026-01-31", "limit": 5, "more": [1]}))).unwrap();
        assert_eq!(params, object(json!({"region": "eu", "limit": 5, "day": "2026-01-31", "note": null, "more": [1]})));
    }

    #[test]
    fn what_does_not_fit_is_refused_all_at_once() {
        let faults = for_run(&dag(), &object(json!({"region": "asia", "note": 5}))).unwrap_err().0;
        let found: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(found, ["/region", "/day", "/note"]);
        assert!(faults[1].detail.contains("has no default and needs a value"));
        let faults = for_run(&dag(), &object(json!({"day": "tomorrow"}))).unwrap_err().0;
        assert!(faults[0].detail.contains("\"tomorrow\" is not a \"date\""), "{}", faults[0].detail);
    }

    #[test]
    fn a_tasks_params_lie_between() {
        let mut task = crate::dag::Task::clone(&with_task().tasks[0]);
        task.params = object(json!({"region": {"default": "us"}, "own": {"type": "integer", "default": 1}}));
        let conf = object(json!({"day": "2026-01-31"}));
        let params = for_task(&dag(), &task, &conf).unwrap();
        assert_eq!((&params["region"], &params["own"], &params["limit"]), (&json!("us"), &json!(1), &json!(10)));
    }

    fn with_task() -> Dag {
        use crate::dag::{CatalogueEntry, OperatorKind, OperatorVersion, ResolvedOperator};
        let operator = ResolvedOperator {
            name: "empty".to_owned(),
            version: "1.0.0".to_owned(),
            digest: "sha256:0".to_owned(),
            kind: OperatorKind::Action,
            template_fields: Vec::new(),
        };
        let entry = CatalogueEntry { operator, arguments_schema: std::sync::Arc::new(json!(true)) };
        let catalogue = SnapshotCatalogue::new([OperatorVersion { entry, yanked: false }], ["default_pool".to_owned()]);
        parse_value(&json!({"dag_id": "d", "tasks": [{"task_id": "t", "operator": "empty"}]}), &catalogue).unwrap()
    }
}
