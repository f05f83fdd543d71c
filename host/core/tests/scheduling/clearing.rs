use std::collections::BTreeMap;
use std::sync::Arc;

use airlock_core::clear::{ClearSelection, ClearTarget, Clearing, clear_instances, selected};
use airlock_core::dag::Task;
use airlock_core::outcome::{ShortCircuitScope, TryResult};
use airlock_core::run::{EndedTry, Event, Instance, Plan, RunChange, RunFacts, RunMachine};
use airlock_core::state::{RunState, TaskState};
use uuid::Uuid;

use crate::cases::{Moment, connect, dag, equal, field, judge, only, task};

const FACTS: RunFacts = RunFacts { logical_date: None, started_at: None, ignores_past: false };

fn now() -> Moment {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn id(number: usize) -> Uuid {
    Uuid::from_u128(number as u128 + 1)
}

/// A plan of tasks, each written with what is upstream of it.
fn plan(tasks: &[(&str, &[&str])]) -> Plan {
    let task = |(name, upstream): &(&str, &[&str])| {
        let upstream = upstream.iter().map(|upstream| (*upstream).to_owned()).collect();
        Task { upstream, is_setup: name.starts_with("setup"), is_teardown: name.starts_with("teardown"), ..task(name) }
    };
    Plan::new(Arc::new(dag(tasks.iter().map(task).collect())))
}

fn instance(number: usize, task_id: &str, state: Option<TaskState>, try_number: u32) -> Instance {
    Instance {
        id: id(number),
        task_id: task_id.to_owned(),
        map_index: -1,
        state,
        try_number,
        max_tries: 0,
        first_started_at: None,
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        map_length: None,
        skips: Vec::new(),
    }
}

fn of(tasks: Option<&[&str]>) -> ClearSelection {
    let target = |task_id: &&str| ClearTarget { task_id: (*task_id).to_owned(), map_index: None };
    ClearSelection { tasks: tasks.map(|tasks| tasks.iter().map(target).collect()), ..ClearSelection::default() }
}

fn clear(plan: &Plan, run_state: RunState, instances: &[Instance], selection: &ClearSelection) -> RunChange {
    let clearing = Clearing { selection, reset_run: true, to_version: None, by: "somebody" };
    clear_instances(plan, run_state, instances, &clearing, || Uuid::from_u128(99), now())
}

fn apply(instances: &mut [Instance], change: &RunChange) {
    for moved in &change.moves {
        let instance = instances.iter_mut().find(|instance| instance.id == moved.instance).unwrap();
        assert!(moved.from_states.contains(&instance.state));
        (instance.state, instance.max_tries) = (moved.to, moved.max_tries);
        (instance.try_number, instance.resume_state) = (moved.to_try, moved.resume_state.clone());
    }
}

#[test]
fn conformance_of_clearing() {
    judge(
        "states",
        "clear",
        |_| true,
        |case| {
            let edges: Vec<(String, String)> = field(case, "edges");
            let before: BTreeMap<String, Option<TaskState>> = field(&case["before"], "task_states");
            let tries: BTreeMap<String, u32> = field(&case["before"], "try_numbers");
            let retries: u32 = field(case, "retries");
            let mut tasks: Vec<Task> = before.keys().map(|name| Task { retries, ..task(name) }).collect();
            connect(&mut tasks, &edges);
            let plan = Plan::new(Arc::new(dag(tasks)));
            let instances = before.iter().enumerate().map(|(number, (name, state))| Instance {
                max_tries: retries,
                ..instance(number, name, *state, tries[name])
            });
            let mut instances: Vec<Instance> = instances.collect();
            let request = &case["request"];
            let names: Option<Vec<String>> = field(request, "task_ids");
            let names: Option<Vec<&str>> = names.as_ref().map(|names| names.iter().map(String::as_str).collect());
            only(request, &["task_ids", "include_upstream", "include_downstream", "only_failed", "only_running"]);
            let flag = |key: &str| request[key] == true;
            let selection = ClearSelection {
                upstream: flag("include_upstream"),
                downstream: flag("include_downstream"),
                only_failed: flag("only_failed"),
                only_running: flag("only_running"),
                ..of(names.as_deref())
            };
            let run_state: RunState = field(&case["before"], "run_state");
            let change = clear(&plan, run_state, &instances, &selection);
            apply(&mut instances, &change);

            let expect = &case["expect"];
            equal(change.moves.len(), field(expect, "cleared_count"))?;
            let states: BTreeMap<String, Option<TaskState>> =
                instances.iter().map(|one| (one.task_id.clone(), one.state)).collect();
            equal(states, field(expect, "task_states"))?;
            let limits: BTreeMap<String, u32> =
                instances.iter().map(|one| (one.task_id.clone(), one.max_tries)).collect();
            equal(limits, field(expect, "max_tries"))?;
            equal(change.run_state.unwrap_or(run_state), field(expect, "run_state"))?;
            equal(u32::from(change.clears), field(expect, "clear_number"))
        },
    );
}

#[test]
fn relatives_come_with_the_setups_and_teardowns_that_they_need() {
    let plan = plan(&[
        ("setup", &[]),
        ("work", &["setup"]),
        ("teardown", &["setup", "work"]),
        ("before", &[]),
        ("middle", &["before"]),
        ("after", &["middle", "work"]),
    ]);
    let with = |names: &[&str], upstream, downstream| {
        let mut found: Vec<&str> = plan.cleared_with(names.iter().copied(), upstream, downstream).into_iter().collect();
        found.sort_unstable();
        found.join(" ")
    };
    for (names, upstream, downstream, expected) in [
        (&["middle"][..], true, false, "before"),
        (&["middle"], false, true, "after"),
        (&["before"], false, true, "after middle"),
        (&["middle"], true, true, "after before"),
        // What is to run again needs its setup, and the setup its teardown.
        (&["work"], true, false, "setup teardown"),
        (&["work"], false, true, "after setup teardown"),
        (&["setup"], false, true, "after setup teardown work"),
        (&["setup"], true, false, "teardown"),
    ] {
        assert_eq!(with(names, upstream, downstream), expected, "{names:?}");
    }
    assert_eq!(with(&["work"], false, false), "setup teardown");
}

#[test]
fn one_instance_of_a_mapped_task_can_be_cleared_alone() {
    let plan = plan(&[("m", &[]), ("end", &["m"])]);
    let mut instances: Vec<Instance> = (0..3)
        .map(|index| Instance { map_index: index as i32, ..instance(index, "m", Some(TaskState::Failed), 1) })
        .collect();
    instances.push(instance(3, "end", Some(TaskState::UpstreamFailed), 0));
    let target = |index| ClearTarget { task_id: "m".to_owned(), map_index: index };
    for (tasks, downstream, expected) in [
        (vec![target(Some(1))], false, vec![id(1)]),
        (vec![target(Some(1))], true, vec![id(1), id(3)]),
        (vec![target(Some(0)), target(Some(2))], false, vec![id(0), id(2)]),
        (vec![target(None)], false, vec![id(0), id(1), id(2)]),
        (vec![target(Some(7))], false, vec![]),
    ] {
        let selection = ClearSelection { tasks: Some(tasks), downstream, ..ClearSelection::default() };
        let found: Vec<Uuid> = selected(&plan, &instances, &selection).iter().map(|one| one.id).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn what_runs_restarts_and_its_try_ends_as_failed() {
    let plan = Arc::new(plan(&[("a", &[]), ("b", &["a"])]));
    let mut instances =
        vec![instance(0, "a", Some(TaskState::Running), 3), instance(1, "b", Some(TaskState::Queued), 1)];
    let change = clear(&plan, RunState::Running, &instances, &of(None));
    assert_eq!((change.run_state, change.clears), (None, true), "a run that goes on is cleared, and not queued again");
    let ended: Vec<_> = change.moves.iter().map(|moved| moved.settles.as_ref().unwrap().final_state).collect();
    assert_eq!(ended, [Some(TaskState::Failed); 2]);
    apply(&mut instances, &change);
    assert_eq!((instances[0].state, instances[0].max_tries), (Some(TaskState::Restarting), 0));
    assert_eq!((instances[1].state, instances[1].max_tries), (None, 1));

    let mut machine = RunMachine::new(plan, FACTS, instances);
    machine.on_event(Event::Begin, now());
    let ready: Vec<_> = machine.ready().map(|ready| (ready.task_id, ready.try_number)).collect();
    assert_eq!(ready, [("a", 4)], "it is tried again though it had no retries left");
}

#[test]
fn nothing_selected_changes_nothing() {
    let plan = plan(&[("a", &[]), ("b", &["a"])]);
    let instances = [instance(0, "a", Some(TaskState::Success), 1), instance(1, "b", Some(TaskState::Success), 1)];
    let failed = ClearSelection { only_failed: true, ..of(None) };
    assert_eq!(clear(&plan, RunState::Success, &instances, &failed), RunChange::default());
    let clearing = Clearing { selection: &of(None), reset_run: false, to_version: None, by: "somebody" };
    let change = clear_instances(&plan, RunState::Success, &instances, &clearing, Uuid::nil, now());
    assert_eq!((change.moves.len(), change.run_state, change.clears), (2, None, false));
}

#[test]
fn a_run_that_changes_its_version_loses_and_gains_tasks() {
    let newer = plan(&[("kept", &[]), ("back", &[]), ("new", &["kept"])]);
    let instances = [
        instance(0, "kept", Some(TaskState::Success), 1),
        instance(1, "gone", Some(TaskState::Failed), 1),
        instance(2, "back", Some(TaskState::Removed), 1),
    ];
    let change_of = |selection: &ClearSelection| {
        let clearing = Clearing { selection, reset_run: true, to_version: Some(2), by: "somebody" };
        clear_instances(&newer, RunState::Failed, &instances, &clearing, || id(9), now())
    };
    let moves_of = |change: &RunChange| {
        let mut moves: Vec<_> = change.moves.iter().map(|moved| (moved.instance, moved.to)).collect();
        moves.sort();
        moves
    };
    let all = change_of(&of(None));
    assert_eq!(moves_of(&all), [(id(0), None), (id(1), Some(TaskState::Removed)), (id(2), None)]);
    assert_eq!(all.create.iter().map(|new| new.task_id.as_str()).collect::<Vec<_>>(), ["new"]);
    assert_eq!(all.refresh.iter().map(|old| old.id).collect::<Vec<_>>(), [id(0), id(2)]);
    assert_eq!((all.dag_version, all.run_state, all.clears), (Some(2), Some(RunState::Queued), true));

    let only_new = change_of(&ClearSelection { only_new: true, ..of(None) });
    assert_eq!(moves_of(&only_new), [(id(1), Some(TaskState::Removed)), (id(2), None)]);
    assert_eq!(only_new.create.len(), 1);
}

/// A decision stands as long as the task that made it does.
#[test]
fn a_task_that_was_decided_against_is_skipped_again() {
    let tasks: &[(&str, &[&str])] =
        &[("branch", &[]), ("left", &["branch"]), ("right", &["branch"]), ("below", &["right"])];
    for (result, chosen) in [
        (TryResult::Branch { follow: vec!["left".to_owned()] }, Some("left")),
        (TryResult::ShortCircuit { scope: ShortCircuitScope::AllDownstream }, None),
    ] {
        let plan = Arc::new(plan(tasks));
        let mut instances: Vec<Instance> =
            tasks.iter().enumerate().map(|(number, (name, _))| instance(number, name, None, 0)).collect();
        let mut machine = RunMachine::new(Arc::clone(&plan), FACTS, instances.clone());
        machine.on_event(Event::Begin, now());
        machine.on_event(Event::Admitted { instance: id(0), try_number: 1 }, now());
        let ended = EndedTry {
            instance: id(0),
            try_number: 1,
            lease_token: Uuid::nil(),
            hostname: None,
            started_at: Some(now()),
            ended_at: now(),
            result,
            rendered_fields: None,
            outlet_events: Vec::new(),
        };
        let effects = machine.on_event(Event::Ended(ended), now());
        let skips = effects.iter().find_map(|effect| match effect {
            airlock_core::run::Effect::Move(moved) if moved.instance == id(0) => moved.settles.clone(),
            _ => None,
        });
        instances[0].skips = skips.unwrap().skips;
        assert_eq!(instances[0].skips.contains(&"left".to_owned()), chosen.is_none());
        for (number, (_, _, state)) in machine.states().enumerate() {
            instances[number].state = state.or(Some(TaskState::Success)).filter(|state| *state != TaskState::Scheduled);
        }
        instances[1].state = Some(if chosen.is_some() { TaskState::Success } else { TaskState::Skipped });

        // Without the branch, what it decided against is skipped again.
        let change = clear(&plan, RunState::Success, &instances, &of(Some(&["right", "below"])));
        let mut cleared = instances.clone();
        apply(&mut cleared, &change);
        assert_eq!(cleared[2].state, None);
        let mut machine = RunMachine::new(Arc::clone(&plan), FACTS, cleared);
        machine.on_event(Event::Begin, now());
        let states: Vec<_> = machine.states().skip(2).map(|(_, _, state)| state).collect();
        assert_eq!(states, [Some(TaskState::Skipped); 2]);

        // With it, the decision is made anew.
        let change = clear(&plan, RunState::Success, &instances, &of(None));
        apply(&mut instances, &change);
        let mut machine = RunMachine::new(plan, FACTS, instances);
        machine.on_event(Event::Begin, now());
        assert_eq!(machine.states().nth(2).unwrap().2, None);
    }
}
