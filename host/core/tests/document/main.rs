//! Documents: what is read from them, and every fault that is found in them.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod assets;
mod callbacks;
mod mapping;
mod teardowns;

use std::sync::Arc;

use airlock_conformance::judge;
use airlock_core::dag::{
    Catalogue, CatalogueEntry, Dag, OperatorKind, OperatorVersion, ResolvedOperator, Schedule, SensorMode,
    SnapshotCatalogue, canonical_hash, parse, parse_value,
};
use airlock_core::state::TriggerRule;
use serde_json::{Value, json};

fn catalogue() -> impl Catalogue {
    let operator = |name: &str, kind, schema: Value, template_fields: &[&str]| OperatorVersion {
        entry: CatalogueEntry {
            operator: ResolvedOperator {
                name: name.to_owned(),
                version: "1.2.0".to_owned(),
                digest: format!("sha256:{name}"),
                kind,
                template_fields: template_fields.iter().map(|field| (*field).to_owned()).collect(),
            },
            arguments_schema: Arc::new(schema),
        },
        yanked: false,
    };
    let anything = json!({"type": "object"});
    let sql = json!({
        "type": "object",
        "properties": { "conn_id": { "type": "string" }, "sql": { "type": "string" }, "row_limit": { "type": "integer" } },
        "required": ["conn_id", "sql"],
        "additionalProperties": false,
    });
    SnapshotCatalogue::new(
        [
            operator("empty", OperatorKind::Action, anything.clone(), &[]),
            operator("sql", OperatorKind::Action, sql, &["sql"]),
            operator("bash", OperatorKind::Action, anything.clone(), &["bash_command"]),
            operator("s3-key-sensor", OperatorKind::Sensor, anything, &["bucket_key"]),
        ],
        ["default_pool".to_owned(), "warehouse".to_owned()],
    )
}

