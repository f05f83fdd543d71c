use airlock_core::dag::{Elements, ExpandInput};
use serde_json::{Value, json};

use crate::{assert_fault, faults, read, upstream, with};

/// A DAG in which `m` is mapped, after `src` and beside a group `g` with a task `inner`.
fn mapped(members: Value) -> Value {
    let mut task = json!({"task_id": "m", "operator": "sql", "args": {"conn_id": "lake"}});
    for (name, value) in members.as_object().unwrap() {
        task[name] = value.clone();
    }
    with(json!({
        "task_groups": [{"group_id": "g"}],
        "tasks": [{"task_id": "src", "operator": "empty"}, {"task_id": "inner", "operator": "empty", "task_group": "g"}, task],
    }))
}

#[test]
fn what_a_task_is_mapped_over_comes_before_it() {
    let dag = read(mapped(json!({
        "expand": {"sql": {"xcom": "g.inner"}, "row_limit": [1, 2]}, "upstream": ["src"], "map_index_template": "{{ task.sql }}",
    })));
    let mapping = dag.tasks[2].mapping.clone().unwrap();
    assert_eq!(upstream(&dag, "m"), ["g.inner", "src"]);
    assert_eq!(mapping.sources().collect::<Vec<_>>(), ["g.inner"]);
    assert_eq!(dag.tasks[2].map_index_template.as_deref(), Some("{{ task.sql }}"));
    let pairs = read(mapped(json!({"operator": "bash", "expand": {"bash_command": {"a": 1, "b": 2}}})));
    let ExpandInput::Expand(arguments) = &pairs.tasks[2].mapping.as_ref().unwrap().input else { panic!("expand") };
    assert_eq!(arguments[0].1, Elements::Literal(vec![json!(["a", 1]), json!(["b", 2])]));
    read(mapped(json!({"expand_kwargs": [{"sql": "select 1"}, {"sql": "select 2", "row_limit": 2}]})));
    read(mapped(json!({"expand_kwargs": {"xcom": "src"}})));
    read(mapped(json!({"expand": {"sql": []}})));
}

#[test]
fn faults_of_mapping_are_said_at_their_place() {
    let fault = |members: Value, pointer: &str, part: &str| assert_fault(mapped(members), pointer, part);
    fault(json!({"expand": {}}), "/tasks/2/expand", "names no argument");
    fault(json!({"expand": {"sql": "x"}}), "/tasks/2/expand/sql", "{\"xcom\": \"task_id\"}");
    fault(json!({"expand": {"sql": {"xcom": "scr"}}}), "/tasks/2/expand/sql/xcom", "did you mean");
    fault(json!({"expand": {"sql": {"xcom": "m"}}}), "/tasks/2/expand/sql/xcom", "cannot follow itself");
    fault(json!({"expand": {"sql": {"xcom": "g"}}}), "/tasks/2/expand/sql/xcom", "name a task");
    fault(json!({"expand": {"conn_id": ["a"]}}), "/tasks/2/expand/conn_id", "given in `args` too");
    fault(json!({"expand": {"sql": ["a"]}, "expand_kwargs": []}), "/tasks/2/expand_kwargs", "not both");
    fault(json!({"expand_kwargs": [{"sql": "a"}, 7]}), "/tasks/2/expand_kwargs/1", "an object with arguments");
    fault(
        json!({"expand_kwargs": [{"sql": "a", "conn_id": "b"}]}),
        "/tasks/2/expand_kwargs/0/conn_id",
        "in `args` too",
    );
    fault(json!({"expand_kwargs": {"sql": ["a"]}}), "/tasks/2/expand_kwargs", "an array of objects");
    fault(json!({"map_index_template": "x"}), "/tasks/2/map_index_template", "mapped tasks");
    fault(
        json!({"expand": {"sql": ["a"]}, "map_index_template": "{{"}),
        "/tasks/2/map_index_template",
        "cannot be read",
    );
    fault(
        json!({"expand": {"sql": {"xcom": "src"}}, "trigger_rule": "always"}),
        "/tasks/2/trigger_rule",
        "has to wait for it",
    );
    let many = vec!["a"; 1_000];
    fault(json!({"expand": {"sql": many, "row_limit": vec![1; 101]}}), "/tasks/2", "101000 instances");
}

