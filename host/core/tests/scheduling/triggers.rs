//! What a trigger waits for, what an answer means, and when to look next.

use airlock_core::state::{RunState, TaskState};
use airlock_core::trigger::{Answer, KeyMatching, KeyPattern, Looked, Trigger, faults, first_look, next_look};
use serde_json::{Value, json};

use crate::cases::Moment;

fn now() -> Moment {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn trigger(kind: &str, arguments: Value) -> Trigger {
    serde_json::from_value(json!({ "kind": kind, "arguments": arguments })).unwrap()
}

fn http(statuses: Value, expect: Value) -> Trigger {
    let arguments = json!({ "conn_id": "api", "method": "GET", "url": "/job", "headers": [], "statuses": statuses, "expect": expect });
    trigger("http", arguments)
}

fn objects(keys: &[&str], matching: &str) -> Trigger {
    trigger("objects", json!({ "conn_id": "lake", "bucket": null, "keys": keys, "matching": matching }))
}

fn sql(until: &str) -> Trigger {
    trigger("sql", json!({ "conn_id": "db", "statement": "select 1", "parameters": [], "until": until }))
}

fn dag_run(states: &[&str]) -> Trigger {
    trigger("dag_run", json!({ "dag_id": "sales", "run": { "run_id": "r1" }, "states": states }))
}

fn tasks(all_in: &[&str], any_in: &[&str]) -> Trigger {
    trigger(
        "tasks",
        json!({ "dag_id": "sales", "run": { "logical_date": "2026-01-01T00:00:00Z" }, "task_ids": ["a", "b"],
            "all_in": all_in, "any_in": any_in }),
    )
}

/// The payload, or what was seen in its place.
fn outcome(answer: Answer) -> Result<Value, String> {
    match answer {
        Answer::Fired { payload, .. } => Ok(payload),
        Answer::NotYet(saw) => Err(saw),
    }
}

#[test]
fn a_response_ends_the_wait_by_status_and_body() {
    let done = json!({ "pointer": "/state", "one_of": ["done", 7] });
    let truthy = json!({ "pointer": "", "one_of": [] });
    let cases: &[(Value, Value, u16, Option<&str>, Result<Value, &str>)] = &[
        (json!({ "one_of": [200] }), json!(null), 200, Some("x"), Ok(json!({ "status": 200, "body": "x" }))),
        (json!({ "one_of": [200] }), json!(null), 200, None, Ok(json!({ "status": 200, "body": null }))),
        (json!({ "one_of": [200] }), json!(null), 404, None, Err("status 404")),
        (json!({ "none_of": [404] }), json!(null), 404, None, Err("status 404")),
        (json!({ "none_of": [404] }), json!(null), 500, None, Ok(json!({ "status": 500, "body": null }))),
        (json!({ "none_of": [404] }), done.clone(), 500, Some("no"), Ok(json!({ "status": 500, "body": "no" }))),
        (
            json!({ "one_of": [200] }),
            done.clone(),
            200,
            Some(r#"{"state":"done"}"#),
            Ok(json!({ "status": 200, "body": r#"{"state":"done"}"# })),
        ),
        (
            json!({ "one_of": [200] }),
            done.clone(),
            200,
            Some(r#"{"state":"new"}"#),
            Err("status 200, and at `/state` there is \"new\""),
        ),
        (
            json!({ "one_of": [200] }),
            done.clone(),
            200,
            Some("{}"),
            Err("status 200, and at `/state` there is nothing"),
        ),
        (json!({ "one_of": [200] }), done, 200, None, Err("status 200, and the body is too large to be looked into")),
        (json!({ "one_of": [200] }), truthy.clone(), 200, Some("[]"), Err("status 200, and at `` there is []")),
        (json!({ "one_of": [200] }), truthy, 200, Some("[0]"), Ok(json!({ "status": 200, "body": "[0]" }))),
    ];
    for (statuses, expect, status, body, expected) in cases {
        let Trigger::Http(http) = http(statuses.clone(), expect.clone()) else { panic!("an HTTP trigger") };
        let answer = outcome(http.answer(*status, body.map(str::as_bytes)));
        assert_eq!(answer, expected.clone().map_err(str::to_owned), "{statuses} {expect} {status} {body:?}");
    }
}

#[test]
fn every_key_needs_an_object() {
    let Trigger::Objects(both) = objects(&["a", "b/"], "prefix") else { panic!("an objects trigger") };
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    assert_eq!(outcome(both.answer(vec![keys(&["a"]), keys(&[])])), Err("nothing at `b/`".to_owned()));
    assert_eq!(
        outcome(both.answer(vec![keys(&["a"]), keys(&["b/1", "b/2"])])),
        Ok(json!({ "keys": ["a", "b/1", "b/2"] }))
    );
}

#[test]
fn a_row_or_its_first_value_ends_the_wait() {
    let look = |until: &str, row: Option<(Vec<Value>, bool)>| {
        let Trigger::Sql(sql) = sql(until) else { panic!("an SQL trigger") };
        outcome(sql.answer(row))
    };
    assert_eq!(look("any_row", None), Err("no row".to_owned()));
    assert_eq!(look("any_row", Some((vec![json!(0)], false))), Ok(json!({ "row": [0] })));
    assert_eq!(look("first_value", Some((vec![json!(0)], false))), Err("a row, [0]".to_owned()));
    assert_eq!(look("first_value", Some((vec![json!(3), json!("x")], true))), Ok(json!({ "row": [3, "x"] })));
}

#[test]
fn runs_and_tasks_end_the_wait_by_their_states() {
    let run = |states: &[&str], run| {
        let Trigger::DagRun(of) = dag_run(states) else { panic!("a run trigger") };
        outcome(of.answer(run))
    };
    assert_eq!(run(&["success"], None), Err("there is no such run".to_owned()));
    assert_eq!(run(&["success"], Some(("r1", RunState::Running))), Err("the run `r1` is running".to_owned()));
    assert_eq!(run(&["success"], Some(("r1", RunState::Failed))), Err("the run `r1` is failed".to_owned()));
    assert_eq!(run(&["failed"], Some(("r1", RunState::Failed))), Ok(json!({ "run_id": "r1", "state": "failed" })));

    let (success, failed) = (Some(TaskState::Success), Some(TaskState::Failed));
    let look = |instances: &[(&str, Option<TaskState>)]| {
        let Trigger::Tasks(of) = tasks(&["success"], &["failed"]) else { panic!("a tasks trigger") };
        let instances: Vec<_> = instances.iter().map(|(task_id, state)| ((*task_id).to_owned(), *state)).collect();
        outcome(of.answer(Some(("r1", &instances))))
    };
    assert!(look(&[("a", success)]).is_err(), "`b` has no instance yet");
    assert!(look(&[("a", success), ("b", success), ("b", None)]).is_err(), "an instance of `b` is undecided");
    assert_eq!(
        look(&[("a", success), ("b", success), ("b", success)]),
        Ok(json!({ "run_id": "r1", "states": { "a": { "success": 1 }, "b": { "success": 2 } } }))
    );
    assert_eq!(look(&[("a", failed)]), Ok(json!({ "run_id": "r1", "states": { "a": { "failed": 1 } } })));
}

#[test]
fn what_can_never_fire_is_named() {
    let none: &[&str] = &[];
    let cases = [
        (http(json!({ "one_of": [] }), json!(null)), "names no status to wait for"),
        (http(json!({ "one_of": [99] }), json!(null)), "waits for the status 99, which HTTP does not have"),
        (
            http(json!({ "one_of": [200] }), json!({ "pointer": "x", "one_of": [] })),
            "has a JSON pointer that is neither",
        ),
        (objects(none, "exact"), "has 0 keys, and needs 1 to 100"),
        (objects(&["("], "regex"), "`(` is no valid pattern"),
        (dag_run(none), "names no state to wait for"),
        (dag_run(&["running"]), "waits for the state `running`; a trigger waits only for states that are an end"),
        (tasks(&["up_for_retry"], none), "waits for the state `up_for_retry`"),
        (trigger("posted_event", json!({ "name": "" })), "has a name that is empty"),
    ];
    for (trigger, expected) in cases {
        let found = faults(&trigger);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{trigger:?}: {found:?}");
    }
    for fine in [
        http(json!({ "none_of": [] }), json!(null)),
        objects(&["a*"], "wildcard"),
        sql("any_row"),
        tasks(&["removed"], none),
    ] {
        assert!(faults(&fine).is_empty(), "{fine:?}");
    }
}

#[test]
fn looks_come_by_interval_and_farther_apart_after_trouble() {
    let polled = |poll_ms: Value| {
        let mut written = serde_json::to_value(http(json!({ "one_of": [200] }), json!(null))).unwrap();
        written["arguments"]["poll_ms"] = poll_ms;
        serde_json::from_value::<Trigger>(written).unwrap()
    };
    let posted = trigger("posted_event", json!({ "name": "go" }));
    let cases = [
        (polled(json!(null)), 0, Looked::NotYet, Some(60)),
        (polled(json!(30_000)), 9, Looked::NotYet, Some(30)),
        (polled(json!(10)), 9, Looked::NotYet, Some(1)),
        (polled(json!(30_000)), 9, Looked::Trouble(1), Some(30)),
        (polled(json!(30_000)), 9, Looked::Trouble(3), Some(120)),
        (polled(json!(30_000)), 9, Looked::Trouble(40), Some(600)),
        (polled(json!(3_600_000)), 9, Looked::Trouble(2), Some(3_600)),
        (posted.clone(), 0, Looked::NotYet, Some(10)),
        (posted.clone(), 1, Looked::NotYet, None),
        (posted.clone(), 1, Looked::Trouble(2), Some(10)),
    ];
    for (trigger, looks, looked, expected) in cases {
        let next = next_look(&trigger, looks, looked, now()).map(|at| (at - now()).num_seconds());
        assert_eq!(next, expected, "{trigger:?} {looks} {looked:?}");
    }
    assert_eq!(next_look(&polled(json!(u64::MAX)), 0, Looked::NotYet, now()), None);
    assert_eq!(first_look(&posted, now()), Some(now()));
    assert_eq!(first_look(&Trigger::After { milliseconds: 1 }, now()), None);
}

#[test]
fn those_who_wait_are_found_by_what_happens() {
    assert_eq!(dag_run(&["success"]).topic().as_deref(), Some("run:sales:r1"));
    assert_eq!(tasks(&["success"], &[]).topic().as_deref(), Some("date:sales:1767225600000000"));
    assert_eq!(trigger("posted_event", json!({ "name": "go" })).topic().as_deref(), Some("event:go"));
    assert_eq!(sql("any_row").topic(), None);
}

#[test]
fn keys_match_as_in_python() {
    let cases = [
        (KeyMatching::Prefix, "a/", "a/b", true),
        (KeyMatching::Prefix, "a/", "b", false),
        (KeyMatching::Wildcard, "a/*.csv", "a/b/c.csv", true),
        (KeyMatching::Wildcard, "a/*.csv", "a/bxcsv", false),
        (KeyMatching::Wildcard, "a?c", "ac", false),
        (KeyMatching::Wildcard, "a[!bc]d", "axd", true),
        (KeyMatching::Wildcard, "a[]]", "a]", true),
        (KeyMatching::Wildcard, "a[b", "a[b", true),
        (KeyMatching::Regex, "a.c", "abcd", true),
        (KeyMatching::Regex, "b", "abc", false),
        (KeyMatching::Regex, "x|a", "abc", true),
    ];
    for (matching, pattern, key, expected) in cases {
        let matches = KeyPattern::new(pattern, matching).unwrap().unwrap().matches(key);
        assert_eq!(matches, expected, "{matching:?} {pattern} {key}");
    }
    assert!(KeyPattern::new("a", KeyMatching::Exact).unwrap().is_none(), "an exact key needs no listing");
    let prefix = |pattern, matching| KeyPattern::new(pattern, matching).unwrap().unwrap().prefix;
    assert_eq!(prefix("in/2026-*/x", KeyMatching::Wildcard), "in/2026-");
    assert_eq!(prefix("^in/ab*", KeyMatching::Regex), "in/a");
    assert_eq!(prefix("in/a|out", KeyMatching::Regex), "");
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let mut written = serde_json::to_value(http(json!({ "one_of": [200] }), json!(null))).unwrap();
    written["arguments"]["headers"] = json!([["Authorization", "Bearer s3cret"]]);
    written["arguments"]["body"] = json!("s3cret");
    let shown = serde_json::from_value::<Trigger>(written).unwrap().without_secrets();
    assert!(!serde_json::to_string(&shown).unwrap().contains("s3cret"), "{shown:?}");
}
