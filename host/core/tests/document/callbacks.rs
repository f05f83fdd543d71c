use airlock_core::dag::{DeadlineReference, canonical_hash};
use serde_json::{Value, json};

use crate::{assert_fault, read, with, with_task};

#[test]
fn callbacks_are_one_or_several_and_each_kind_has_its_own_default() {
    let tell = |command: &str| json!({"operator": "bash", "args": {"bash_command": command}});
    let dag = read(json!({
        "dag_id": "d",
        "default_args": {"callbacks": {"on_failure": tell("failed"), "on_retry": tell("again")}},
        "callbacks": {"on_success": [tell("{{ reason }}"), {"operator": "empty@1", "queue": "slow"}]},
        "task_groups": [{"group_id": "g", "default_args": {"callbacks": {"on_retry": []}}}],
        "tasks": [
            {"task_id": "a", "operator": "empty", "callbacks": {"on_failure": [], "on_success": tell("done")}},
            {"task_id": "b", "operator": "empty", "task_group": "g"},
            {"task_id": "c", "operator": "empty", "queue": "heavy", "callbacks": {"on_execute": {
                "operator": "bash", "grants": ["http:*"], "limits": {"cpu_ms": 5}, "execution_timeout": "PT5S"
            }}}
        ]
    }));
    let counts: Vec<_> = dag
        .tasks
        .iter()
        .map(|task| &task.callbacks)
        .map(|of| [&of.on_execute, &of.on_success, &of.on_failure, &of.on_retry, &of.on_skipped].map(Vec::len))
        .collect();
    assert_eq!(counts, [[0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [1, 0, 1, 1, 0]]);
    let [first, second] = dag.callbacks.on_success.as_slice() else { panic!("two callbacks") };
    assert_eq!((first.resolved.version.as_str(), first.queue.as_str()), ("1.2.0", "default"));
    assert_eq!((second.operator.as_str(), second.queue.as_str()), ("empty@1", "slow"));
    let executed = &dag.tasks[2].callbacks.on_execute[0];
    assert_eq!((executed.queue.as_str(), dag.tasks[0].callbacks.on_success[0].queue.as_str()), ("heavy", "default"));
    assert_eq!((executed.limits.cpu_ms, executed.execution_timeout.map(|limit| limit.0)), (Some(5), Some(5.0)));
    assert_eq!(serde_json::from_value::<airlock_core::dag::Dag>(serde_json::to_value(&dag).unwrap()).unwrap(), dag);
}

#[test]
fn a_dag_without_callbacks_is_the_version_that_it_was() {
    let plain = serde_json::to_value(read(with(json!({})))).unwrap();
    assert!(plain.get("callbacks").is_none() && plain.get("deadlines").is_none(), "{plain}");
    assert!(plain["tasks"][0].get("callbacks").is_none(), "{plain}");
    let empty = with(json!({"callbacks": {"on_failure": []}, "deadlines": []}));
    assert_eq!(canonical_hash(&read(empty)), canonical_hash(&read(with(json!({})))));
}

#[test]
fn deadlines_have_airflows_references() {
    let call = json!({"operator": "empty"});
    let alert = |reference: Value| json!({"reference": reference, "interval": 60, "callback": call});
    let dag = read(with(json!({"deadlines": [
        {"name": "late", "reference": "dagrun_queued_at", "interval": "PT1H", "callback": call},
        alert(json!("dagrun_logical_date")),
        alert(json!({"fixed": "2030-01-01T00:00:00+01:00"})),
        alert(json!({"average_runtime": {}})),
        alert(json!({"average_runtime": {"max_runs": 20, "min_runs": 5}})),
    ]})));
    let references: Vec<_> = dag.deadlines.iter().map(|alert| alert.reference.clone()).collect();
    assert_eq!(references[0], DeadlineReference::DagrunQueuedAt);
    assert_eq!(references[1], DeadlineReference::DagrunLogicalDate);
    assert_eq!(references[2], DeadlineReference::Fixed("2029-12-31T23:00:00Z".parse().unwrap()));
    assert_eq!(references[3], DeadlineReference::AverageRuntime { max_runs: 10, min_runs: 10 });
    assert_eq!(references[4], DeadlineReference::AverageRuntime { max_runs: 20, min_runs: 5 });
    assert_eq!((dag.deadlines[0].name.as_deref(), dag.deadlines[0].interval.0), (Some("late"), 3_600.0));
}

#[test]
fn what_is_wrong_with_a_callback_is_said_where_it_is() {
    let of_task = |callbacks: Value| with_task(json!({"callbacks": callbacks}));
    for (document, pointer, part) in [
        (of_task(json!([])), "/tasks/0/callbacks", "expected an object"),
        (of_task(json!({"on_fail": {}})), "/tasks/0/callbacks/on_fail", "did you mean `on_failure`"),
        (of_task(json!({"on_retry": 5})), "/tasks/0/callbacks/on_retry", "expected a callback such as"),
        (of_task(json!({"on_retry": {}})), "/tasks/0/callbacks/on_retry", "`operator` is missing"),
        (of_task(json!({"on_retry": [{"operator": "empt"}]})), "/tasks/0/callbacks/on_retry/0/operator", "`empty`"),
        (
            of_task(json!({"on_retry": {"operator": "sql", "args": {"conn_id": 5, "sql": "{{ exception }}"}}})),
            "/tasks/0/callbacks/on_retry/args/conn_id",
            "string",
        ),
        (
            of_task(json!({"on_retry": {"operator": "bash", "args": {"bash_command": "{{ exception"}}})),
            "/tasks/0/callbacks/on_retry/args/bash_command",
            "cannot be read",
        ),
        (
            of_task(json!({"on_retry": {"operator": "s3-key-sensor"}})),
            "/tasks/0/callbacks/on_retry/operator",
            "is an action",
        ),
        (
            of_task(json!({"on_retry": {"operator": "empty", "retries": 5}})),
            "/tasks/0/callbacks/on_retry/retries",
            "a callback has no field",
        ),
        (with(json!({"callbacks": {"on_retry": {"operator": "empty"}}})), "/callbacks/on_retry", "has no field"),
        (
            with(json!({"default_args": {"callbacks": {"on_retry": {"operator": "no"}}}})),
            "/default_args/callbacks/on_retry/operator",
            "there is no operator `no`",
        ),
    ] {
        assert_fault(document, pointer, part);
    }
}

#[test]
fn what_is_wrong_with_a_deadline_is_said_where_it_is() {
    let call = json!({"operator": "empty"});
    let with_alert = |members: Value| {
        let mut alert = json!({"reference": "dagrun_queued_at", "interval": 60, "callback": call});
        for (name, value) in members.as_object().unwrap() {
            alert[name] = value.clone();
        }
        with(json!({"deadlines": [alert]}))
    };
    for (document, pointer, part) in [
        (with(json!({"deadlines": [{}]})), "/deadlines/0", "`reference` is missing"),
        (with(json!({"deadlines": [{}]})), "/deadlines/0", "`callback` is missing"),
        (with_alert(json!({"reference": "start"})), "/deadlines/0/reference", "expected \"dagrun_queued_at\""),
        (with_alert(json!({"reference": {"fixed": "soon"}})), "/deadlines/0/reference/fixed", "RFC 3339"),
        (
            with_alert(json!({"reference": {"average_runtime": {"max_runs": 3, "min_runs": 4}}})),
            "/deadlines/0/reference/average_runtime/min_runs",
            "at most `max_runs`",
        ),
        (
            with_alert(json!({"reference": {"average_runtime": {"max_runs": 0}}})),
            "/deadlines/0/reference/average_runtime/max_runs",
            "from 1 to 1000",
        ),
        (with_alert(json!({"interval": "1h"})), "/deadlines/0/interval", "ISO 8601"),
        (with_alert(json!({"callback": {"operator": "no"}})), "/deadlines/0/callback/operator", "no operator"),
        (with_alert(json!({"every": 5})), "/deadlines/0/every", "a deadline has no field"),
    ] {
        assert_fault(document, pointer, part);
    }
}