fn read(document: Value) -> Dag {
    parse(&document.to_string(), &catalogue()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Pointers and details of the faults.
fn faults(document: Value) -> Vec<(String, String)> {
    let faults = parse(&document.to_string(), &catalogue()).expect_err("the document has faults");
    faults.0.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
}

#[track_caller]
fn assert_fault(document: Value, pointer: &str, part: &str) {
    let found = faults(document);
    assert!(
        found.iter().any(|(at, detail)| at == pointer && detail.contains(part)),
        "no `{part}` at `{pointer}` in {found:#?}"
    );
}

/// A DAG of `empty` tasks with the given members added.
fn with(members: Value) -> Value {
    let mut document = json!({"dag_id": "d", "tasks": [{"task_id": "a", "operator": "empty"}]});
    for (name, value) in members.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// A DAG with one task that has the given members added.
fn with_task(members: Value) -> Value {
    let mut document = with(json!({}));
    for (name, value) in members.as_object().unwrap() {
        document["tasks"][0][name] = value.clone();
    }
    document
}

fn upstream<'a>(dag: &'a Dag, task_id: &str) -> Vec<&'a str> {
    let task = dag.tasks.iter().find(|task| task.task_id == task_id).unwrap();
    task.upstream.iter().map(String::as_str).collect()
}

#[test]
fn the_example_of_the_contract_is_read_with_its_defaults() {
    let dag = read(json!({
        "dag_id": "daily_sales",
        "description": "Load yesterday's sales",
        "schedule": "0 6 * * *",
        "timezone": "Europe/Berlin",
        "start_date": "2026-01-01T00:00:00Z",
        "catchup": false,
        "tags": ["sales"],
        "default_args": { "owner": "data", "retries": 2, "retry_delay": 30 },
        "params": { "region": { "type": "string", "default": "eu" } },
        "tasks": [
            { "task_id": "wait_for_file", "operator": "s3-key-sensor",
              "args": { "conn_id": "lake", "bucket_key": "s3://landing/{{ ds }}/*.csv", "wildcard_match": true },
              "poke_interval": 30, "timeout": 21600 },
            { "task_id": "load", "operator": "sql@1",
              "args": { "conn_id": "warehouse", "sql": "insert into sales select * from staging where day = '{{ ds }}'" },
              "upstream": ["wait_for_file"], "pool": "warehouse", "priority_weight": 5 },
            { "task_id": "report", "operator": "bash",
              "args": { "bash_command": "echo loaded {{ ti.xcom_pull(task_ids='load')['rowcount'] }} rows" },
              "upstream": ["load"], "trigger_rule": "all_done", "retry_delay": "PT1M" }
        ]
    }));
    assert!(matches!(&dag.schedule, Schedule::CronTrigger { cron, .. } if cron == &["0 6 * * *"]));
    assert_eq!((dag.max_active_runs, dag.max_active_tasks, dag.is_paused_upon_creation), (16, 16, false));
    let [wait, load, report] = dag.tasks.as_slice() else { panic!("three tasks") };
    assert_eq!((wait.sensor.poke_interval.0, wait.sensor.timeout.0), (30.0, 21_600.0));
    assert_eq!((load.resolved.version.as_str(), load.pool.as_str(), load.priority_weight), ("1.2.0", "warehouse", 5));
    assert_eq!((load.owner.as_str(), load.retries, load.retry_delay.0), ("data", 2, 30.0));
    assert_eq!((report.trigger_rule, report.retry_delay.0), (TriggerRule::AllDone, 60.0));
    assert_eq!(upstream(&dag, "report"), ["load"]);
}

#[test]
fn every_fault_is_found_at_once() {
    let found = faults(json!({
        "dag_id": "bad id",
        "shedule": "@daily",
        "timezone": "Europe/Berlinn",
        "start_date": "yesterday",
        "max_active_runs": 0,
        "default_args": { "retires": 1, "retry_delay": "soon" },
        "tasks": [
            { "task_id": "a", "operator": "sqll" },
            { "task_id": "a", "operator": "empty", "trigger_rule": "all_sucess", "pool": "warehuose" },
            { "operator": "empty", "upstream": ["aa", 7], "pool_slots": 0 },
            { "task_id": "s", "operator": "sql", "args": { "conn_id": 1, "slq": "x" } },
            12,
        ]
    }));
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    for pointer in [
        "/dag_id",
        "/shedule",
        "/timezone",
        "/start_date",
        "/max_active_runs",
        "/default_args/retires",
        "/default_args/retry_delay",
        "/tasks/0/operator",
        "/tasks/1/task_id",
        "/tasks/1/trigger_rule",
        "/tasks/1/pool",
        "/tasks/2",
        "/tasks/2/upstream/0",
        "/tasks/2/upstream/1",
        "/tasks/2/pool_slots",
        "/tasks/3/args/conn_id",
        "/tasks/3/args",
        "/tasks/4",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} is missing in {found:#?}");
    }
    let detail = |pointer: &str| found.iter().find(|(at, _)| at == pointer).unwrap().1.as_str();
    assert_eq!(detail("/shedule"), "a DAG has no field `shedule`; did you mean `schedule`?");
    assert_eq!(detail("/tasks/0/operator"), "there is no operator `sqll`; did you mean `sql`?");
    assert_eq!(detail("/tasks/1/pool"), "there is no pool `warehuose`; did you mean `warehouse`?");
    assert!(detail("/timezone").contains("`Europe/Berlin`"));
    assert_eq!(pointers.iter().filter(|pointer| **pointer == "/default_args/retry_delay").count(), 1);
}

#[test]
fn circles_name_their_path() {
    let task = |id: &str, upstream: &[&str]| json!({"task_id": id, "operator": "empty", "upstream": upstream});
    let document = with(
        json!({"tasks": [task("a", &["c"]), task("b", &["a"]), task("c", &["b"]), task("d", &["c", "e"]), task("e", &["d"])]}),
    );
    assert_fault(document.clone(), "/tasks/0/upstream", "a -> b -> c -> a");
    assert_fault(document, "/tasks/3/upstream", "d -> e -> d");
    assert_fault(with(json!({"tasks": [task("a", &["a"])]})), "/tasks/0/upstream/0", "cannot follow itself");
}

#[test]
fn groups_prefix_their_children_and_stand_for_their_ends() {
    let task = |id: &str, group: &str, upstream: &[&str]| {
        let mut task = json!({"task_id": id, "operator": "empty", "upstream": upstream});
        if !group.is_empty() {
            task["task_group"] = json!(group);
        }
        task
    };
    let dag = read(with(json!({
        "task_groups": [
            { "group_id": "inner", "parent": "outer", "upstream": ["first"], "default_args": { "retries": 4 } },
            { "group_id": "outer", "upstream": ["start"] },
            { "group_id": "flat", "prefix_group_id": false, "upstream": ["outer"] },
        ],
        "tasks": [
            task("start", "", &[]),
            task("first", "outer", &[]),
            task("x", "outer.inner", &[]),
            task("y", "inner", &["x"]),
            task("z", "inner", &["outer.inner.x"]),
            task("loose", "flat", &[]),
            task("end", "", &["flat", "outer.inner"]),
        ],
        "edge_labels": [{ "from": "start", "to": "outer", "label": "go" }],
    })));
    let ids: Vec<&str> = dag.tasks.iter().map(|task| task.task_id.as_str()).collect();
    assert_eq!(ids, ["start", "outer.first", "outer.inner.x", "outer.inner.y", "outer.inner.z", "loose", "end"]);
    assert_eq!(upstream(&dag, "outer.first"), ["start"], "the only root of `outer`: `inner` follows `first`");
    assert_eq!(upstream(&dag, "outer.inner.x"), ["outer.first"], "the only root of `inner`");
    assert_eq!(upstream(&dag, "outer.inner.y"), ["outer.inner.x"], "a name is looked up in the own group, too");
    assert_eq!(upstream(&dag, "loose"), ["outer.inner.y", "outer.inner.z"]);
    assert_eq!(upstream(&dag, "end"), ["loose", "outer.inner.y", "outer.inner.z"]);
    assert_eq!(dag.tasks[2].retries, 4);
    assert_eq!(
        dag.task_groups.iter().map(|group| group.group_id.as_str()).collect::<Vec<_>>(),
        ["outer", "flat", "outer.inner"]
    );
}

#[test]
fn what_is_wrong_with_groups_is_said() {
    let grouped = |groups: Value, task: Value| with(json!({"task_groups": groups, "tasks": [task]}));
    let task = || json!({"task_id": "a", "operator": "empty"});
    let inside = |group: &str| json!({"task_id": "a", "operator": "empty", "task_group": group});
    assert_fault(grouped(json!([{"group_id": "a"}]), task()), "/tasks/0/task_id", "there is a task group `a` too");
    assert_fault(
        grouped(json!([{"group_id": "g"}, {"group_id": "g"}]), task()),
        "/task_groups/1",
        "another task group `g`",
    );
    assert_fault(grouped(json!([{"group_id": "g.h"}]), task()), "/task_groups/0/group_id", "letters, digits");
    assert_fault(grouped(json!([{"group_id": "g"}]), inside("gg")), "/tasks/0/task_group", "no task group `gg`");
    assert_fault(
        grouped(json!([{"group_id": "g", "parent": "h"}, {"group_id": "h", "parent": "g"}]), task()),
        "/task_groups/0/parent",
        "inside each other",
    );
    let into_itself = json!({"task_id": "a", "operator": "empty", "task_group": "g", "upstream": ["g"]});
    assert_fault(grouped(json!([{"group_id": "g"}]), into_itself), "/tasks/0/upstream/0", "contain each other");
    let after_nothing = json!({"task_id": "a", "operator": "empty", "upstream": ["g"]});
    assert_fault(grouped(json!([{"group_id": "g"}]), after_nothing), "/tasks/0/upstream/0", "has no tasks");
}

#[test]
fn schedules_come_in_many_forms() {
    let schedule = |value: Value| read(with(json!({"schedule": value}))).schedule;
    assert_eq!(schedule(json!(null)), Schedule::None);
    assert!(matches!(schedule(json!("@daily")), Schedule::CronTrigger { cron, .. } if cron == ["0 0 * * *"]));
    assert_eq!(schedule(json!("@once")), Schedule::Once);
    let data = schedule(json!({"type": "cron_data_interval", "cron": "@hourly"}));
    assert_eq!(data, Schedule::CronDataInterval { cron: "0 * * * *".to_owned() });
    let several = schedule(json!({"type": "cron_trigger", "cron": ["0 1 * * *", "0 2 * * *"]}));
    assert!(matches!(several, Schedule::CronTrigger { cron, .. } if cron.len() == 2));
    assert!(
        matches!(schedule(json!({"type": "delta_data_interval", "delta": "PT6H"})), Schedule::DeltaDataInterval { delta } if delta.0 == 21_600.0)
    );
    assert!(
        matches!(schedule(json!({"type": "events", "dates": ["2026-01-01T00:00:00Z"]})), Schedule::Events { dates } if dates.len() == 1)
    );
    assert_fault(with(json!({"schedule": "@dayly"})), "/schedule", "did you mean `@daily`");
    assert_fault(
        with(json!({"schedule": {"type": "cron", "cron": "* * * * *"}})),
        "/schedule/type",
        "no type of schedule",
    );
    assert_fault(
        with(json!({"schedule": {"type": "delta_trigger", "cron": "* * * * *"}})),
        "/schedule",
        "`delta` is missing",
    );
    assert_fault(
        with(json!({"schedule": {"type": "delta_trigger", "delta": 0}})),
        "/schedule/delta",
        "at least one second",
    );
    assert_fault(with(json!({"schedule": 5})), "/schedule", "expected null, a cron expression");
}

#[test]
fn the_hash_is_of_the_meaning_and_not_of_the_layout() {
    let plain = read(with_task(json!({"retries": 1, "args": {"x": 1, "y": {"b": 1, "a": 2}}})));
    let other = parse(
        r#"{ "tasks": [ {"args": {"y": {"a": 2, "b": 1}, "x": 1}, "operator": "empty", "task_id": "a"} ],
             "default_args": {"retries": 1}, "dag_id": "d", "catchup": false }"#,
        &catalogue(),
    );
    assert_eq!(canonical_hash(&plain), canonical_hash(&other.unwrap()));
    assert_ne!(canonical_hash(&plain), canonical_hash(&read(with_task(json!({"retries": 2})))));
    assert_eq!(canonical_hash(&plain).len(), 64);
}