#[test]
fn elements_are_held_against_the_operators_schema() {
    let fault = |members: Value, pointer: &str, part: &str| assert_fault(mapped(members), pointer, part);
    fault(json!({"expand": {"sql": ["a", 1]}}), "/tasks/2/expand/sql/1", "string");
    fault(json!({"expand": {"sql": ["{{ ds "]}}), "/tasks/2/expand/sql/0", "cannot be read");
    fault(json!({"expand": {"slq": ["a"]}}), "/tasks/2/args", "slq");
    fault(json!({"expand": {"row_limit": [1]}}), "/tasks/2/args", "sql");
    fault(
        json!({"expand_kwargs": [{"sql": "a"}, {"row_limit": "b", "sql": "c"}]}),
        "/tasks/2/expand_kwargs/1/row_limit",
        "integer",
    );
    fault(json!({"expand_kwargs": [{"sql": "a"}, {}]}), "/tasks/2/expand_kwargs/1", "sql");
    let once = faults(mapped(json!({"expand": {"row_limit": [1, 2, 3]}})));
    assert_eq!(once.len(), 1, "what is missing is missing once: {once:?}");
}

/// A DAG with a group that `members` may make a mapped one, after `src`; `load` is in it, and in it a group with `store`.
fn grouped(members: Value) -> Value {
    let mut group = json!({"group_id": "g"});
    for (name, value) in members.as_object().unwrap() {
        group[name] = value.clone();
    }
    with(json!({
        "task_groups": [group, {"group_id": "inner", "parent": "g"}],
        "tasks": [
            {"task_id": "src", "operator": "empty"},
            {"task_id": "load", "operator": "bash", "args": {"bash_command": "{{ expanded.x }}"}, "task_group": "g",
             "map_index_template": "{{ expanded.x }}"},
            {"task_id": "store", "operator": "empty", "task_group": "g.inner", "upstream": ["load"]},
        ],
    }))
}

#[test]
fn a_group_is_mapped_with_all_its_tasks() {
    let dag = read(grouped(json!({"expand": {"x": {"xcom": "src"}, "y": [1, 2]}})));
    assert_eq!((upstream(&dag, "g.load"), upstream(&dag, "g.inner.store")), (vec!["src"], vec!["g.load"]));
    assert_eq!(dag.mapped_groups(), [None, Some(0), Some(0)]);
    let mapping = dag.mapping_of("g.inner.store").unwrap();
    assert_eq!(mapping.sources().collect::<Vec<_>>(), ["src"]);
    assert!(dag.mapping_of("src").is_none() && dag.tasks[1].mapping.is_none());
    read(grouped(json!({"expand_kwargs": [{"x": 1}, {"x": 2, "y": 3}]})));
}

#[test]
fn faults_of_mapped_groups_are_said_at_their_place() {
    let fault = |members: Value, pointer: &str, part: &str| assert_fault(grouped(members), pointer, part);
    fault(json!({}), "/tasks/1/map_index_template", "put the task into a mapped group");
    fault(json!({"expand": {}}), "/task_groups/0/expand", "names no argument");
    fault(json!({"expand": {"x": 1}}), "/task_groups/0/expand/x", "{\"xcom\": \"task_id\"}");
    fault(json!({"expand": {"x": {"xcom": "scr"}}}), "/task_groups/0/expand/x/xcom", "did you mean");
    fault(json!({"expand": {"x": {"xcom": "g.load"}}}), "/task_groups/0/expand/x/xcom", "one of its own tasks");
    fault(json!({"expand": {"x": [1]}, "expand_kwargs": []}), "/task_groups/0/expand_kwargs", "not both");
    fault(json!({"expand_kwargs": [1]}), "/task_groups/0/expand_kwargs/0", "an object with arguments");
    let mut nested = grouped(json!({"expand": {"x": [1]}}));
    nested["task_groups"][1]["expand"] = json!({"y": [1]});
    assert_fault(nested, "/task_groups/1/expand", "cannot be nested");
    let mut twice = grouped(json!({"expand": {"x": [1]}}));
    twice["tasks"][2]["expand"] = json!({"y": [1]});
    assert_fault(twice, "/tasks/2/expand", "a task in a mapped group cannot be mapped itself");
}
