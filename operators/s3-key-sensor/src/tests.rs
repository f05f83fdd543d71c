use std::time::Duration;

use airlock_sdk::connections::Connection;
use airlock_sdk::testing::Host;

use super::*;

fn host() -> Host {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    Host::new()
        .with_object("lake", "landing", "2026-01-31/a.csv", "12345")
        .with_object_at("lake", "landing", "2026-01-31/b.csv", "1234567890", hour_ago)
        .with_bucket("aws_default", "empty")
}

fn run(host: &Host, arguments: Value) -> Result<Outcome> {
    let mut arguments = arguments;
    if arguments.get("aws_conn_id").is_none() {
        arguments["conn_id"] = json!("lake");
    }
    host.execute::<Operator>(arguments)
}

fn found(keys: &[&str]) -> Result<Outcome> {
    Ok(Outcome::Success(Some(json!(keys))))
}

const A: &str = "s3://landing/2026-01-31/a.csv";
const B: &str = "s3://landing/2026-01-31/b.csv";

#[test]
fn one_key_by_url_or_by_bucket() {
    assert_eq!(run(&host(), json!({ "bucket_key": A })), found(&[A]));
    assert_eq!(run(&host(), json!({ "bucket_key": "2026-01-31/a.csv", "bucket_name": "landing" })), found(&[A]));
    let error = run(&host(), json!({ "bucket_key": A, "bucket_name": "landing" })).unwrap_err();
    assert!(error.message.contains("names a bucket"), "{error}");
}

#[test]
fn a_key_may_lie_in_the_connections_own_bucket() {
    let schema = Some("landing".into());
    let host = host().with_connection(Connection { conn_id: "lake".into(), schema, ..Connection::default() });
    assert_eq!(run(&host, json!({ "bucket_key": "2026-01-31/a.csv" })), found(&["2026-01-31/a.csv"]));
}

#[test]
fn what_is_missing_is_asked_for_again() {
    let host = host();
    let arguments = json!({ "bucket_key": [A, "s3://landing/2026-01-31/c.csv"] });
    assert_eq!(run(&host, arguments.clone()), Ok(Outcome::reschedule()));
    assert_eq!(host.messages().last().unwrap(), "s3://landing/2026-01-31/c.csv is not there yet");
    let host = host.with_object("lake", "landing", "2026-01-31/c.csv", "");
    assert_eq!(run(&host, arguments), found(&[A, "s3://landing/2026-01-31/c.csv"]));
}

#[test]
fn patterns_find_what_they_match() {
    let wildcard = |key: &str| run(&host(), json!({ "bucket_key": key, "wildcard_match": true }));
    assert_eq!(wildcard("s3://landing/2026-*/*.csv"), found(&[A, B]));
    assert_eq!(wildcard("s3://landing/2026-*/[b-z].csv"), found(&[B]));
    assert_eq!(wildcard("s3://landing/*.json"), Ok(Outcome::reschedule()));
    let regex = |key: &str| run(&host(), json!({ "bucket_key": key, "use_regex": true }));
    assert_eq!(regex("s3://landing/2026-\\d\\d-31/a"), found(&[A]));
    assert!(regex("s3://landing/(").unwrap_err().message.contains("no valid pattern"));
    let both = json!({ "bucket_key": A, "use_regex": true, "wildcard_match": true });
    assert!(!run(&host(), both).unwrap_err().retryable);
}

#[test]
fn a_pattern_looks_at_every_page() {
    let mut host = Host::new();
    for number in 0..2500 {
        host = host.with_object("lake", "landing", &format!("{number:04}"), "");
    }
    assert_eq!(
        run(&host, json!({ "bucket_key": "s3://landing/249[89]", "wildcard_match": true })),
        found(&["s3://landing/2498", "s3://landing/2499"])
    );
    let Ok(Outcome::Success(Some(Value::Array(all)))) =
        run(&host, json!({ "bucket_key": "s3://landing/*", "wildcard_match": true }))
    else {
        panic!("everything is there");
    };
    assert_eq!(all.len(), RESULT_KEYS);
}

#[test]
fn every_object_found_is_checked() {
    let check =
        |check: Value| run(&host(), json!({ "bucket_key": "s3://landing/*", "wildcard_match": true, "check": check }));
    assert_eq!(check(json!({ "min_size": 5, "max_size": 10 })), found(&[A, B]));
    assert_eq!(check(json!({ "min_size": 6 })), Ok(Outcome::reschedule()));
    assert_eq!(check(json!({ "min_age": 60 })), Ok(Outcome::reschedule()));
    assert!(check(json!({ "biggest": 60 })).unwrap_err().message.contains("unknown field `biggest`"));
}

#[test]
fn the_connection_has_airflows_default() {
    let arguments = json!({ "bucket_key": "s3://empty/a", "aws_conn_id": "aws_default" });
    assert_eq!(run(&host(), arguments), Ok(Outcome::reschedule()));
    assert_eq!(host().execute::<Operator>(json!({ "bucket_key": "s3://empty/a" })), Ok(Outcome::reschedule()));
    let error = host().execute::<Operator>(json!({ "bucket_key": "s3://a/b", "conn_id": "other" })).unwrap_err();
    assert_eq!(error.message, "connection not found: other");
}

#[test]
fn a_bucket_that_is_not_there_is_an_error() {
    let error = run(&host(), json!({ "bucket_key": "s3://nowhere/*", "wildcard_match": true })).unwrap_err();
    assert!(error.retryable);
    assert!(error.message.contains("nowhere"), "{error}");
}

#[test]
fn what_is_missing_may_be_left_to_the_host() {
    let host = host();
    let arguments = json!({ "bucket_key": "s3://landing/2026-*/c.csv", "wildcard_match": true, "deferrable": true });
    let Ok(Outcome::Defer(deferral)) = run(&host, arguments) else { panic!("it defers") };
    let expected = ObjectsTrigger::key("lake", "2026-*/c.csv").bucket("landing").matching(KeyMatching::Wildcard);
    assert_eq!(deferral.trigger, expected.into());
    let host = host.with_object("lake", "landing", "2026-01-31/c.csv", "");
    let fired = host.resume::<Operator>(deferral.state.clone(), Event::Fired(json!({})));
    assert_eq!(fired, found(&["s3://landing/2026-01-31/c.csv"]));
    assert_eq!(host.resume::<Operator>(deferral.state.clone(), Event::TimedOut), Ok(Outcome::reschedule()));
    let error = host.resume::<Operator>(deferral.state, Event::Failed("no grant".into())).unwrap_err();
    assert_eq!(error, Error::fail("no grant"));
}
