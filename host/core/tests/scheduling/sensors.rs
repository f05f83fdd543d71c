//! Sensors: each call's answer is told to the machine as its worker would tell it.

use std::sync::Arc;

use airlock_core::dag::{OperatorKind, Seconds, Task};
use airlock_core::outcome::{Failure, FailureCause, TryResult};
use airlock_core::run::{EndedTry, Event, Instance, Plan, RunFacts, RunMachine};
use airlock_core::state::TaskState;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cases::{Moment, dag, equal, judge, task};

fn sensor(args: &Value) -> Task {
    let mut sensor = task("t");
    sensor.resolved.kind = OperatorKind::Sensor;
    let settings = &mut sensor.sensor;
    for (name, value) in args.as_object().unwrap() {
        let seconds = || Seconds(value.as_f64().unwrap());
        let on = || value.as_bool().unwrap();
        match name.as_str() {
            "poke_interval" => settings.poke_interval = seconds(),
            "timeout" => settings.timeout = seconds(),
            "soft_fail" => settings.soft_fail = on(),
            "never_fail" => settings.never_fail = on(),
            "silent_fail" => settings.silent_fail = on(),
            "exponential_backoff" => settings.exponential_backoff = on(),
            "max_wait" => settings.max_wait = Some(seconds()),
            // Where it waits between two looks is its worker's matter.
            "mode" => {}
            other => panic!("the case has an argument `{other}`"),
        }
    }
    sensor
}

fn answer(poke: &Value) -> TryResult {
    let failure = |retryable| {
        let message = "as the case has it".to_owned();
        TryResult::Failure(Failure::new(FailureCause::Operator, retryable, message))
    };
    match poke {
        Value::Bool(true) => TryResult::Success { value: None, length: None },
        Value::Bool(false) => TryResult::Reschedule { at: None },
        Value::String(word) if word == "error" => failure(true),
        Value::String(word) if word == "fail" => failure(false),
        Value::String(word) if word == "skip" => TryResult::Skip { reason: None },
        other => panic!("the case has an answer `{other}`"),
    }
}

/// The state that the sensor ends in, and the pauses between its calls. The last answer repeats.
fn play(task: Task, pokes: &[Value]) -> (TaskState, Vec<TimeDelta>) {
    let instance = Instance {
        id: Uuid::from_u128(1),
        task_id: "t".to_owned(),
        map_index: -1,
        state: None,
        try_number: 0,
        max_tries: task.retries,
        first_started_at: None,
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        skips: Vec::new(),
        map_length: None,
    };
    let facts = RunFacts { logical_date: None, started_at: None, ignores_past: false };
    let mut machine = RunMachine::new(Arc::new(Plan::new(dag(vec![task]).into())), facts, vec![instance]);
    let mut now: Moment = "2026-01-01T00:00:00Z".parse().unwrap();
    machine.on_event(Event::Begin, now);
    let mut pauses = Vec::new();
    for poke in pokes.iter().chain(std::iter::repeat(pokes.last().unwrap())).take(1_000) {
        let ready = machine.ready().next().unwrap();
        let (instance, try_number) = (ready.instance, ready.try_number);
        machine.on_event(Event::Admitted { instance, try_number }, now);
        let ended = EndedTry {
            instance,
            try_number,
            lease_token: Uuid::nil(),
            hostname: None,
            started_at: Some(now),
            ended_at: now,
            result: answer(poke),
            rendered_fields: None,
            outlet_events: Vec::new(),
        };
        machine.on_event(Event::Ended(ended), now);
        let state = machine.states().next().unwrap().2.unwrap();
        if state != TaskState::UpForReschedule {
            return (state, pauses);
        }
        let before = now;
        while !machine.has_ready() {
            now += TimeDelta::seconds(1);
            machine.on_event(Event::Tick, now);
        }
        pauses.push(now - before);
    }
    panic!("the sensor does not end");
}

#[test]
fn conformance_of_sensors() {
    judge(
        "sensors",
        "cases",
        |_| true,
        |case| {
            let pokes = case["poke_results"].as_array().unwrap();
            let (state, pauses) = play(sensor(&case["args"]), pokes);
            let expect = &case["expect"];
            equal(state.as_str(), expect["outcome"].as_str().unwrap())?;
            equal(pauses.len() + 1, expect["pokes"].as_u64().unwrap() as usize)?;
            let seconds: Vec<f64> = pauses.iter().map(|pause| pause.num_seconds() as f64).collect();
            // A rescheduled call sleeps between tries and not in one; its pauses are no sleeps then.
            let reschedules = case["args"]["mode"] == "reschedule";
            let sleeps: Vec<f64> = expect["sleeps_s"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
            if reschedules { Ok(()) } else { equal(seconds, sleeps) }
        },
    );
}

#[test]
fn a_sensor_forgives_what_it_is_told_to() {
    let outcome = |args: Value, pokes: Value| play(sensor(&args), pokes.as_array().unwrap()).0.as_str();
    assert_eq!(outcome(json!({"soft_fail": true}), json!(["fail"])), "skipped");
    assert_eq!(outcome(json!({"soft_fail": true}), json!(["error"])), "failed");
    assert_eq!(outcome(json!({"soft_fail": true, "timeout": 100}), json!([false])), "skipped");
    assert_eq!(outcome(json!({"never_fail": true}), json!(["fail"])), "skipped");
    assert_eq!(outcome(json!({"never_fail": true, "timeout": 100}), json!([false])), "failed");
    assert_eq!(outcome(json!({"silent_fail": true}), json!(["error", true])), "success");
    assert_eq!(outcome(json!({"silent_fail": true}), json!(["fail"])), "failed");
    assert_eq!(outcome(json!({"silent_fail": true, "timeout": 100}), json!(["error"])), "failed");
}

#[test]
fn a_sensor_that_backs_off_doubles_its_pauses_up_to_its_timeout() {
    let args = json!({"exponential_backoff": true, "poke_interval": 10, "timeout": 400});
    let (state, pauses) = play(sensor(&args), &[json!(false)]);
    assert_eq!(state, TaskState::Failed);
    for (call, pause) in pauses.iter().enumerate().take(4) {
        let base = 5 << call;
        assert!((base..2 * base).contains(&pause.num_seconds()), "pause {call} is {pause}");
    }
    let waited: TimeDelta = pauses.iter().sum();
    assert!(waited <= TimeDelta::seconds(401), "{waited}");
    let capped = json!({"exponential_backoff": true, "poke_interval": 10, "timeout": 400, "max_wait": 15});
    let (_, pauses) = play(sensor(&capped), &[json!(false)]);
    assert!(pauses.iter().all(|pause| *pause <= TimeDelta::seconds(15)));
}
