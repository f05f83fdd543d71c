//! Mapped task groups: instances that belong together by their index.

use std::collections::BTreeMap;
use std::sync::Arc;

use airlock_core::clear::{ClearSelection, ClearTarget, selected};
use airlock_core::dag::{Elements, ExpandInput, Mapping, TaskGroup, elements_of};
use airlock_core::mark::{Selection, TaskMark, mark_instances};
use airlock_core::run::{Instance, Plan};
use airlock_core::state::{RunState, TaskState};
use serde_json::{Value, json};

use crate::cases::dag;
use crate::mapping::{Played, new_instances, planned};
use crate::reference::name;

/// Tasks whose names begin with `g` are in a group that is mapped over these elements, or over what `src` returns; `in` is a group
/// inside of it.
fn plan(tasks: &Value, over: Option<&Value>) -> Arc<Plan> {
    let tasks = tasks.as_object().unwrap().iter().map(|(task_id, written)| {
        let mut task = planned(task_id, written);
        task.task_group = task_id.starts_with('g').then(|| if task_id.ends_with("in") { "in" } else { "g" }.to_owned());
        task.is_setup = task_id.contains("setup");
        task.is_teardown = task_id.contains("teardown");
        task
    });
    let elements =
        over.map_or_else(|| Elements::Xcom("src".to_owned()), |over| Elements::Literal(elements_of(over).unwrap()));
    let group = |group_id: &str, parent: Option<&str>, mapping| TaskGroup {
        group_id: group_id.to_owned(),
        group_display_name: None,
        parent: parent.map(str::to_owned),
        tooltip: None,
        prefix_group_id: false,
        mapping,
    };
    let mapping = Mapping { input: ExpandInput::Expand(vec![("x".to_owned(), elements)]) };
    let mut dag = dag(tasks.collect());
    dag.task_groups = vec![group("g", None, Some(mapping)), group("in", Some("g"), None)];
    Arc::new(Plan::new(Arc::new(dag)))
}

fn play(tasks: &Value, over: Option<&Value>, outcomes: &Value) -> Played {
    let plan = plan(tasks, over);
    let mut played = Played::begin(&plan, new_instances(&plan));
    played.play(outcomes);
    played
}

/// States by instance, as words.
fn words(played: &Played) -> BTreeMap<String, &'static str> {
    played.states().into_iter().map(|(name, state)| (name, state.map_or("none", TaskState::as_str))).collect()
}

fn expect(played: &Played, expected: Value) {
    assert_eq!(json!(words(played)), expected);
}

#[test]
fn each_index_goes_its_own_way_and_what_follows_sees_all() {
    let tasks = json!({"src": {}, "g1": {"upstream": ["src"]}, "g2in": {"upstream": ["g1"]},
        "g3": {"upstream": ["g2in"], "trigger_rule": "all_done"}, "end": {"upstream": ["g2in"], "trigger_rule": "all_done"}});
    let outcomes = json!({"src": {"push": [1, 2, 3]}, "g1": ["success", "failed", "skipped"]});
    let played = play(&tasks, None, &outcomes);
    expect(
        &played,
        json!({"src": "success", "end": "success", "g1[0]": "success", "g1[1]": "failed", "g1[2]": "skipped",
        "g2in[0]": "success", "g2in[1]": "upstream_failed", "g2in[2]": "skipped",
        "g3[0]": "success", "g3[1]": "success", "g3[2]": "success"}),
    );
    let literal = play(
        &json!({"g1": {}, "g2": {"upstream": ["g1"], "trigger_rule": "one_failed"}}),
        Some(&json!([1, 2])),
        &json!({"g1": ["failed", "success"]}),
    );
    expect(&literal, json!({"g1[0]": "failed", "g1[1]": "success", "g2[0]": "success", "g2[1]": "skipped"}));
}

#[test]
fn nothing_to_map_over_is_passed_on_by_one_instance_of_each_task() {
    let tasks = json!({"src": {}, "g1": {"upstream": ["src"]}, "g2": {"upstream": ["g1"], "trigger_rule": "all_done"},
        "g3": {"trigger_rule": "always"}, "end": {"upstream": ["g1"]}});
    let end = |outcome: Value| {
        let played = play(&tasks, None, &json!({"src": outcome}));
        let words = words(&played);
        ["g1", "g2", "g3", "end"].map(|id| words[id])
    };
    assert_eq!(end(json!({"push": []})), ["skipped"; 4]);
    assert_eq!(end(json!("skipped")), ["skipped"; 4]);
    assert_eq!(end(json!("failed")), ["upstream_failed"; 4]);
    assert_eq!(end(json!({"push": null})), ["upstream_failed"; 4]);
}

#[test]
fn a_branch_decides_for_its_own_index() {
    let tasks = json!({"g1": {}, "g2": {"upstream": ["g1"]}, "g3": {"upstream": ["g1"]},
        "g4": {"upstream": ["g2", "g3"], "trigger_rule": "none_failed_min_one_success"}, "end": {"upstream": ["g1", "g4"]}});
    let outcomes = json!({"g1": [{"follow": ["g2"]}, {"follow": ["g3"]}, "short_circuit"]});
    let played = play(&tasks, Some(&json!([1, 2, 3])), &outcomes);
    expect(
        &played,
        json!({"g1[0]": "success", "g1[1]": "success", "g1[2]": "success", "g2[0]": "success", "g2[1]": "skipped",
        "g2[2]": "skipped", "g3[0]": "skipped", "g3[1]": "success", "g3[2]": "skipped", "g4[0]": "success",
        "g4[1]": "success", "g4[2]": "skipped", "end": "skipped"}),
    );
}

