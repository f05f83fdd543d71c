use airlock_core::backfill::{Action, Refusal, ReprocessBehavior, Request, plan};
use airlock_core::dag::{Dag, RunImmediately, Schedule, Seconds};
use airlock_core::state::RunState;
use serde_json::{Value, json};

use crate::cases::{Moment, dag, equal, field, judge, task};

fn backfilled(about: &Value) -> Dag {
    let schedule = &about["schedule"];
    let crons = || vec![field(schedule, "cron")];
    let found = match (schedule.as_str(), schedule["type"].as_str()) {
        (Some("@once"), _) => Schedule::Once,
        (Some("@continuous"), _) => Schedule::Continuous,
        (Some(cron), _) => Schedule::CronTrigger {
            cron: vec![cron.to_owned()],
            interval: Seconds::default(),
            run_immediately: RunImmediately::Never,
        },
        (_, Some("cron_trigger")) => Schedule::CronTrigger {
            cron: crons(),
            interval: Seconds(schedule["interval_s"].as_f64().unwrap_or(0.0)),
            run_immediately: RunImmediately::Never,
        },
        (_, Some("cron_data_interval")) => Schedule::CronDataInterval { cron: field(schedule, "cron") },
        (_, Some("delta_trigger")) => {
            Schedule::DeltaTrigger { delta: Seconds(field(schedule, "delta")), interval: Seconds::default() }
        }
        (_, Some("delta_data_interval")) => Schedule::DeltaDataInterval { delta: Seconds(field(schedule, "delta")) },
        _ if schedule.is_null() => Schedule::None,
        _ => panic!("the schedule {schedule} is not known"),
    };
    let mut only = task("only");
    only.depends_on_past = about["depends_on_past"] == true;
    Dag {
        schedule: found,
        timezone: schedule["timezone"].as_str().unwrap_or("UTC").to_owned(),
        start_date: field(about, "start_date"),
        end_date: about.get("end_date").and_then(|end| serde_json::from_value(end.clone()).ok()),
        catchup: about["catchup"] == true,
        ..dag(vec![only])
    }
}

/// Whether a case needs other backfills, or runs that have begun.
fn is_about_what_is_under_way(case: &Value) -> bool {
    case["expect"]["error"] == "AlreadyRunningBackfill" || !case["expect"]["concurrent_waves"].is_null()
}

/// The name that Airflow has for a refusal.
fn name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NonPeriodic(_) => "DagNonPeriodicScheduleException",
        Refusal::DateRange { .. } => "InvalidBackfillDateRange",
        Refusal::Future => "InvalidBackfillDate",
        Refusal::Direction => "InvalidBackfillDirection",
        Refusal::ReprocessBehavior => "InvalidReprocessBehavior",
        Refusal::Conf(_) => "InvalidBackfillConf",
        Refusal::NoRuns { .. } => "NoBackfillRunsToCreate",
        Refusal::TooMany | Refusal::Schedule(_) => "none of Airflow's",
    }
}

fn text(moment: Moment) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[test]
fn conformance_of_backfills() {
    // What needs a backfill that is under way is judged where one can be: by the tests of the scheduler.
    judge(
        "backfill",
        "cases",
        |case| !is_about_what_is_under_way(case),
        |case| {
            let asked = &case["request"];
            let request = Request {
                from: field(asked, "from_date"),
                to: field(asked, "to_date"),
                run_backwards: field(asked, "run_backwards"),
                reprocess: field(asked, "reprocess_behavior"),
                conf: None,
            };
            let runs: Vec<(Moment, RunState)> = case["existing_runs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|run| (field(run, "logical_date"), field(run, "state")))
                .collect();
            let existing = |date| runs.iter().find(|(of, _)| *of == date).map(|(_, state)| *state);
            let planned = match plan(&backfilled(&case["dag"]), &request, existing, field(case, "now")) {
                Ok(planned) => planned,
                Err(refusal) => return equal(json!(name(&refusal)), case["expect"]["error"].clone()),
            };
            let found: Vec<Value> = planned
                .iter()
                .map(|slot| {
                    let interval = slot.run.data_interval;
                    let mut found = json!({
                        "ordinal": slot.ordinal, "logical_date": slot.run.logical_date.map(text),
                        "created_or_cleared": true, "reason": null, "run_type": "backfill", "run_state": "queued",
                        "data_interval_start": interval.map(|(start, _)| text(start)),
                        "data_interval_end": interval.map(|(_, end)| text(end)),
                        "clear_number": u32::from(slot.action == Action::Reprocess),
                    });
                    if let Action::Pass(reason) = slot.action {
                        for member in
                            ["run_type", "run_state", "data_interval_start", "data_interval_end", "clear_number"]
                        {
                            found[member] = Value::Null;
                        }
                        found["created_or_cleared"] = json!(false);
                        found["reason"] = json!(reason);
                    }
                    found
                })
                .collect();
            equal(Value::from(found), case["expect"]["runs"].clone())
        },
    );
}

#[test]
fn what_cannot_be_backfilled_is_refused() {
    let moment = |text: &str| text.parse::<Moment>().unwrap();
    let daily = || Dag { schedule: Schedule::CronDataInterval { cron: "0 0 * * *".to_owned() }, ..dag(Vec::new()) };
    let request = |from: &str, to: &str| Request {
        from: moment(from),
        to: moment(to),
        run_backwards: false,
        reprocess: ReprocessBehavior::None,
        conf: None,
    };
    let now = moment("2024-02-01T12:00:00Z");
    let refused = |dag: &Dag, request: &Request| name(&plan(dag, request, |_| None, now).unwrap_err());
    let backwards = request("2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z");
    assert_eq!(refused(&daily(), &backwards), "InvalidBackfillDateRange");
    let ahead = request("2024-02-02T00:00:00Z", "2024-02-03T00:00:00Z");
    assert_eq!(refused(&daily(), &ahead), "InvalidBackfillDate");
    let minutely = Dag { schedule: Schedule::DeltaDataInterval { delta: Seconds(60.0) }, ..dag(Vec::new()) };
    let long = request("2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z");
    assert_eq!(plan(&minutely, &long, |_| None, now).unwrap_err(), Refusal::TooMany);

    // The interval that is not over yet is left out.
    let until_now = request("2024-01-30T00:00:00Z", "2024-02-01T00:00:00Z");
    assert_eq!(plan(&daily(), &until_now, |_| None, now).unwrap().len(), 2);
}