#[test]
fn a_value_is_read_like_its_text() {
    let document = with_task(json!({"retries": 1}));
    assert_eq!(parse_value(&document, &catalogue()).unwrap(), read(document));
}

/// The document that a case describes: its edges, its bare tasks, or one task with the members that it names.
fn document_of(case: &Value) -> Value {
    let dag = case["dag"].as_object().unwrap();
    let mut document = json!({"dag_id": "d", "tasks": []});
    let mut tasks: Vec<Value> = Vec::new();
    for id in dag.get("tasks").and_then(Value::as_array).into_iter().flatten() {
        tasks.push(json!({"task_id": id, "operator": "empty"}));
    }
    for edge in dag.get("edges").and_then(Value::as_array).into_iter().flatten() {
        for end in [&edge[0], &edge[1]] {
            if !tasks.iter().any(|task| task["task_id"] == *end) {
                tasks.push(json!({"task_id": end, "operator": "empty", "upstream": []}));
            }
        }
        let to = tasks.iter_mut().find(|task| task["task_id"] == edge[1]).unwrap();
        to["upstream"].as_array_mut().unwrap().push(edge[0].clone());
    }
    if tasks.is_empty() {
        tasks.push(json!({"task_id": "a", "operator": "empty"}));
    }
    for (name, value) in dag {
        match name.as_str() {
            "tasks" | "edges" => {}
            "task_trigger_rule" => tasks[0]["trigger_rule"] = value.clone(),
            "partial" => tasks[0]["args"] = value.clone(),
            "dag_id" | "schedule" | "max_active_runs" | "fail_fast" => document[name] = value.clone(),
            _ => tasks[0][name] = value.clone(),
        }
    }
    document["tasks"] = Value::Array(tasks);
    document
}

