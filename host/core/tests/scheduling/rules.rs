use airlock_core::dag::{Seconds, Task};
use airlock_core::retry::retry_delay;
use airlock_core::run::{Counts, Decision, Plan, decide};
use airlock_core::state::TaskState;
use serde_json::Value;

use crate::cases::{connect, dag, equal, field, judge, task};

#[test]
fn conformance_of_trigger_rules() {
    judge(
        "trigger_rules",
        "cases",
        |_| true,
        |case| {
            let mut counts = Counts::default();
            for upstream in case["upstream"].as_array().unwrap() {
                let is_setup = upstream["is_setup"] == true;
                counts.expect(is_setup);
                counts.shift(None, field::<Option<TaskState>>(upstream, "state"), is_setup);
            }
            let found = match decide(field(case, "trigger_rule"), &counts) {
                Decision::Wait => "wait",
                Decision::Run => "run",
                Decision::Skip => "skipped",
                Decision::UpstreamFailed => "upstream_failed",
            };
            equal(found, case["expect"].as_str().unwrap())
        },
    );
}

#[test]
fn conformance_of_weights() {
    judge(
        "weight_rules",
        "cases",
        |_| true,
        |case| {
            let weighted = |written: &Value| Task {
                priority_weight: written["priority_weight"].as_i64().unwrap_or(1) as i32,
                weight_rule: written["weight_rule"].as_str().unwrap_or("downstream").parse().unwrap(),
                ..task(written["id"].as_str().unwrap())
            };
            let mut tasks: Vec<Task> = case["tasks"].as_array().unwrap().iter().map(weighted).collect();
            connect(&mut tasks, &field::<Vec<(String, String)>>(case, "edges"));
            let plan = Plan::new(dag(tasks).into());
            for (task_id, expected) in case["expect_priority_weight"].as_object().unwrap() {
                equal((task_id, plan.weight(task_id)), (task_id, expected.as_i64()))?;
            }
            Ok(())
        },
    );
}

#[test]
fn conformance_of_retry_delays() {
    judge(
        "retry_backoff",
        "cases",
        |_| true,
        |case| {
            let input = &case["input"];
            let task = Task {
                retry_delay: Seconds(field(input, "retry_delay_s")),
                retry_exponential_backoff: match &input["exponential_backoff"] {
                    Value::Bool(on) => f64::from(u8::from(*on)) * 2.0,
                    factor => factor.as_f64().unwrap(),
                },
                max_retry_delay: field::<Option<f64>>(input, "max_retry_delay_s").map(Seconds),
                ..task(input["task_id"].as_str().unwrap())
            };
            let delay = || {
                let date = input["logical_date"].as_str().and_then(|date| date.parse().ok());
                let named = input["delay_override_s"].as_f64().map(|delay| Seconds(delay).as_time_delta());
                retry_delay(&task, input["dag_id"].as_str().unwrap(), date, field(input, "try_number"), named)
            };
            equal(delay(), delay())?;
            let seconds = delay().num_milliseconds() as f64 / 1000.0;
            let (least, most): (f64, f64) =
                (field(&case["expect"], "delay_min_s"), field(&case["expect"], "delay_max_s"));
            if (least..=most).contains(&seconds) {
                Ok(())
            } else {
                Err(format!("{seconds} is not in {least} to {most}"))
            }
        },
    );
}
