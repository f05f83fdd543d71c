//! Tries that wait without an instance.

use std::sync::Arc;

use airlock_core::dag::{OperatorKind, Seconds, Task};
use airlock_core::outcome::{Deferral, Resume, ResumeEvent, TryResult};
use airlock_core::run::{Effect, EndedTry, Event, Instance, Move, NewTrigger, Plan, RunFacts, RunMachine};
use airlock_core::state::TaskState;
use airlock_core::trigger::Trigger;
use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use crate::cases::{Moment, dag, task};

const ID: Uuid = Uuid::from_u128(1);

fn at(seconds: i64) -> Moment {
    "2026-01-01T00:00:00Z".parse::<Moment>().unwrap() + TimeDelta::seconds(seconds)
}

/// A run of one task whose first try has been admitted.
fn machine(task: Task) -> RunMachine {
    let plan = Arc::new(Plan::new(Arc::new(dag(vec![task]))));
    let instances = plan.new_instances(|| ID).iter().map(Instance::from).collect();
    let facts = RunFacts { logical_date: None, started_at: None, ignores_past: false };
    let mut machine = RunMachine::new(plan, facts, instances);
    machine.on_event(Event::Begin, at(0));
    machine.on_event(Event::Admitted { instance: ID, try_number: 1 }, at(0));
    machine
}

/// The try began at 0 and defers at 10.
fn defer(machine: &mut RunMachine, trigger: Trigger, timeout_ms: Option<u64>) -> Vec<Effect> {
    let ended = EndedTry {
        instance: ID,
        try_number: 1,
        lease_token: Uuid::nil(),
        hostname: None,
        started_at: Some(at(0)),
        ended_at: at(10),
        result: TryResult::Defer { deferral: Deferral { trigger, state: json!({ "job": 7 }), timeout_ms } },
        rendered_fields: None,
        outlet_events: Vec::new(),
    };
    machine.on_event(Event::Ended(ended), at(10))
}

fn moved(effects: &[Effect]) -> &Move {
    let moved = effects.iter().find_map(|effect| match effect {
        Effect::Move(moved) => Some(moved),
        _ => None,
    });
    moved.unwrap()
}

fn awaited(effects: &[Effect]) -> Option<&NewTrigger> {
    effects.iter().find_map(|effect| match effect {
        Effect::Await(new) => Some(new),
        _ => None,
    })
}

fn sensor() -> Task {
    let mut task = task("wait");
    task.resolved.kind = OperatorKind::Sensor;
    (task.sensor.poke_interval, task.sensor.timeout) = (Seconds(5.0), Seconds(100.0));
    task
}

fn posted() -> Trigger {
    Trigger::PostedEvent { name: "go".to_owned() }
}

fn http() -> Trigger {
    serde_json::from_value(json!({ "kind": "http", "arguments": {
        "conn_id": "api", "method": "GET", "url": "/job", "headers": [], "statuses": { "one_of": [200] } } }))
    .unwrap()
}

/// What `resume` is called with, once the task is to go on.
fn resumed(machine: &RunMachine) -> Resume {
    let ready = machine.ready().next().unwrap();
    assert_eq!(ready.try_number, 1, "the same try goes on");
    ready.resume.unwrap()
}

#[test]
fn what_no_clock_ends_waits_for_its_trigger() {
    let mut machine = machine(task("wait"));
    let effects = defer(&mut machine, posted(), None);
    assert_eq!((moved(&effects).to, moved(&effects).wake_at), (Some(TaskState::Deferred), None));
    assert_eq!(awaited(&effects), Some(&NewTrigger { instance: ID, try_number: 1, trigger: posted(), at: at(10) }));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::WakeAt(_))), "nobody has to wake for it");
    assert!(machine.on_event(Event::Tick, at(1_000_000)).is_empty());

    let event = ResumeEvent::Fired { payload: json!({ "ok": true }) };
    let woken = Event::Woken { instance: ID, try_number: 1, event: event.clone() };
    assert!(
        machine.on_event(Event::Woken { instance: ID, try_number: 2, event: ResumeEvent::TimedOut }, at(20)).is_empty()
    );
    let effects = machine.on_event(woken.clone(), at(20));
    let scheduled = moved(&effects);
    assert_eq!((&*scheduled.from_states, scheduled.to), (&[Some(TaskState::Deferred)][..], Some(TaskState::Scheduled)));
    assert_eq!(resumed(&machine), Resume { state: json!({ "job": 7 }), event });
    assert!(machine.on_event(woken, at(21)).is_empty(), "a wait ends once");
}

