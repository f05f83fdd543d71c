use std::collections::BTreeMap;
use std::sync::Arc;

use airlock_core::dag::{Dag, OperatorKind, Seconds, Task, TaskGroup};
use airlock_core::outcome::{Failure, FailureCause, ShortCircuitScope, TryResult};
use airlock_core::run::{Effect, EndedTry, Event, Instance, Past, Plan, RunFacts, RunMachine};
use airlock_core::state::{RunState, TaskState, TriggerRule};
use serde_json::Value;
use uuid::Uuid;

use crate::cases::{Moment, connect, dag, equal, field, judge, only, task};

fn now() -> Moment {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A machine for a new run, and what its first look at the run came to.
fn begin(dag: Dag, facts: RunFacts) -> (RunMachine, Vec<Effect>) {
    let plan = Arc::new(Plan::new(Arc::new(dag)));
    let mut id = 0;
    let instances = plan.new_instances(|| {
        id += 1;
        Uuid::from_u128(id)
    });
    let instances = instances.into_iter().map(|new| Instance::from(&new));
    let mut machine = RunMachine::new(plan, facts, instances.collect());
    let effects = machine.on_event(Event::Begin, now());
    (machine, effects)
}

const FACTS: RunFacts = RunFacts { logical_date: None, started_at: None, ignores_past: false };

/// Runs everything that may run, in waves, as Airflow does where all its workers are as fast: what a wave leads to is decided when all
/// of it has ended. Each task ends as `result` says. Answers the states and the run's state.
fn play(dag: Dag, result: impl Fn(&str) -> TryResult) -> (BTreeMap<String, Option<TaskState>>, Option<RunState>) {
    let (mut machine, mut effects) = begin(dag, FACTS);
    while machine.has_ready() {
        let ready = machine.ready().map(|ready| (ready.instance, ready.try_number, result(ready.task_id)));
        let mut wave: Vec<(Uuid, u32, TryResult)> = ready.collect();
        // What runs is not skipped any more: those that skip others end last.
        wave.sort_by_key(|(.., result)| matches!(result, TryResult::Branch { .. } | TryResult::ShortCircuit { .. }));
        let admitted = wave.iter().map(|(instance, try_number, _)| (*instance, *try_number));
        let admitted = admitted.map(|(instance, try_number)| Event::Admitted { instance, try_number });
        effects.extend(machine.on_events(admitted.collect::<Vec<_>>(), now()));
        let ended = wave.into_iter().map(|(instance, try_number, result)| {
            let lost = EndedTry::lost(instance, try_number, Uuid::nil(), None, Some(now()), now());
            Event::Ended(EndedTry { result, ..lost })
        });
        effects.extend(machine.on_events(ended, now()));
    }
    let outcome = effects.iter().find_map(|effect| match effect {
        Effect::FinishRun { state, .. } => Some(*state),
        _ => None,
    });
    let states = machine.states().map(|(task_id, _, state)| (task_id.to_owned(), state)).collect();
    (states, outcome)
}

const IGNORES_RULES: &str = "ignore_downstream_trigger_rules";

fn planned(written: &Value) -> Task {
    only(
        written,
        &["id", "kind", "trigger_rule", "group", "setups", "on_failure_fail_dagrun", "returns", IGNORES_RULES],
    );
    let kind = written["kind"].as_str().unwrap_or("task");
    let mut task = Task {
        is_setup: kind == "setup",
        is_teardown: kind == "teardown",
        on_failure_fail_dagrun: written["on_failure_fail_dagrun"] == true,
        task_group: written["group"].as_str().map(str::to_owned),
        ..task(written["id"].as_str().unwrap())
    };
    task.resolved.kind = match kind {
        "branch" => OperatorKind::Branch,
        "short_circuit" => OperatorKind::ShortCircuit,
        "task" | "setup" | "teardown" => OperatorKind::Action,
        other => panic!("`{other}` is no kind of task"),
    };
    if task.is_teardown {
        task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
        task.upstream = field::<Option<Vec<String>>>(written, "setups").unwrap_or_default();
    }
    if let Some(rule) = written["trigger_rule"].as_str() {
        task.trigger_rule = rule.parse().unwrap();
    }
    task
}

/// What a task of a case answers: its outcome if one is named, or else what its kind does.
fn answer(case: &Value, task_id: &str) -> TryResult {
    match case["task_outcomes"][task_id].as_str() {
        Some("failed") => {
            let message = "as the case has it".to_owned();
            let cause = FailureCause::Operator;
            return TryResult::Failure(Failure::new(cause, true, message));
        }
        Some("skipped") => return TryResult::Skip { reason: None },
        _ => {}
    }
    let task = case["tasks"].as_array().unwrap().iter().find(|task| task["id"] == task_id).unwrap();
    let returns = &task["returns"];
    match task["kind"].as_str() {
        Some("branch") => TryResult::Branch {
            follow: match returns {
                Value::Null => Vec::new(),
                Value::String(one) => vec![one.clone()],
                several => serde_json::from_value(several.clone()).unwrap(),
            },
        },
        Some("short_circuit") if is_falsy(returns) => TryResult::ShortCircuit {
            scope: if task[IGNORES_RULES] == false {
                ShortCircuitScope::DirectDownstream
            } else {
                ShortCircuitScope::AllDownstream
            },
        },
        _ => TryResult::Success { value: None, length: None },
    }
}

/// As Python sees it.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    }
}

