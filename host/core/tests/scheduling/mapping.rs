//! Mapped tasks, from end to end of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use airlock_core::dag::{Elements, ExpandInput, Mapping, Task, elements_of};
use airlock_core::outcome::{Failure, FailureCause, ShortCircuitScope, TryResult};
use airlock_core::run::{Effect, EndedTry, Event, Instance, Plan, RunFacts, RunMachine};
use airlock_core::state::{RunState, TaskState};
use serde_json::{Value, json};

use crate::cases::{Moment, dag, equal, field, judge, only, task};
use crate::reference::name;

const FACTS: RunFacts = RunFacts { logical_date: None, started_at: None, ignores_past: false };

fn now() -> Moment {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// `xcom(src)` or what is written.
fn elements(written: &Value) -> Elements {
    let source = written.as_str().and_then(|text| text.strip_prefix("xcom(")?.strip_suffix(')'));
    source.map_or_else(
        || Elements::Literal(elements_of(written).unwrap()),
        |task_id| Elements::Xcom(task_id.trim().to_owned()),
    )
}

pub fn planned(task_id: &str, written: &Value) -> Task {
    only(written, &["expand", "expand_kwargs", "upstream", "trigger_rule"]);
    let expand = |arguments: &serde_json::Map<String, Value>| {
        ExpandInput::Expand(arguments.iter().map(|(name, value)| (name.clone(), elements(value))).collect())
    };
    let input = written["expand"].as_object().map(expand);
    let kwargs = || (!written["expand_kwargs"].is_null()).then(|| elements(&written["expand_kwargs"]));
    let mapping = input.or_else(|| kwargs().map(ExpandInput::ExpandKwargs));
    let mapping = mapping.map(|input| Mapping { input });
    let mut upstream: Vec<String> = field::<Option<Vec<String>>>(written, "upstream").unwrap_or_default();
    upstream.extend(mapping.iter().flat_map(|mapping| mapping.sources()).map(str::to_owned));
    upstream.sort();
    upstream.dedup();
    let mut planned = Task { upstream, mapping, ..task(task_id) };
    if let Some(rule) = written["trigger_rule"].as_str() {
        planned.trigger_rule = rule.parse().unwrap();
    }
    planned
}

/// What an instance answers: its outcome in a list, or that of the whole task.
fn answer(outcomes: &Value, task_id: &str, map_index: i32) -> TryResult {
    let of_task = &outcomes[task_id];
    let own = usize::try_from(map_index).ok().and_then(|index| of_task.get(index)).unwrap_or(of_task);
    let failure = || Failure::new(FailureCause::Operator, false, "as the case has it".to_owned());
    match own {
        Value::String(word) if word == "failed" => TryResult::Failure(failure()),
        Value::String(word) if word == "skipped" => TryResult::Skip { reason: None },
        Value::String(word) if word == "short_circuit" => {
            TryResult::ShortCircuit { scope: ShortCircuitScope::AllDownstream }
        }
        Value::Object(members) if members.contains_key("follow") => TryResult::Branch { follow: field(own, "follow") },
        Value::Object(members) if members.contains_key("push") => {
            // An instance of a mapped task counts as one element, whatever it returns.
            let length = elements_of(&own["push"]).map(|items| items.len() as u32);
            TryResult::Success { value: None, length: if map_index < 0 { length } else { Some(1) } }
        }
        // An instance of a mapped task returns something, so that others can be mapped over it.
        _ => TryResult::Success { value: None, length: (map_index >= 0).then_some(1) },
    }
}

pub struct Played {
    pub machine: RunMachine,
    pub outcome: Option<RunState>,
}

impl Played {
    pub fn begin(plan: &Arc<Plan>, instances: Vec<Instance>) -> Self {
        let mut played = Self { machine: RunMachine::new(Arc::clone(plan), FACTS, instances), outcome: None };
        played.tell(vec![Event::Begin]);
        played
    }

    fn tell(&mut self, events: Vec<Event>) {
        for effect in self.machine.on_events(events, now()) {
            if let Effect::FinishRun { state, .. } = effect {
                self.outcome = Some(state);
            }
        }
    }

    /// Runs everything that may run, in waves: what one leads to is decided when all of it has ended.
    pub fn play(&mut self, outcomes: &Value) {
        while self.machine.has_ready() {
            let ready = self.machine.ready();
            let wave: Vec<_> =
                ready.map(|one| (one.instance, one.try_number, answer(outcomes, one.task_id, one.map_index))).collect();
            let admitted = wave.iter().map(|(instance, try_number, _)| (*instance, *try_number));
            self.tell(admitted.map(|(instance, try_number)| Event::Admitted { instance, try_number }).collect());
            let ended = wave.into_iter().map(|(instance, try_number, result)| {
                let lost = EndedTry::lost(instance, try_number, uuid::Uuid::nil(), None, Some(now()), now());
                Event::Ended(EndedTry { result, ..lost })
            });
            self.tell(ended.collect());
        }
    }

    pub fn states(&self) -> BTreeMap<String, Option<TaskState>> {
        self.machine.states().map(|(task_id, index, state)| (name(task_id, index), state)).collect()
    }
}

fn plan(tasks: &Value) -> Arc<Plan> {
    let tasks = tasks.as_object().unwrap().iter().map(|(task_id, written)| planned(task_id, written)).collect();
    Arc::new(Plan::new(dag(tasks).into()))
}

pub fn new_instances(plan: &Plan) -> Vec<Instance> {
    let mut ids = (1_000..).map(uuid::Uuid::from_u128);
    plan.new_instances(|| ids.next().unwrap()).iter().map(Instance::from).collect()
}

fn play(tasks: &Value, outcomes: &Value) -> Played {
    let plan = plan(tasks);
    let mut played = Played::begin(&plan, new_instances(&plan));
    played.play(outcomes);
    played
}

#[test]
fn conformance_of_mapped_tasks() {
    judge(
        "states",
        "mapped",
        |_| true,
        |case| {
            let played = play(&case["dag"], &case["task_outcomes"]);
            equal(played.states(), field(&case["expect"], "task_states"))?;
            equal(played.outcome, Some(field(&case["expect"], "run_state")))
        },
    );
}

#[test]
fn what_is_not_there_to_map_over_is_passed_on_by_one_instance() {
    let tasks = json!({"src": {}, "m": {"expand": {"v": "xcom(src)"}, "trigger_rule": "all_done"},
        "n": {"expand": {"v": "xcom(m)"}}, "e": {"upstream": ["n"]}});
    let end = |outcome: Value| {
        let states = play(&tasks, &json!({"src": outcome})).states();
        ["m", "n", "e"].map(|id| states[id].unwrap().as_str())
    };
    assert_eq!(end(json!("failed")), ["upstream_failed"; 3], "whatever the trigger rule says");
    assert_eq!(end(json!("skipped")), ["skipped"; 3]);
    assert_eq!(end(json!({"push": []})), ["skipped"; 3]);
    assert_eq!(end(json!({"push": null})), ["upstream_failed"; 3], "it returned nothing that could be mapped over");
    let literal = play(&json!({"m": {"expand": {"v": []}}, "e": {"upstream": ["m"]}}), &json!({}));
    assert_eq!(literal.states()["m"], Some(TaskState::Skipped));
    assert_eq!(literal.outcome, Some(RunState::Success));
}

#[test]
fn a_task_is_mapped_over_what_the_instances_of_another_returned() {
    let tasks = json!({"src": {}, "m": {"expand": {"v": "xcom(src)"}},
        "n": {"expand": {"v": "xcom(m)", "w": [1, 2]}, "trigger_rule": "all_done"}});
    let outcomes = json!({"src": {"push": [1, 2, 3]}, "m": [{"push": 1}, "failed", {"push": 1}]});
    let played = play(&tasks, &outcomes);
    let names: Vec<String> = played.states().into_keys().collect();
    assert_eq!(names, ["m[0]", "m[1]", "m[2]", "n[0]", "n[1]", "n[2]", "n[3]", "src"], "two of three, twice each");
}

#[test]
fn a_task_that_runs_again_has_as_many_instances_as_there_are_elements_then() {
    let tasks = json!({"src": {}, "m": {"expand": {"v": "xcom(src)"}}, "e": {"upstream": ["m"]}});
    let plan = plan(&tasks);
    let mut instances = new_instances(&plan);
    let mut first = Played::begin(&plan, instances.clone());
    first.play(&json!({"src": {"push": [1, 2, 3]}}));
    assert_eq!(first.states().len(), 5);
    // Everything is cleared: the three instances of `m` are there, undecided.
    let template = instances.iter().find(|one| one.task_id == "m").unwrap().clone();
    instances.retain(|one| one.task_id != "m");
    for map_index in 0..3_i32 {
        let id = uuid::Uuid::from_u128(map_index as u128);
        instances.push(Instance { id, map_index, try_number: 1, ..template.clone() });
    }
    let again = |outcome: Value| {
        let mut played = Played::begin(&plan, instances.clone());
        played.play(&json!({"src": outcome}));
        assert_eq!(played.outcome, Some(RunState::Success));
        played.states().into_iter().filter(|(name, _)| name.starts_with('m')).map(|(_, state)| state.unwrap()).collect()
    };
    use TaskState::{Removed, Success};
    let fewer: Vec<TaskState> = again(json!({"push": [1]}));
    assert_eq!(fewer, [Success, Removed, Removed]);
    let more: Vec<TaskState> = again(json!({"push": [1, 2, 3, 4]}));
    assert_eq!(more, [Success; 4]);
}

#[test]
fn the_end_of_an_instance_costs_what_waits_for_it() {
    let tasks = json!({"m": {"expand": {"v": vec![0; 20_000]}}, "e": {"upstream": ["m"]}});
    // Work that grew with the square of the number of instances would take minutes, and be seen.
    let played = play(&tasks, &json!({}));
    assert_eq!(played.outcome, Some(RunState::Success));
}