#[test]
fn conformance_of_documents() {
    judge(
        "dag_validation",
        "cases",
        |_| true,
        |case| {
            let result = parse(&document_of(case).to_string(), &catalogue());
            // Where a case is lenient, a stricter service may refuse what Airflow takes.
            let right =
                result.is_ok() == (case["expect"] == "valid") || (result.is_err() && !case["lenient"].is_null());
            if right { Ok(()) } else { Err(format!("{} expected, {result:?} found", case["expect"])) }
        },
    );
}

#[test]
fn params_are_schemas_with_defaults_that_fit() {
    let params = |schedule: Value, params: Value| with(json!({"schedule": schedule, "params": params}));
    let dag = read(params(json!("@daily"), json!({"region": {"type": "string", "default": "eu"}, "limit": 10})));
    assert_eq!(dag.params["limit"], json!({"default": 10}), "the short form");
    read(params(json!(null), json!({"day": {"type": "string"}, "other": {"type": "string", "default": null}})));
    assert_fault(params(json!("@daily"), json!({"day": {"type": "string"}})), "/params/day", "needs a `default`");
    assert_fault(
        params(json!(null), json!({"n": {"type": "integer", "default": "x"}})),
        "/params/n/default",
        "its own schema",
    );
    assert_fault(params(json!(null), json!({"n": {"type": "number", "minimum": "x"}})), "/params/n", "no JSON Schema");
    assert_fault(params(json!(null), json!({"a/b": {"$ref": "#"}})), "/params/a~1b", "leads back to itself");
    assert_fault(
        with_task(json!({"params": {"n": {"type": "integer", "default": 1.5}}})),
        "/tasks/0/params/n/default",
        "1.5",
    );
}

#[test]
fn templates_that_cannot_be_read_are_refused() {
    let bash = |args: Value| with(json!({"tasks": [{"task_id": "a", "operator": "bash", "args": args}]}));
    let broken = bash(json!({"bash_command": ["{{ ds }}", "echo\n{{ ds "], "env": {"A": "{{"}}));
    assert_fault(broken.clone(), "/tasks/0/args/bash_command/1", "line 2: syntax error");
    assert_eq!(faults(broken).len(), 1, "`env` is no template field of this operator");
    assert_fault(bash(json!({"bash_command": "echo ${#array[@]}"})), "/tasks/0/args/bash_command", "cannot be read");
    read(bash(json!({"bash_command": "{% raw %}${#array[@]}{% endraw %} {{ nobody_knows | yet }}"})));
}

