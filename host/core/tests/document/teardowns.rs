use airlock_core::state::TriggerRule;
use serde_json::{Value, json};

use crate::{assert_fault, read, upstream, with, with_task};

#[test]
fn teardowns_name_their_setups() {
    let tasks = |tasks: Value| {
        with(json!({"tasks": tasks, "fail_fast": true, "default_args": {"trigger_rule": "all_success"}}))
    };
    let dag = read(tasks(json!([
        {"task_id": "up", "operator": "empty"},
        {"task_id": "work", "operator": "empty", "upstream": ["up"], "wait_for_downstream": true},
        {"task_id": "down", "operator": "empty", "upstream": ["work"], "is_teardown": true, "setups": ["up"],
         "on_failure_fail_dagrun": true},
    ])));
    let [up, work, down] = dag.tasks.as_slice() else { panic!("three tasks") };
    assert!(up.is_setup && !up.is_teardown && work.wait_for_downstream);
    assert!(down.is_teardown && down.on_failure_fail_dagrun);
    assert_eq!(down.trigger_rule, TriggerRule::AllDoneSetupSuccess);
    assert_eq!(upstream(&dag, "down"), ["up", "work"]);
    let task = |members: Value| with_task(members);
    assert_fault(task(json!({"is_setup": true, "is_teardown": true})), "/tasks/0", "either a setup or a teardown");
    assert_fault(task(json!({"setups": ["a"]})), "/tasks/0/setups", "a field of teardowns");
    assert_fault(
        task(json!({"is_teardown": true, "trigger_rule": "all_done"})),
        "/tasks/0/trigger_rule",
        "all_done_setup_success",
    );
}