#[test]
fn the_first_of_trigger_and_timeout_ends_the_wait() {
    let after = |milliseconds| Trigger::After { milliseconds };
    let cases = [
        (after(30_000), None, Some(40), ResumeEvent::Fired { payload: json!(at(40).to_rfc3339()) }),
        (after(30_000), Some(20_000), Some(30), ResumeEvent::TimedOut),
        (after(20_000), Some(20_000), Some(30), ResumeEvent::Fired { payload: json!(at(30).to_rfc3339()) }),
        (Trigger::At { instant: at(5) }, None, Some(5), ResumeEvent::Fired { payload: json!(at(5).to_rfc3339()) }),
        (posted(), Some(20_000), Some(30), ResumeEvent::TimedOut),
        (posted(), Some(u64::MAX), None, ResumeEvent::TimedOut),
    ];
    for (trigger, timeout_ms, wake, event) in cases {
        let mut machine = machine(task("wait"));
        let effects = defer(&mut machine, trigger.clone(), timeout_ms);
        assert_eq!(moved(&effects).wake_at, wake.map(at), "{trigger:?}");
        if let Some(wake) = wake {
            machine.on_event(Event::Tick, at(wake));
            assert_eq!(resumed(&machine).event, event, "{trigger:?}");
        }
    }
}

#[test]
fn a_sensors_timeout_and_interval_hold_for_its_wait() {
    let mut machine = machine(sensor());
    let effects = defer(&mut machine, http(), None);
    let ends = at(100) + TimeDelta::microseconds(1);
    assert_eq!(moved(&effects).wake_at, Some(ends), "it counts from the first call, and has to be exceeded");
    let Some(NewTrigger { trigger: Trigger::Http(http), .. }) = awaited(&effects) else { panic!("a trigger") };
    assert_eq!(http.poll_ms, Some(5_000));
    machine.on_event(Event::Tick, ends);
    assert_eq!(resumed(&machine).event, ResumeEvent::TimedOut);
    machine.on_event(Event::Admitted { instance: ID, try_number: 1 }, ends);
    let ended = EndedTry {
        instance: ID,
        try_number: 1,
        lease_token: Uuid::nil(),
        hostname: None,
        started_at: Some(ends),
        ended_at: ends,
        result: TryResult::Reschedule { at: None },
        rendered_fields: None,
        outlet_events: Vec::new(),
    };
    let effects = machine.on_event(Event::Ended(ended), ends);
    let settles = moved(&effects).settles.as_ref().unwrap();
    assert_eq!((moved(&effects).to, settles.cause.as_deref()), (Some(TaskState::Failed), Some("sensor_timeout")));
}

#[test]
fn a_trigger_that_can_never_fire_fails_the_task_at_once() {
    let mut machine = machine(Task { retries: 3, ..task("wait") });
    let effects = defer(&mut machine, Trigger::PostedEvent { name: String::new() }, None);
    let settles = moved(&effects).settles.as_ref().unwrap();
    assert_eq!(moved(&effects).to, Some(TaskState::Failed));
    assert_eq!(
        settles.message.as_deref(),
        Some(
            "the task cannot wait: its trigger `posted_event` has a name that is empty, longer than 250 bytes, or has \
              control characters"
        )
    );
    assert_eq!(awaited(&effects), None);
}