#[test]
fn settings_are_typed_and_bounded() {
    for (field, value, part) in [
        ("retries", json!(-1), "a whole number from 0"),
        ("retries", json!("two"), "found the string"),
        ("retries", json!(1.5), "a whole number"),
        ("retry_delay", json!("5 minutes"), "ISO 8601"),
        ("retry_exponential_backoff", json!(0.5), "a factor from 1"),
        ("execution_timeout", json!(0), "longer than 0"),
        ("pool_slots", json!(0), "a whole number from 1"),
        ("priority_weight", json!("high"), "a whole number"),
        ("priority_weight", json!(3_000_000_000_u64), "a whole number"),
        ("trigger_rule", json!("dummy"), "all_success, all_failed"),
        ("weight_rule", json!("sideways"), "downstream, upstream, absolute"),
        ("queue", json!(""), "1 to 256"),
        ("depends_on_past", json!("yes"), "true or false"),
        ("max_active_tis_per_dag", json!(0), "from 1"),
        ("upstream", json!("a"), "expected an array"),
        ("args", json!([1]), "expected an object"),
        ("poke_interval", json!(5), "a field of sensors"),
        ("grants", json!(["http"]), "expected an array"),
        ("limits", json!({"memory_byte": 5}), "did you mean"),
        ("limits", json!({"cpu_ms": -5}), "a whole number"),
    ] {
        let found = faults(with_task(json!({field: value})));
        let pointer = format!("/tasks/0/{field}");
        let right =
            found.iter().any(|(at, detail)| at.starts_with(&pointer) && (detail.contains(part) || field == "grants"));
        assert!(right, "no `{part}` for {field}: {value} in {found:?}");
    }
    let dag = read(with_task(json!({
        "retry_exponential_backoff": true, "max_retry_delay": "PT1H", "grants": ["http:*", "connections:secret:lake"],
        "limits": {"memory_bytes": 1_000_000, "instances": 2},
    })));
    let task = &dag.tasks[0];
    assert_eq!(
        (task.retry_exponential_backoff, task.limits.memory_bytes, task.limits.instances),
        (2.0, Some(1_000_000), Some(2))
    );
    assert!(task.grants.as_ref().unwrap().allows("connections:secret:lake"));
}

#[test]
fn a_sensor_waits_without_a_slot_unless_it_says_otherwise() {
    let sensor = |mode: &str| {
        with(
            json!({"tasks": [{"task_id": "s", "operator": "s3-key-sensor", "mode": mode, "soft_fail": true, "max_wait": 60}]}),
        )
    };
    let mode = |document: Value| read(document).tasks[0].sensor.mode;
    assert!(read(sensor("reschedule")).tasks[0].sensor.soft_fail);
    assert_eq!((mode(sensor("reschedule")), mode(sensor("poke"))), (SensorMode::Reschedule, SensorMode::Poke));
    assert_eq!(mode(with(json!({"tasks": [{"task_id": "s", "operator": "s3-key-sensor"}]}))), SensorMode::Reschedule);
    assert_fault(sensor("poll"), "/tasks/0/mode", "\"reschedule\" or \"poke\"");
    read(with(json!({"default_args": {"poke_interval": 5, "mode": "reschedule"}})));
}

#[test]
fn bounds_are_kept() {
    let many = |count: usize| {
        (0..count).map(|number| json!({"task_id": format!("t{number}"), "operator": "empty"})).collect::<Value>()
    };
    assert_fault(with(json!({"tasks": many(50_001)})), "/tasks", "50001 tasks");
    assert_eq!(read(with(json!({"tasks": many(5_000)}))).tasks.len(), 5_000);
    let mut grouped =
        with(json!({"task_groups": [{"group_id": "a"}, {"group_id": "b", "upstream": ["a"]}], "tasks": many(2_400)}));
    for (number, task) in grouped["tasks"].as_array_mut().unwrap().iter_mut().enumerate() {
        task["task_group"] = json!(if number % 2 == 0 { "a" } else { "b" });
    }
    assert_fault(grouped, "/task_groups/1/upstream/0", "more than 1000000 edges");
    let text = format!("{{\"dag_id\": \"{}\"}}", "x".repeat(17 << 20));
    assert!(parse(&text, &catalogue()).unwrap_err().0[0].detail.contains("the most is"));
}
