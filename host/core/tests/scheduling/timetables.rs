use airlock_core::dag::{Dag, RunImmediately, Schedule, Seconds};
use airlock_core::state::RunType;
use airlock_core::timetable::{DataInterval, manual_data_interval, next_runs, partition, run_id, run_type_of};
use serde_json::{Value, json};

use crate::cases::{Moment, dag, equal, field, judge};

fn scheduled(timetable: &Value) -> Dag {
    let seconds = |key: &str| Seconds(timetable[key].as_f64().unwrap_or(0.0));
    let crons = || match &timetable["cron"] {
        Value::String(cron) => vec![cron.clone()],
        Value::Array(_) => field(timetable, "cron"),
        _ => field(timetable, "crons"),
    };
    let schedule = match timetable["type"].as_str().unwrap() {
        "none" | "null" => Schedule::None,
        "once" => Schedule::Once,
        "continuous" => Schedule::Continuous,
        "cron_trigger" | "multi_cron_trigger" | "multiple_cron_trigger" => Schedule::CronTrigger {
            cron: crons(),
            interval: seconds("interval_s"),
            run_immediately: match &timetable["run_immediately"] {
                Value::Bool(true) => RunImmediately::Always,
                Value::Number(within) => RunImmediately::Within(Seconds(within.as_f64().unwrap())),
                _ => RunImmediately::Never,
            },
        },
        "cron_data_interval" => Schedule::CronDataInterval { cron: field(timetable, "cron") },
        "cron_partition" => Schedule::CronPartition {
            cron: field(timetable, "cron"),
            run_offset: timetable["run_offset"].as_i64().unwrap_or(0) as i32,
            key_format: timetable["key_format"].as_str().unwrap_or("%Y-%m-%dT%H:%M:%S").to_owned(),
            run_immediately: RunImmediately::Never,
        },
        "delta_trigger" => Schedule::DeltaTrigger { delta: seconds("delta"), interval: seconds("interval_s") },
        "delta_data_interval" => Schedule::DeltaDataInterval { delta: seconds("delta") },
        "events" => Schedule::Events {
            dates: if timetable["dates"].is_null() {
                field(timetable, "event_dates")
            } else {
                field(timetable, "dates")
            },
        },
        other => panic!("the timetable `{other}` is not known"),
    };
    let timezone = timetable["timezone"].as_str().unwrap_or("UTC").to_owned();
    Dag { schedule, timezone, ..dag(Vec::new()) }
}

fn text(moment: Moment) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[test]
fn conformance_of_next_runs() {
    judge(
        "timetables",
        "cases",
        |case| case["kind"] == "next_runs",
        |case| {
            let dag = Dag {
                start_date: field(case, "start_date"),
                end_date: field(case, "end_date"),
                catchup: field(case, "catchup"),
                ..scheduled(&case["timetable"])
            };
            let last = &case["last_automated_data_interval"];
            let last: Option<DataInterval> = (!last.is_null()).then(|| (field(last, "start"), field(last, "end")));
            let found: Vec<Value> = next_runs(&dag, last, field(case, "now"), field(case, "count"))
                .map_err(|error| error.to_string())?
                .iter()
                .map(|run| {
                    if let Some(about) = partition(&dag, run.run_after).unwrap() {
                        let date = about.date.map(text);
                        return json!({"run_after": text(run.run_after), "partition_key": about.key, "partition_date": date});
                    }
                    json!({
                        "run_after": text(run.run_after),
                        "logical_date": run.logical_date.map(text),
                        "data_interval_start": run.data_interval.map(|interval| text(interval.0)),
                        "data_interval_end": run.data_interval.map(|interval| text(interval.1)),
                    })
                })
                .collect();
            let expected: Vec<Value> =
                case["expect"].as_array().unwrap().iter().filter(|run| !run.is_null()).cloned().collect();
            equal(found, expected)
        },
    );
}

#[test]
fn conformance_of_manual_data_intervals() {
    judge(
        "timetables",
        "cases",
        |case| case["kind"] == "manual_data_interval",
        |case| {
            let (start, end) = manual_data_interval(&scheduled(&case["timetable"]), field(case, "run_after"))
                .map_err(|error| error.to_string())?;
            equal(json!({"data_interval_start": text(start), "data_interval_end": text(end)}), case["expect"].clone())
        },
    );
}

#[test]
fn conformance_of_run_ids() {
    judge(
        "states",
        "run_id",
        |case| case["expect"].is_string(),
        |case| {
            let run_type: RunType = field(case, "run_type");
            // Where there is no logical date, Airflow adds something random.
            let distinct = case["logical_date"].is_null().then_some("distinct");
            let (found, expected): (String, String) =
                (run_id(run_type, field(case, "run_after"), distinct), field(case, "expect"));
            if distinct.is_some() && found.starts_with(&expected) { Ok(()) } else { equal(found, expected) }
        },
    );
    judge(
        "states",
        "run_id",
        |case| case["parse_run_id"].is_string(),
        |case| {
            let parsed = run_type_of(case["parse_run_id"].as_str().unwrap());
            equal(parsed, field(case, "expect_run_type"))
        },
    );
}

/// Where Airflow counts hours it loses or gains one: `0 * * * 1-5` began at 01:00 on the Monday after clocks were put forward.
#[test]
fn the_first_hour_after_a_weekend_of_changed_clocks_is_run() {
    let weekdays = json!({"type": "cron_trigger", "cron": "0 * * * 1-5", "timezone": "Europe/Berlin"});
    for (friday, monday) in
        [("2025-03-28T22:00:00Z", "2025-03-30T22:00:00Z"), ("2025-10-24T21:00:00Z", "2025-10-26T23:00:00Z")]
    {
        let dag = Dag { catchup: true, ..scheduled(&weekdays) };
        let last: Moment = friday.parse().unwrap();
        let next = next_runs(&dag, Some((last, last)), last, 1).unwrap();
        assert_eq!(text(next[0].run_after), monday);
    }
}

#[test]
fn a_bad_expression_is_told_what_is_wrong_with_it() {
    let fault = |cron: &str| airlock_core::timetable::check_cron(cron).unwrap_err();
    assert_eq!(fault("61 * * * *"), "`61` in the minute is not valid: valid are 0 to 59");
    assert_eq!(fault("0 0 * * 8"), "`8` in the day of week is not valid: valid are 0 to 6, 7, sun to sat");
    assert_eq!(fault("*/0 * * * *"), "`*/0` in the minute is not valid: a step is a number from 1");
    assert_eq!(fault("0 0 * * 1#6"), "`1#6` in the day of week is not valid: after `#` comes a number from 1 to 5");
    assert_eq!(fault("0 0 30 2 *"), "`0 0 30 2 *` never comes true: no such month has such a day");
    assert!(fault("0 0 *").starts_with("`0 0 *` has 3 fields; a cron expression has 5"));
    for valid in ["@daily", "0 0 L * *", "0 0 * jan-mar mon-fri", "15,45 22-2 * * ?", "0 0 * * 1#1 30", "0 0 * * 7"] {
        assert_eq!(airlock_core::timetable::check_cron(valid), Ok(()));
    }
}