#[test]
fn conformance_of_branches_skips_and_outcomes() {
    judge(
        "branching",
        "cases",
        |_| true,
        |case| {
            let mut tasks: Vec<Task> = case["tasks"].as_array().unwrap().iter().map(planned).collect();
            connect(&mut tasks, &field::<Vec<(String, String)>>(case, "edges"));
            let groups =
                tasks.iter().filter_map(|task| task.task_group.clone()).collect::<std::collections::BTreeSet<_>>();
            let task_groups = groups
                .into_iter()
                .map(|group_id| TaskGroup {
                    group_id,
                    group_display_name: None,
                    parent: None,
                    tooltip: None,
                    prefix_group_id: true,
                    mapping: None,
                })
                .collect();
            let (states, outcome) = play(Dag { task_groups, ..dag(tasks) }, |task_id| answer(case, task_id));
            equal(states, field(&case["expect"], "task_states"))?;
            equal(outcome, Some(field(&case["expect"], "run_state")))
        },
    );
}

#[test]
fn conformance_of_retry_eligibility() {
    judge(
        "retry_backoff",
        "eligibility",
        |_| true,
        |case| {
            let number = |key: &str| -> u32 { field(case, key) };
            let tried = Task { retries: number("retries"), ..task("t") };
            let instance = Instance {
                id: Uuid::from_u128(1),
                task_id: "t".to_owned(),
                map_index: -1,
                state: field(case, "state"),
                try_number: number("try_number"),
                max_tries: number("max_tries"),
                first_started_at: None,
                wake_at: None,
                reschedules: 0,
                resume_state: None,
                skips: Vec::new(),
                map_length: None,
            };
            let mut machine = RunMachine::new(Arc::new(Plan::new(dag(vec![tried]).into())), FACTS, vec![instance]);
            let mut effects = machine.on_event(Event::Begin, now());
            let lost = EndedTry::lost(Uuid::from_u128(1), number("try_number"), Uuid::nil(), None, None, now());
            effects.extend(machine.on_event(Event::Ended(lost), now()));
            let moves = effects.iter().filter_map(|effect| match effect {
                Effect::Move(moved) => Some(moved.to),
                _ => None,
            });
            // What restarts goes on from there at once.
            equal(moves.into_iter().next().flatten(), field(case, "expect"))
        },
    );
}

#[test]
fn a_try_may_name_the_delay_before_the_next() {
    let tried = Task { retries: 2, retry_delay: Seconds(300.0), ..task("t") };
    let (mut machine, _) = begin(dag(vec![tried]), FACTS);
    let mut waits = |try_number: u32, failure: Failure| {
        machine.on_event(Event::Admitted { instance: Uuid::from_u128(1), try_number }, now());
        let lost = EndedTry::lost(Uuid::from_u128(1), try_number, Uuid::nil(), None, None, now());
        let ended = EndedTry { result: TryResult::Failure(failure), ..lost };
        let effects = machine.on_event(Event::Ended(ended), now());
        let wake_at = effects.iter().find_map(|effect| match effect {
            Effect::Move(moved) => moved.wake_at,
            _ => None,
        });
        wake_at.map(|at| {
            machine.on_event(Event::Tick, at);
            (at - now()).num_milliseconds()
        })
    };
    let failure = || Failure::new(FailureCause::Operator, true, "busy");
    let named = |milliseconds| Failure { retry_after_ms: Some(milliseconds), ..failure() };
    assert_eq!(waits(1, named(1_500)), Some(1_500));
    assert_eq!(waits(2, failure()), Some(300_000));
    assert_eq!(waits(3, named(1_500)), None, "it adds no try");
    assert_eq!(named(u64::MAX).retry_after().map(|delay| delay.num_days()), Some(36_500));
}

#[test]
fn conformance_of_the_past() {
    judge(
        "states",
        "depends_on_past",
        |_| true,
        |case| {
            let edges: Vec<(String, String)> = field(case, "graph");
            let name: String = field(case, "task");
            let mut names: Vec<&String> = edges.iter().flat_map(|(from, to)| [from, to]).collect();
            names.sort();
            names.dedup();
            // Only the task in question is looked at: it is made to wait for nothing else.
            let mut tasks: Vec<Task> = names.into_iter().map(|name| task(name)).collect();
            connect(&mut tasks, &edges);
            let asked = tasks.iter_mut().find(|task| task.task_id == name).unwrap();
            asked.trigger_rule = TriggerRule::Always;
            asked.depends_on_past = field(case, "depends_on_past");
            asked.wait_for_downstream = field(case, "wait_for_downstream");
            asked.ignore_first_depends_on_past = field(case, "ignore_first_depends_on_past");
            let catchup = field(case, "catchup");
            let ignores_past = case["ignore_depends_on_past"] == true || case["backfill_ordinal"] == 1;
            let (mut machine, _) = begin(Dag { catchup, ..dag(tasks) }, RunFacts { ignores_past, ..FACTS });

            if let Some(query) = machine.past_query() {
                let previous = &case["previous_run"];
                let counts = !previous.is_null() && (!query.automated || previous["run_type"] != "manual");
                let missing = previous["task_a_row_missing"] == true;
                let states = counts.then(|| field::<BTreeMap<String, Option<TaskState>>>(previous, "task_states"));
                let previous = states.map(|states| {
                    states.into_iter().filter(|(id, _)| query.tasks.contains(id) && !(missing && *id == name)).collect()
                });
                let seen =
                    case["has_any_prior_tis"].as_bool().unwrap_or(false).then(|| name.clone()).into_iter().collect();
                machine.on_event(Event::Past(Past { previous, seen }), now());
            }
            let state = machine.states().find(|(task_id, ..)| *task_id == name).unwrap().2;
            let found = if state == Some(TaskState::Scheduled) { "can_run" } else { "blocked" };
            equal(found, case["expect"].as_str().unwrap())
        },
    );
}
