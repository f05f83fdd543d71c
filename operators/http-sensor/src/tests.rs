use airlock_sdk::Trigger;
use airlock_sdk::testing::{Answer, Host};

use super::*;

fn answering(status: u16, body: &str) -> Host {
    let answer = Answer::new(status, body);
    Host::new().with_http(move |_| Ok(answer.clone()))
}

#[test]
fn it_waits_while_the_status_says_so() {
    let run = |status| answering(status, "no").execute::<Operator>(json!({ "endpoint": "/job" }));
    assert_eq!(run(200), Ok(Outcome::done()));
    assert_eq!(run(404), Ok(Outcome::reschedule()));
    let error = run(500).unwrap_err();
    assert!(error.retryable && error.message.contains("status 500: no"), "{error}");
    let host = answering(503, "");
    let arguments = json!({ "endpoint": "/job", "response_error_codes_allowlist": ["404", 503] });
    assert_eq!(host.execute::<Operator>(arguments), Ok(Outcome::reschedule()));
    let arguments = json!({ "endpoint": "/job", "response_error_codes_allowlist": ["soon"] });
    assert!(!host.execute::<Operator>(arguments).unwrap_err().retryable);
}

#[test]
fn it_waits_until_the_response_says_what_it_should() {
    let run = |body| {
        let check = json!({ "/state": ["done", "skipped"], "/errors": 0 });
        answering(200, body)
            .execute::<Operator>(json!({ "endpoint": "/job", "response_check": check, "deferrable": true }))
    };
    assert_eq!(run(r#"{"state": "done", "errors": 0}"#), Ok(Outcome::done()));
    assert_eq!(run(r#"{"state": "done", "errors": 1}"#), Ok(Outcome::reschedule()), "two values are no trigger");
    assert_eq!(run("<html>"), Ok(Outcome::reschedule()));
}

#[test]
fn parameters_are_the_query_or_the_body() {
    let request = |method: &str| {
        let host = answering(200, "");
        let arguments = json!({ "endpoint": "/job?a=1", "method": method, "request_params": { "day": "1/2", "n": 3 } });
        host.execute::<Operator>(arguments).unwrap();
        host.requests().remove(0)
    };
    let get = request("get");
    assert_eq!((get.url.as_str(), get.conn_id.as_deref()), ("/job?a=1&day=1%2F2&n=3", Some("http_default")));
    assert_eq!(request("POST").body.unwrap(), b"day=1%2F2&n=3");
}

#[test]
fn the_host_may_wait_in_its_place() {
    let host = answering(404, "");
    let arguments =
        json!({ "conn_id": "api", "endpoint": "/job", "response_check": { "/state": "done" }, "deferrable": true });
    let Ok(Outcome::Defer(deferral)) = host.execute::<Operator>(arguments) else { panic!("it defers") };
    let Trigger::Http(trigger) = deferral.trigger else { panic!("for a response") };
    assert_eq!((trigger.conn_id.as_deref(), trigger.url.as_str()), (Some("api"), "/job"));
    assert_eq!(trigger.statuses, StatusSet::NoneOf(vec![404]));
    assert_eq!(trigger.expect.unwrap().one_of, [json!("done")]);

    let done = answering(200, r#"{"state": "done"}"#);
    assert_eq!(done.resume::<Operator>(deferral.state.clone(), Event::Fired(json!({}))), Ok(Outcome::done()));
    assert_eq!(done.resume::<Operator>(deferral.state.clone(), Event::TimedOut), Ok(Outcome::reschedule()));
    let error = answering(500, "").resume::<Operator>(deferral.state, Event::Fired(json!({}))).unwrap_err();
    assert!(error.message.contains("status 500"), "{error}");
}
