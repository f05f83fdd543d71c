//! The DAGs that are run: each has something that faults could break.

use serde_json::{Value, json};

/// How often a task is tried again: faults cost tries.
const RETRIES: u32 = 8;

/// What a task returns: who it is, and by which try.
const SAYS: &str = "{{ run_id }}/{{ ti.task_id }}/{{ ti.map_index }}/{{ ti.try_number }}";

/// A task that takes a moment, and after that fails with this code in its first tries.
fn bash(task_id: &str, seconds: f64, failures: u32, upstream: &[&str]) -> Value {
    let command = format!(
        "echo begin; sleep {seconds}; if [ $AIRFLOW_CTX_TRY_NUMBER -le {failures} ]; then exit 1; fi; echo '{SAYS}'"
    );
    json!({ "task_id": task_id, "operator": "bash", "upstream": upstream, "args": { "bash_command": command } })
}

fn with(mut task: Value, more: Value) -> Value {
    if let (Value::Object(task), Value::Object(more)) = (&mut task, more) {
        task.extend(more);
    }
    task
}

fn dag(dag_id: &str, tasks: Vec<Value>, more: Value) -> Value {
    let dag = json!({
        "dag_id": dag_id, "tasks": tasks,
        "default_args": { "retries": RETRIES, "retry_delay": 0.2 },
    });
    with(dag, more)
}

fn notes() -> Value {
    let note = json!({ "operator": "bash", "args": { "bash_command": "sleep 0.1; echo noted" } });
    let events = ["on_execute", "on_success", "on_failure", "on_retry"];
    events.into_iter().map(|event| (event.to_owned(), note.clone())).collect::<serde_json::Map<_, _>>().into()
}

/// The pool whose slots are few.
pub const POOL: &str = "narrow";
pub const SLOTS: u32 = 3;
/// A DAG whose tasks look at what came before: its runs have logical dates, one after the other.
pub const PAST: &str = "past";
/// A DAG for backfills.
pub const DAILY: &str = "daily";
/// The events that tasks wait for.
pub const EVENTS: &[&str] = &["gate-0", "gate-1", "gate-2"];

pub fn all() -> Vec<Value> {
    let chain: Vec<Value> = (0..6)
        .map(|number| {
            let before = format!("t{}", number - 1);
            let upstream: &[&str] = if number == 0 { &[] } else { &[&before] };
            bash(&format!("t{number}"), 0.1, 0, upstream)
        })
        .collect();

    let mut fanout = vec![bash("first", 0.0, 0, &[])];
    let middle: Vec<String> = (0..8).map(|number| format!("m{number}")).collect();
    fanout.extend(middle.iter().enumerate().map(|(number, id)| {
        let slots = if number == 0 { 2 } else { 1 };
        with(bash(id, 0.3, 0, &["first"]), json!({ "pool": POOL, "pool_slots": slots }))
    }));
    fanout.push(bash("last", 0.0, 0, &middle.iter().map(String::as_str).collect::<Vec<_>>()));

    let flaky = vec![bash("a", 0.1, 2, &[]), bash("b", 0.1, 1, &["a"]), bash("c", 2.0, 0, &["a"])];

    let look = |task_id: &str, deferrable: bool| {
        json!({ "task_id": task_id, "operator": "sql-sensor", "poke_interval": 0.4, "timeout": 3600,
            "args": { "conn_id": "chance", "sql": "select abs(random()) % 3 = 0", "deferrable": deferrable } })
    };
    let sensors =
        vec![look("rescheduled", false), look("deferred", true), bash("after", 0.1, 0, &["rescheduled", "deferred"])];

    let gates = EVENTS.iter().map(
        |event| json!({ "task_id": event, "operator": "event-sensor", "timeout": 3600, "args": { "name": event } }),
    );
    let mut gates: Vec<Value> = gates.collect();
    gates.push(bash("after", 0.1, 0, EVENTS));

    let list = json!({ "task_id": "list", "operator": "sql", "args": { "conn_id": "chance", "handler": "dicts",
        "sql": "select 'a' as X union all select 'b' union all select 'c'" } });
    let mapped = vec![
        list,
        with(bash("each", 0.2, 0, &["list"]), json!({ "expand": { "env": { "xcom": "list" } }, "pool": POOL })),
        with(bash("fixed", 0.1, 1, &[]), json!({ "expand": { "env": [{ "X": "1" }, { "X": "2" }] } })),
        bash("all", 0.1, 0, &["each", "fixed"]),
    ];

    let alone = |task: Value| with(task, json!({ "max_active_tis_per_dag": 1 }));
    let limited = vec![
        alone(bash("a", 0.3, 0, &[])),
        alone(bash("b", 0.2, 0, &["a"])),
        bash("c", 0.2, 0, &[]),
        bash("d", 0.2, 0, &[]),
    ];

    // Nobody goes on if one before it has failed for good.
    let past = ["a", "b"].map(|id| with(bash(id, 0.2, 0, &[]), json!({ "depends_on_past": true, "retries": 200 })));
    let called = vec![
        with(bash("a", 0.1, 1, &[]), json!({ "callbacks": notes() })),
        with(bash("b", 0.1, 0, &["a"]), json!({ "callbacks": notes() })),
    ];
    // Longer than a lease: without heartbeats its tries are lost.
    let long = vec![bash("a", 5.0, 0, &[]), bash("b", 0.1, 0, &["a"])];
    let note = json!({ "operator": "bash", "args": { "bash_command": "echo ended" } });

    vec![
        dag("chain", chain, json!({})),
        dag("fanout", fanout, json!({})),
        dag("flaky", flaky, json!({})),
        dag("long", long, json!({})),
        dag("sensors", sensors, json!({})),
        dag("gates", gates, json!({})),
        dag("mapped", mapped, json!({})),
        dag("limited", limited, json!({ "max_active_runs": 2, "max_active_tasks": 2 })),
        dag(PAST, past.into(), json!({})),
        dag("called", called, json!({ "callbacks": { "on_success": note, "on_failure": note } })),
        dag(DAILY, vec![bash("a", 0.2, 0, &[])], json!({ "schedule": "@daily", "start_date": "2099-01-01T00:00:00Z" })),
    ]
}

/// Tasks that start only when all of their upstream has succeeded, with their upstream: (DAG, task, upstream).
pub fn edges(dags: &[Value]) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut edges = Vec::new();
    for dag in dags {
        for task in list(&dag["tasks"]) {
            for upstream in list(&task["upstream"]) {
                edges.push((text(&dag["dag_id"]), text(&task["task_id"]), text(&upstream)));
            }
        }
    }
    edges
}
