use airlock_sdk::dag_runs::Dag;
use airlock_sdk::testing::Host;
use airlock_sdk::{Deferral, Operator as _};

use super::*;

fn host() -> Host {
    Host::new().with_dag(Dag { dag_id: "reports".into(), is_paused: false, tasks: Vec::new() })
}

fn run(host: &Host, mut arguments: Value) -> Result<Outcome> {
    arguments["trigger_dag_id"] = json!("reports");
    host.execute::<Operator>(arguments)
}

const DAY: &str = "2026-01-31T00:00:00Z";

#[test]
fn a_run_is_made_and_named() {
    let host = host();
    let arguments = json!({ "trigger_run_id": "mine", "conf": { "a": 1 }, "logical_date": DAY, "note": "by hand" });
    assert_eq!(run(&host, arguments), Ok(Outcome::done()));
    assert_eq!(host.pushed("trigger_run_id"), Some(json!("mine")));
    let triggered = host.triggered();
    assert_eq!(triggered[0].run_id.as_deref(), Some("mine"));
    assert_eq!(triggered[0].logical_date, moment(DAY).ok());
    assert_eq!((&triggered[0].conf["a"], triggered[0].note.as_deref()), (&json!(1), Some("by hand")));
}

#[test]
fn a_run_has_the_moment_as_its_logical_date_unless_it_is_to_have_none() {
    let host = host();
    assert_eq!(run(&host, json!({})), Ok(Outcome::done()));
    assert_eq!(run(&host, json!({ "logical_date": null })), Ok(Outcome::done()));
    let dates: Vec<bool> = host.triggered().iter().map(|request| request.logical_date.is_some()).collect();
    assert_eq!(dates, [true, false]);
}

#[test]
fn conf_may_be_a_text_that_a_template_made() {
    let host = host();
    assert_eq!(run(&host, json!({ "conf": "{\"a\": [1]}" })), Ok(Outcome::done()));
    assert_eq!(host.triggered()[0].conf["a"], json!([1]));
    for wrong in [json!("{'a': 1}"), json!([1]), json!(7)] {
        let error = run(&host, json!({ "conf": wrong })).unwrap_err();
        assert!(error.message.contains("`conf` must be an object") && !error.retryable, "{error}");
    }
}

#[test]
fn a_run_that_is_there_fails_skips_or_is_cleared() {
    let host = host();
    let again = json!({ "trigger_run_id": "mine" });
    assert_eq!(run(&host, again.clone()), Ok(Outcome::done()));
    assert_eq!(run(&host, again.clone()).unwrap_err(), Error::fail("the run `mine` is there already"));
    let mut skipping = again.clone();
    skipping["skip_when_already_exists"] = json!(true);
    assert!(matches!(run(&host, skipping), Ok(Outcome::Skip(_))));
    host.change_dag_run("reports", "mine", |run| run.state = RunState::Failed);
    let mut resetting = again;
    resetting["reset_dag_run"] = json!(true);
    resetting["wait_for_completion"] = json!(true);
    assert!(matches!(run(&host, resetting), Ok(Outcome::Defer(_))), "it is queued again");
}

#[test]
fn an_unknown_or_paused_dag_fails_at_once() {
    let error = Host::new().execute::<Operator>(json!({ "trigger_dag_id": "nowhere" })).unwrap_err();
    assert_eq!(error, Error::fail("there is no DAG `nowhere`"));
    let paused = Host::new().with_dag(Dag { dag_id: "reports".into(), is_paused: true, tasks: Vec::new() });
    assert_eq!(run(&paused, json!({})), Ok(Outcome::done()));
    let error = run(&paused, json!({ "fail_when_dag_is_paused": true })).unwrap_err();
    assert_eq!(error, Error::fail("the DAG `reports` is paused"));
}

fn wait(host: &Host, arguments: Value) -> Value {
    match run(host, arguments) {
        Ok(Outcome::Defer(Deferral { trigger, state, .. })) => {
            assert_eq!(trigger, Trigger::After(Duration::from_secs(5)));
            state
        }
        other => panic!("it does not wait: {other:?}"),
    }
}

#[test]
fn it_waits_until_the_run_has_ended() {
    let host = host();
    let state = wait(&host, json!({ "trigger_run_id": "mine", "wait_for_completion": true, "poke_interval": 5 }));
    let look = || host.resume::<Operator>(state.clone(), Event::Fired(json!(null)));
    host.change_dag_run("reports", "mine", |run| run.state = RunState::Running);
    assert!(matches!(look(), Ok(Outcome::Defer(_))));
    host.change_dag_run("reports", "mine", |run| run.state = RunState::Success);
    assert_eq!(look(), Ok(Outcome::done()));
    host.change_dag_run("reports", "mine", |run| run.state = RunState::Failed);
    assert_eq!(look().unwrap_err(), Error::fail("the run mine of reports is failed"));
}

#[test]
fn the_host_may_wait_for_the_end_of_the_run() {
    let host = host();
    let arguments = json!({ "trigger_run_id": "mine", "wait_for_completion": true, "deferrable": true });
    let Ok(Outcome::Defer(deferral)) = run(&host, arguments) else { panic!("it waits") };
    assert_eq!(deferral.trigger, DagRunTrigger::ended("reports", RunSelector::RunId("mine".into())).into());
    host.change_dag_run("reports", "mine", |run| run.state = RunState::Success);
    assert_eq!(host.resume::<Operator>(deferral.state, Event::Fired(json!(null))), Ok(Outcome::done()));
}

#[test]
fn which_states_are_good_is_the_documents_to_say() {
    let host = host();
    let state = wait(
        &host,
        json!({ "trigger_run_id": "mine", "wait_for_completion": true, "poke_interval": 5,
                "allowed_states": ["success", "failed"], "failed_states": [] }),
    );
    host.change_dag_run("reports", "mine", |run| run.state = RunState::Failed);
    assert_eq!(host.resume::<Operator>(state, Event::Fired(json!(null))), Ok(Outcome::done()));
    let state = wait(
        &host,
        json!({ "trigger_run_id": "other", "wait_for_completion": true, "poke_interval": 5, "failed_states": [] }),
    );
    host.change_dag_run("reports", "other", |run| run.state = RunState::Failed);
    let error = host.resume::<Operator>(state, Event::Fired(json!(null))).unwrap_err();
    assert!(error.message.contains("neither among"), "{error}");
}

#[test]
fn it_says_what_it_is() {
    let description = Operator::describe();
    assert_eq!(description.name, "trigger-dag-run");
    assert_eq!(description.arguments_schema["required"], json!(["trigger_dag_id"]));
}