#[test]
fn setups_and_teardowns_belong_to_their_index() {
    let tasks = json!({"g_setup": {}, "g_work": {"upstream": ["g_setup"]}, "g_more": {"upstream": ["g_work"]},
        "g_teardown": {"upstream": ["g_setup", "g_more"], "trigger_rule": "all_done_setup_success"}});
    let outcomes = json!({"g_setup": ["success", "failed"], "g_work": ["failed", "success"]});
    let played = play(&tasks, Some(&json!([1, 2])), &outcomes);
    expect(
        &played,
        json!({"g_setup[0]": "success", "g_setup[1]": "failed", "g_work[0]": "failed",
        "g_work[1]": "upstream_failed", "g_more[0]": "upstream_failed", "g_more[1]": "upstream_failed",
        "g_teardown[0]": "success", "g_teardown[1]": "upstream_failed"}),
    );
}

#[test]
fn clearing_and_marking_one_index_concerns_that_index() {
    let tasks = json!({"g1": {}, "g2": {"upstream": ["g1"]}, "end": {"upstream": ["g2"]}});
    let plan = plan(&tasks, Some(&json!([1, 2])));
    let mut played = Played::begin(&plan, new_instances(&plan));
    played.play(&json!({"g1": ["failed", "failed"]}));
    let instances: Vec<Instance> = new_instances(&plan)
        .into_iter()
        .map(|one| Instance { state: played.states()[&name(&one.task_id, one.map_index)], ..one })
        .collect();
    let target = ClearTarget { task_id: "g1".to_owned(), map_index: Some(1) };
    let selection = ClearSelection { tasks: Some(vec![target]), downstream: true, ..ClearSelection::default() };
    let cleared: Vec<String> =
        selected(&plan, &instances, &selection).iter().map(|one| name(&one.task_id, one.map_index)).collect();
    assert_eq!(cleared, ["g1[1]", "g2[1]", "end"]);

    let selection = Selection { task_id: "g1".to_owned(), map_index: Some(1), upstream: false, downstream: false };
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let change = mark_instances(&plan, RunState::Failed, &instances, &selection, TaskMark::Success, "somebody", now);
    let id_of = |wanted: &str| instances.iter().find(|one| name(&one.task_id, one.map_index) == wanted).unwrap().id;
    let changed: Vec<_> = change.moves.iter().map(|moved| (moved.instance, moved.to)).collect();
    let expected = [(id_of("g1[1]"), Some(TaskState::Success)), (id_of("g2[1]"), None), (id_of("end"), None)];
    assert_eq!(changed, expected);
}

#[test]
fn a_group_that_runs_again_has_as_many_instances_as_there_are_elements_then() {
    let tasks = json!({"src": {}, "g1": {"upstream": ["src"]}, "g2": {"upstream": ["g1"]}});
    let plan = plan(&tasks, None);
    let mut first = Played::begin(&plan, new_instances(&plan));
    first.play(&json!({"src": {"push": [1, 2]}}));
    assert_eq!(first.outcome, Some(RunState::Success));
    let template = new_instances(&plan);
    let cleared: Vec<Instance> = (0..2_i32)
        .flat_map(|index| ["g1", "g2"].map(|id| (id, index)))
        .map(|(id, map_index)| {
            let like = template.iter().find(|one| one.task_id == id).unwrap().clone();
            Instance {
                id: uuid::Uuid::from_u128((map_index * 2 + i32::from(id == "g2")) as u128),
                map_index,
                try_number: 1,
                ..like
            }
        })
        .chain(template.iter().filter(|one| one.task_id == "src").cloned())
        .collect();
    let again = |push: Value| {
        let mut played = Played::begin(&plan, cleared.clone());
        played.play(&json!({"src": {"push": push}}));
        assert_eq!(played.outcome, Some(RunState::Success));
        words(&played).into_iter().filter(|(name, _)| name != "src").collect::<Vec<_>>()
    };
    let fewer = again(json!([1]));
    let expected = [("g1[0]", "success"), ("g1[1]", "removed"), ("g2[0]", "success"), ("g2[1]", "removed")];
    assert_eq!(fewer, expected.map(|(name, state)| (name.to_owned(), state)));
    assert!(again(json!([1, 2, 3])).iter().all(|(_, state)| *state == "success"));
    assert_eq!(again(json!([1, 2, 3])).len(), 6);
}

/// Work that grew with the square of the number of instances would take minutes, and be seen.
#[test]
fn an_event_in_a_large_group_costs_what_waits_for_it() {
    let tasks = json!({"m": {"expand": {"v": vec![0; 5_000]}}, "g1": {}, "g2": {"upstream": ["g1", "m"]}, "end": {"upstream": ["g2"]}});
    let played = play(&tasks, Some(&json!(vec![0; 5_000])), &json!({}));
    assert_eq!(played.outcome, Some(RunState::Success));
}
