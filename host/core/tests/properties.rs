//! What holds for every document, also for those that nobody would write.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use airlock_core::dag::{
    CatalogueEntry, OperatorKind, OperatorVersion, ResolvedOperator, SnapshotCatalogue, canonical_hash, parse,
    parse_value,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn catalogue() -> SnapshotCatalogue {
    let operator = ResolvedOperator {
        name: "empty".to_owned(),
        version: "1.0.0".to_owned(),
        digest: "sha256:0".to_owned(),
        kind: OperatorKind::Sensor,
        template_fields: vec!["a".to_owned()],
    };
    let schema = json!({"type": "object", "properties": {"b": {"oneOf": [{"type": "integer"}, {"minimum": 5}]}}});
    let entry = CatalogueEntry { operator, arguments_schema: Arc::new(schema) };
    SnapshotCatalogue::new([OperatorVersion { entry, yanked: false }], ["default_pool".to_owned()])
}

/// Names that lead a document's reader into every corner.
const NAMES: &[&str] = &[
    "dag_id",
    "tasks",
    "task_id",
    "operator",
    "args",
    "upstream",
    "task_groups",
    "task_group",
    "group_id",
    "parent",
    "schedule",
    "type",
    "cron",
    "delta",
    "dates",
    "timezone",
    "start_date",
    "end_date",
    "params",
    "default",
    "default_args",
    "retries",
    "retry_delay",
    "trigger_rule",
    "pool",
    "limits",
    "grants",
    "edge_labels",
    "from",
    "to",
    "label",
    "max_active_runs",
    "tags",
    "expand",
    "prefix_group_id",
    "poke_interval",
    "a",
    "b",
    "$ref",
    "minimum",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "a.b",
    "empty",
    "empty@1",
    "default_pool",
    "@daily",
    "@continuous",
    "* * * * *",
    "PT1S",
    "P",
    "UTC",
    "2026-01-01T00:00:00Z",
    "cron_trigger",
    "all_done",
    "{{ ds }}",
    "#/$defs/a",
    "assets",
    "ü\u{0}/~",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-5i64..20).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(TEXTS).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 60, 8, |inner| {
        let names = proptest::sample::select(NAMES).prop_map(str::to_owned);
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(names, inner, 0..8).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Right about half of the time: tasks that follow earlier ones, in two groups, and sometimes an edge too many.
fn nearly_a_document() -> impl Strategy<Value = Value> {
    let task = (vec(any::<proptest::sample::Index>(), 0..3), 0usize..3, anything());
    let ends = || proptest::sample::select(&["a", "b", "c", "d", "g", "h"]);
    let more = vec((ends(), ends()), 0..3);
    (vec(task, 4..7), any::<bool>(), more, proptest::option::weighted(0.1, anything())).prop_map(
        |(tasks, nested, more, params)| {
            let ids = ["a", "b", "c", "d", "e", "f"];
            let mut written: Vec<Value> = Vec::new();
            for (place, (upstream, group, args)) in tasks.into_iter().enumerate() {
                let earlier: Vec<&str> =
                    upstream.iter().filter(|_| place > 0).map(|index| ids[index.index(place)]).collect();
                // One of the first two tasks is in each group, so that none is empty.
                let group = [Some("g"), Some("h")].get(place).copied().unwrap_or([None, Some("g"), Some("h")][group]);
                let args = json!({"a": args});
                let task = json!({"task_id": ids[place], "operator": "empty", "upstream": earlier, "task_group": group, "args": args});
                written.push(task);
            }
            for (from, to) in more {
                if let Some(task) = written.iter_mut().find(|task| task["task_id"] == to) {
                    task["upstream"].as_array_mut().unwrap().push(json!(from));
                }
            }
            let parent = nested.then_some("g");
            let groups = json!([
                {"group_id": "g", "prefix_group_id": false}, {"group_id": "h", "prefix_group_id": false, "parent": parent}
            ]);
            json!({"dag_id": "d", "tasks": written, "task_groups": groups, "params": params})
        },
    )
}

/// The same document with the members of every object in the opposite order.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let turned: Map<String, Value> =
                members.iter().rev().map(|(name, value)| (name.clone(), reversed(value))).collect();
            Value::Object(turned)
        }
        Value::Array(items) => items.iter().map(reversed).collect(),
        scalar => scalar.clone(),
    }
}

proptest! {
    #[test]
    fn reading_never_panics_and_never_fails_without_a_fault(document in prop_oneof![anything(), nearly_a_document()]) {
        if let Err(faults) = parse(&document.to_string(), &catalogue()) {
            prop_assert!(!faults.0.is_empty());
            for fault in faults.0 {
                // The faulty value itself, or the object that lacks it.
                let parent = fault.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                let place = document.pointer(&fault.pointer).or_else(|| document.pointer(parent));
                prop_assert!(place.is_some(), "{}", fault);
            }
        }
    }

    #[test]
    fn the_order_of_members_means_nothing(document in nearly_a_document()) {
        let turned = parse_value(&reversed(&document), &catalogue());
        match parse_value(&document, &catalogue()) {
            Ok(dag) => prop_assert_eq!(canonical_hash(&dag), canonical_hash(&turned.unwrap())),
            Err(faults) => prop_assert_eq!(faults.0.len(), turned.unwrap_err().0.len()),
        }
    }

    #[test]
    fn what_was_read_is_without_circles_and_unknown_names(document in nearly_a_document()) {
        if let Ok(dag) = parse_value(&document, &catalogue()) {
            let mut done: Vec<&str> = Vec::new();
            // As many rounds as tasks are enough to reach every task, if there is an order at all.
            for _ in 0..dag.tasks.len() {
                for task in &dag.tasks {
                    if !done.contains(&task.task_id.as_str()) && task.upstream.iter().all(|id| done.contains(&id.as_str())) {
                        done.push(&task.task_id);
                    }
                }
            }
            prop_assert_eq!(done.len(), dag.tasks.len());
            let stored = serde_json::to_string(&dag).unwrap();
            prop_assert_eq!(serde_json::from_str::<airlock_core::dag::Dag>(&stored).unwrap(), dag, "it can be stored and read");
        }
    }
}
