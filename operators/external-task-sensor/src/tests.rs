use airlock_sdk::Operator as _;
use airlock_sdk::dag_runs::{DagTask, RunState, TaskInstance};
use airlock_sdk::testing::Host;
use airlock_sdk::{DagRunTrigger, RunSelector, TasksTrigger};

use super::*;

/// The logical date of the double's own run.
const DAY: &str = "2026-01-31T00:00:00Z";

fn dag() -> Dag {
    let task = |task_id: &str, groups: &[&str]| DagTask {
        task_id: task_id.into(),
        task_groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let tasks = vec![task("load", &[]), task("marts.daily.a", &["marts.daily", "marts"]), task("marts.b", &["marts"])];
    Dag { dag_id: "sales".into(), is_paused: false, tasks }
}

fn with_run(host: Host, date: &str, state: RunState, tasks: &[(&str, i32, Option<&str>)]) -> Host {
    let date = moment(date).unwrap();
    let run = DagRun {
        dag_id: "sales".into(),
        run_id: format!("scheduled__{date:?}"),
        run_type: "scheduled".into(),
        state,
        logical_date: Some(date),
        run_after: date,
        started_at: None,
        ended_at: None,
    };
    let instance = |(task_id, map_index, state): &(&str, i32, Option<&str>)| TaskInstance {
        task_id: (*task_id).into(),
        map_index: *map_index,
        state: state.map(Into::into),
    };
    host.with_dag_run(run, tasks.iter().map(instance).collect())
}

fn host(state: RunState, tasks: &[(&str, i32, Option<&str>)]) -> Host {
    with_run(Host::new().with_dag(dag()), DAY, state, tasks)
}

fn run(host: &Host, mut arguments: Value) -> Result<Outcome> {
    arguments["external_dag_id"] = json!("sales");
    host.execute::<Operator>(arguments)
}

#[test]
fn a_whole_run_is_waited_for() {
    for (state, expected) in [(RunState::Running, Outcome::reschedule()), (RunState::Success, Outcome::done())] {
        assert_eq!(run(&host(state, &[]), json!({})), Ok(expected));
    }
    let nobody = Host::new().with_dag(dag());
    assert_eq!(run(&nobody, json!({})), Ok(Outcome::reschedule()));
    // As in Airflow, a failed run is waited for until somebody makes it good, unless the document says otherwise.
    assert_eq!(run(&host(RunState::Failed, &[]), json!({})), Ok(Outcome::reschedule()));
    let error = run(&host(RunState::Failed, &[]), json!({ "failed_states": ["failed"] })).unwrap_err();
    assert!(error.message.contains("has failed") && !error.retryable, "{error}");
}

#[test]
fn tasks_are_waited_for_while_their_run_goes_on() {
    let host = host(RunState::Running, &[("load", -1, Some("success")), ("marts.b", -1, Some("running"))]);
    assert_eq!(run(&host, json!({ "external_task_id": "load" })), Ok(Outcome::done()));
    assert_eq!(run(&host, json!({ "external_task_ids": ["load", "marts.b"] })), Ok(Outcome::reschedule()));
    let both = json!({ "external_task_ids": ["load", "marts.b"], "allowed_states": ["success", "running"] });
    assert_eq!(run(&host, both), Ok(Outcome::done()));
    assert_eq!(run(&host, json!({ "external_task_id": "not_yet" })), Ok(Outcome::reschedule()));
}

#[test]
fn every_instance_of_a_mapped_task_counts() {
    let task = json!({ "external_task_id": "load" });
    let half = host(RunState::Running, &[("load", 0, Some("success")), ("load", 1, None)]);
    assert_eq!(run(&half, task.clone()), Ok(Outcome::reschedule()));
    let all = host(RunState::Running, &[("load", 0, Some("success")), ("load", 1, Some("success"))]);
    assert_eq!(run(&all, task), Ok(Outcome::done()));
}

#[test]
fn a_group_is_all_of_its_tasks() {
    let group = json!({ "external_task_group_id": "marts" });
    let half = [("marts.daily.a", -1, Some("success")), ("marts.b", -1, Some("queued"))];
    assert_eq!(run(&host(RunState::Running, &half), group.clone()), Ok(Outcome::reschedule()));
    assert_eq!(
        run(&host(RunState::Running, &half), json!({ "external_task_group_id": "marts.daily" })),
        Ok(Outcome::done())
    );
    let all = [("marts.daily.a", -1, Some("success")), ("marts.b", -1, Some("success"))];
    assert_eq!(run(&host(RunState::Running, &all), group), Ok(Outcome::done()));
}

#[test]
fn a_state_may_skip() {
    let host = host(RunState::Running, &[("load", -1, Some("skipped"))]);
    let arguments = json!({ "external_task_id": "load", "skipped_states": ["skipped"] });
    assert!(matches!(run(&host, arguments), Ok(Outcome::Skip(_))));
}

#[test]
fn other_runs_may_be_meant_than_that_of_the_same_date() {
    let host = host(RunState::Running, &[]);
    let host = with_run(host, "2026-01-30T00:00:00Z", RunState::Success, &[]);
    let host = with_run(host, "2026-02-01T00:00:00Z", RunState::Success, &[]);
    assert_eq!(run(&host, json!({ "execution_delta": 86_400 })), Ok(Outcome::done()));
    assert_eq!(run(&host, json!({ "execution_delta": [86_400, -86_400] })), Ok(Outcome::done()));
    assert_eq!(run(&host, json!({ "execution_delta": [86_400, 0] })), Ok(Outcome::reschedule()));
    assert_eq!(
        run(&host, json!({ "logical_dates": ["2026-01-30", "2026-02-01 00:00:00+00:00"] })),
        Ok(Outcome::done())
    );
    let error = run(&host, json!({ "logical_dates": ["soon"] })).unwrap_err();
    assert!(error.message.contains("soon"), "{error}");
}

#[test]
fn what_is_not_there_fails_at_once_if_it_is_to() {
    for (arguments, part) in [
        (json!({ "external_task_id": "lod" }), "no task `lod`"),
        (json!({ "external_task_group_id": "mart" }), "no task group `mart`"),
    ] {
        let mut arguments = arguments;
        arguments["check_existence"] = json!(true);
        let error = run(&host(RunState::Running, &[]), arguments).unwrap_err();
        assert!(error.message.contains(part) && !error.retryable, "{error}");
    }
    let error = run(&Host::new(), json!({ "check_existence": true })).unwrap_err();
    assert_eq!(error, Error::fail("there is no DAG `sales`"));
}

#[test]
fn contradictions_are_refused() {
    for (arguments, part) in [
        (json!({ "external_task_id": "a", "external_task_ids": ["b"] }), "only one of"),
        (json!({ "external_task_ids": ["a", "a"] }), "each once"),
        (json!({ "failed_states": ["skipped"] }), "`skipped` is no state"),
        (json!({ "failed_states": ["success"] }), "named twice"),
        (json!({ "execution_delta": 1, "logical_dates": [] }), "only one of"),
    ] {
        let error = run(&host(RunState::Running, &[]), arguments).unwrap_err();
        assert!(error.message.contains(part) && !error.retryable, "{error}");
    }
    assert_eq!(Operator::describe().name, "external-task-sensor");
}

#[test]
fn the_host_may_wait_for_what_is_an_end() {
    let host = host(RunState::Running, &[("load", -1, Some("running"))]);
    let deferral = |arguments: Value| match run(&host, arguments) {
        Ok(Outcome::Defer(deferral)) => Some(deferral),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    };
    let run_of_the_day = RunSelector::LogicalDate(moment(DAY).unwrap());
    let whole = deferral(json!({ "deferrable": true, "failed_states": ["failed"] })).unwrap();
    assert_eq!(whole.trigger, DagRunTrigger::ended("sales", run_of_the_day.clone()).into());
    let tasks =
        deferral(json!({ "deferrable": true, "external_task_id": "load", "failed_states": ["failed"] })).unwrap();
    let expected = TasksTrigger {
        any_in: vec!["failed".into()],
        ..TasksTrigger::ended("sales", run_of_the_day, ["load".to_owned()])
    };
    assert_eq!(tasks.trigger, expected.into());
    assert!(deferral(json!({ "deferrable": true, "allowed_states": ["queued"] })).is_none(), "that is no end");
    assert!(deferral(json!({})).is_none(), "it is not asked for");

    let done = self::host(RunState::Success, &[("load", -1, Some("success"))]);
    assert_eq!(done.resume::<Operator>(tasks.state.clone(), Event::Fired(json!({}))), Ok(Outcome::done()));
    assert_eq!(done.resume::<Operator>(tasks.state, Event::TimedOut), Ok(Outcome::reschedule()));
}
