use std::time::Duration;

use airlock_sdk::http::{DEFAULT_REDIRECTS, HttpError, Request};
use airlock_sdk::testing::{Answer, Host};

use super::*;

fn answering(answer: Answer) -> Host {
    Host::new().with_http(move |_| Ok(answer.clone()))
}

/// The request that arguments lead to.
fn request(arguments: Value) -> Request {
    let host = answering(Answer::new(200, ""));
    host.execute::<Operator>(arguments).unwrap();
    host.requests().remove(0)
}

fn headers(request: &Request) -> Vec<(&str, &str)> {
    request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn the_text_of_the_response_is_the_result() {
    let host = answering(Answer::new(200, "fine"));
    let outcome = host.execute::<Operator>(json!({ "endpoint": "health", "method": "get" }));
    assert_eq!(outcome, Ok(Outcome::Success(Some(json!("fine")))));
    assert_eq!(host.messages(), ["GET health", "health answered 200"]);
    let request = &host.requests()[0];
    assert_eq!((request.method.as_str(), request.conn_id.as_deref()), ("GET", Some("http_default")));
    assert_eq!(request.max_redirects, DEFAULT_REDIRECTS);
}

#[test]
fn the_connection_may_be_named_or_left_out() {
    assert_eq!(request(json!({ "endpoint": "/a", "http_conn_id": "api" })).conn_id.as_deref(), Some("api"));
    assert_eq!(request(json!({ "endpoint": "https://example.com/a" })).conn_id, None);
    assert_eq!(
        request(json!({ "endpoint": "https://example.com/a", "conn_id": "api" })).conn_id.as_deref(),
        Some("api")
    );
}

#[test]
fn data_is_the_query_of_a_get() {
    let data = json!({ "q": "a b&c", "tag": ["x", "y"], "n": 1, "none": null });
    let sent = request(json!({ "endpoint": "find?page=2#top", "method": "GET", "data": data }));
    assert_eq!(sent.url, "find?page=2&q=a+b%26c&tag=x&tag=y&n=1#top");
    assert_eq!(sent.body, None);
    assert_eq!(request(json!({ "endpoint": "find", "method": "GET", "data": "q=1" })).url, "find?q=1");
}

#[test]
fn bodies_are_texts_forms_or_json() {
    let text = request(json!({ "endpoint": "a", "data": "plain" }));
    assert_eq!((text.method.as_str(), text.body.as_deref()), ("POST", Some(b"plain".as_slice())));
    assert!(text.headers.is_empty());

    let form = request(json!({ "endpoint": "a", "data": { "x": "1 2" } }));
    assert_eq!(form.body.as_deref(), Some(b"x=1+2".as_slice()));
    assert_eq!(headers(&form), [("content-type", "application/x-www-form-urlencoded")]);

    let own = json!({ "Content-Type": "application/vnd.x+json" });
    let json = request(json!({ "endpoint": "a", "method": "PUT", "json": { "x": 1 }, "headers": own }));
    assert_eq!(json.body.as_deref(), Some(br#"{"x":1}"#.as_slice()));
    assert_eq!(headers(&json), [("Content-Type", "application/vnd.x+json")]);

    let both = json!({ "endpoint": "a", "data": "x", "json": 1 });
    assert!(!Host::new().execute::<Operator>(both).unwrap_err().retryable);
}

#[test]
fn options_reach_the_request() {
    let sent = request(json!({ "endpoint": "a", "extra_options": { "timeout": 1.5, "allow_redirects": false } }));
    assert_eq!((sent.timeout, sent.max_redirects), (Some(Duration::from_millis(1500)), 0));
    let negative = json!({ "endpoint": "a", "extra_options": { "timeout": -1 } });
    assert!(!Host::new().execute::<Operator>(negative).unwrap_err().retryable);
}

#[test]
fn a_filter_picks_the_result() {
    let host = answering(Answer::json(&json!({ "items": [{ "id": 7 }] })));
    let run = |filter: &str| host.execute::<Operator>(json!({ "endpoint": "a", "response_filter": filter }));
    assert_eq!(run("/items/0"), Ok(Outcome::Success(Some(json!({ "id": 7 })))));
    let error = run("/items/1").unwrap_err();
    assert_eq!(error.message, "the response to POST a: it has nothing at `/items/1`, which `response_filter` asks for");
    let error = answering(Answer::new(200, "<html>"))
        .execute::<Operator>(json!({ "endpoint": "a", "response_filter": "/items" }))
        .unwrap_err();
    assert!(error.message.contains("it is not JSON"), "{error}");
}

#[test]
fn a_wrong_response_fails_the_try() {
    let host = answering(Answer::new(503, "busy"));
    let error = host.execute::<Operator>(json!({ "endpoint": "a" })).unwrap_err();
    assert!(error.retryable);
    assert_eq!(error.message, "the response to POST a is not what was expected: its status is 503: busy");
    let allowed = json!({ "endpoint": "a", "response_check": { "status": [503] }, "log_response": true });
    assert_eq!(host.execute::<Operator>(allowed), Ok(Outcome::Success(Some(json!("busy")))));
    assert_eq!(host.messages().last().unwrap(), "busy");
    let unchecked = json!({ "endpoint": "a", "extra_options": { "check_response": false } });
    assert!(host.execute::<Operator>(unchecked).is_ok());
}

#[test]
fn a_busy_server_names_the_time_of_the_next_try() {
    let delay = |status, value: &str| {
        let host = answering(Answer::new(status, "busy").header("retry-after", value));
        host.execute::<Operator>(json!({ "endpoint": "a" })).unwrap_err().retry_after
    };
    assert_eq!(delay(429, "7"), Some(Duration::from_secs(7)));
    assert_eq!(delay(503, " 120 "), Some(Duration::from_secs(120)));
    assert_eq!(delay(503, "0"), None);
    assert_eq!(delay(503, "Fri, 31 Dec 1999 23:59:59 GMT"), None);
    assert_eq!(delay(404, "7"), None, "it is not about time");
}

#[test]
fn what_the_host_refuses_is_passed_on() {
    let host = Host::new().with_http(|_| Err(HttpError::Denied("http:example.com is not granted".into())));
    let error = host.execute::<Operator>(json!({ "endpoint": "https://example.com" })).unwrap_err();
    assert_eq!(error.message, "denied: http:example.com is not granted");
}
