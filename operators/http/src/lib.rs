//! Airflow's `HttpOperator`.

mod check;
mod request;

use std::collections::BTreeMap;
use std::time::Duration;

use airlock_sdk::prelude::*;
use airlock_sdk::serde_json::{self, Map};

use check::ResponseCheck;

/// The request, and what becomes of the response.
#[arguments]
struct Http {
    /// The connection, whose base URL, headers and credentials are used; `http_default` if neither this nor `http_conn_id` is
    /// given and the endpoint is no absolute URL.
    #[serde(default)]
    conn_id: Option<String>,
    /// Airflow's name for `conn_id`.
    #[serde(default)]
    http_conn_id: Option<String>,
    /// A path below the connection's base URL, or an absolute URL.
    #[serde(default)]
    endpoint: String,
    /// `GET`, `POST`, `PUT` ...
    #[serde(default = "post")]
    method: String,
    /// With `GET` and `HEAD` the query, an object of values. With any other method the body: a text as it is, or an object as a form.
    #[serde(default)]
    data: Option<Data>,
    /// The body, sent as JSON. Excludes `data` unless that is the query.
    #[serde(default)]
    json: Option<Value>,
    /// Headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What the response has to fulfil; without it, a status below 400.
    #[serde(default)]
    response_check: ResponseCheck,
    /// A JSON pointer (RFC 6901), such as `/items/0/id`: the part of the response that becomes the result. Without it the
    /// result is the whole response, as text.
    #[serde(default)]
    response_filter: Option<String>,
    /// Whether the response is logged.
    #[serde(default)]
    log_response: bool,
    /// How the request is made.
    #[serde(default)]
    extra_options: ExtraOptions,
}

#[arguments]
#[serde(untagged)]
enum Data {
    Text(String),
    Fields(Map<String, Value>),
}

/// How the request is made.
#[arguments]
#[derive(Default)]
struct ExtraOptions {
    /// Seconds for the whole exchange; by default the host's.
    #[serde(default)]
    timeout: Option<f64>,
    /// Whether redirects are followed; true by default.
    #[serde(default)]
    allow_redirects: Option<bool>,
    /// Whether a status of 400 or above fails the try, where `response_check` says nothing of the status; true by default.
    #[serde(default)]
    check_response: Option<bool>,
}

/// How much of a response is logged: a large one must not use up the task's log.
const LOGGED_CHARACTERS: usize = 64 * 1024;

fn post() -> String {
    "POST".into()
}

/// Makes an HTTP request.
///
/// The host makes it, with the credentials of a connection. The text of the response, or what `response_filter` finds in it,
/// becomes the XCom `return_value`. If a server answers 429 or 503 with the seconds after which it wants to be asked again
/// (`Retry-After`), the next try waits for as long, whatever the task's `retry_delay` is.
#[operator(name = "http", template_fields(conn_id, http_conn_id, endpoint, data, json, headers, response_filter))]
fn http(arguments: Http) -> Result<Value> {
    let request = arguments.request()?;
    let what = format!("{} {}", request.method, request.url);
    log::info!("{what}");
    let response = request.send()?;
    let status = response.status();
    log::info!("{} answered {status}", response.url());
    let retry_after = named_delay(status, response.header("retry-after").as_deref());
    // As in Airflow, what is no UTF-8 is no error: often nobody wants more than the status.
    let body = String::from_utf8_lossy(&response.bytes()?).into_owned();
    if arguments.log_response {
        log::info!("{}", check::shortened(&body, LOGGED_CHARACTERS));
    }
    let check_status = arguments.extra_options.check_response.unwrap_or(true);
    if let Some(reason) = arguments.response_check.refuses(status, &body, check_status)? {
        let error = Error::retry(format!("the response to {what} is not what was expected: {reason}"));
        return Err(match retry_after {
            Some(delay) => error.after(delay),
            None => error,
        });
    }
    match &arguments.response_filter {
        None => Ok(body.into()),
        Some(pointer) => filter(&body, pointer).map_err(|error| error.context(format!("the response to {what}"))),
    }
}

/// When a server that is busy wants to be asked again (RFC 9110, 10.2.3), if it says so in seconds. No delay at all is no wish: the
/// task's own delay is better than to use up its tries at once.
fn named_delay(status: u16, retry_after: Option<&str>) -> Option<Duration> {
    let seconds = retry_after.filter(|_| matches!(status, 429 | 503))?.trim().parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn filter(body: &str, pointer: &str) -> Result<Value> {
    let mut value: Value = serde_json::from_str(body)
        .map_err(|error| Error::retry(format!("it is not JSON, so `response_filter` cannot be applied: {error}")))?;
    let part = value.pointer_mut(pointer).map(Value::take);
    part.ok_or_else(|| Error::retry(format!("it has nothing at `{pointer}`, which `response_filter` asks for")))
}

#[cfg(test)]
mod tests;
