//! Airflow's `HttpSensor`.

use std::collections::BTreeMap;

use airlock_sdk::http::Request;
use airlock_sdk::prelude::*;
use airlock_sdk::serde::Serialize;
use airlock_sdk::serde_json::{self, Map};
use airlock_sdk::{HttpTrigger, StatusSet};
use form_urlencoded::Serializer;

/// The request, and what its response has to be.
#[arguments]
#[derive(Serialize)]
struct HttpSensor {
    /// The connection, whose base URL, headers and credentials are used; `http_default` if neither this nor `http_conn_id` is
    /// given and the endpoint is no absolute URL.
    #[serde(default)]
    conn_id: Option<String>,
    /// Airflow's name for `conn_id`.
    #[serde(default)]
    http_conn_id: Option<String>,
    /// A path below the connection's base URL, or an absolute URL.
    endpoint: String,
    /// `GET`, `HEAD` ...
    #[serde(default = "get")]
    method: String,
    /// The query with `GET` and `HEAD`, and otherwise the body, as a form.
    #[serde(default)]
    request_params: Map<String, Value>,
    /// Headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What a response below 400 has to say: values by JSON pointer, such as `{"/job/state": "done"}`. A list is any of its values. Without
    /// it, the status is enough.
    #[serde(default)]
    response_check: BTreeMap<String, Value>,
    /// Statuses of 400 and above that mean "not yet"; any other fails the try.
    #[serde(default = "not_found")]
    response_error_codes_allowlist: Vec<Code>,
    /// Whether the host sends the request again and again, so that this sensor is not called before the response is there.
    #[serde(default)]
    deferrable: bool,
}

/// As Airflow writes it, or as a number.
#[arguments]
#[derive(Serialize)]
#[serde(untagged)]
enum Code {
    Number(u16),
    Text(String),
}

fn get() -> String {
    "GET".into()
}

fn not_found() -> Vec<Code> {
    vec![Code::Number(404)]
}

/// Waits until a request is answered as it should be.
///
/// While it is not, it asks to be called again, or with `deferrable` lets the host ask, and holds neither a slot nor memory.
#[operator(
    name = "http-sensor",
    kind = sensor,
    template_fields(conn_id, http_conn_id, endpoint, request_params, headers, response_check),
    resume = look_again
)]
fn http_sensor(arguments: HttpSensor) -> Result<Outcome> {
    let not_yet = arguments.not_yet()?;
    let request = arguments.request();
    let what = format!("{} {}", request.method, request.url);
    let response = request.send()?;
    let status = response.status();
    log::info!("{what}: {status}");
    if not_yet.contains(&status) {
        return arguments.wait(not_yet);
    }
    let body = response.bytes()?;
    if status >= 400 {
        let text: String = String::from_utf8_lossy(&body).chars().take(SHOWN_CHARACTERS).collect();
        return Err(Error::retry(format!("{what} was answered with the status {status}: {text}")));
    }
    match arguments.missing(&body) {
        None => Ok(Outcome::done()),
        Some(why) => {
            log::info!("{why}");
            arguments.wait(not_yet)
        }
    }
}

/// The host has seen the right response, or one that fails the try.
fn look_again(arguments: HttpSensor, event: Event) -> Result<Outcome> {
    match event {
        Event::Fired(_) => http_sensor(arguments),
        Event::TimedOut => Ok(Outcome::reschedule()),
        Event::Failed(reason) => Err(Error::fail(reason)),
    }
}

/// As much of an error's body as a message holds.
const SHOWN_CHARACTERS: usize = 500;

impl HttpSensor {
    fn request(&self) -> Request {
        let (url, body) = self.target();
        let absolute = url.starts_with("http://") || url.starts_with("https://");
        let named = self.conn_id.as_ref().or(self.http_conn_id.as_ref()).cloned();
        let mut request = Request::new(self.method.to_uppercase(), url);
        request.conn_id = named.or_else(|| (!absolute).then(|| "http_default".into()));
        request.headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(body) = body {
            if !self.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
                request.headers.push(("content-type".into(), "application/x-www-form-urlencoded".into()));
            }
            request.body = Some(body.into_bytes());
        }
        request
    }

    /// The URL with its query, and the body.
    fn target(&self) -> (String, Option<String>) {
        let mut form = Serializer::new(String::new());
        for (name, value) in &self.request_params {
            form.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let (form, url) = (form.finish(), self.endpoint.clone());
        match (form.is_empty(), matches!(self.method.to_uppercase().as_str(), "GET" | "HEAD")) {
            (true, _) => (url, None),
            (false, true) => (format!("{url}{}{form}", if url.contains('?') { '&' } else { '?' }), None),
            (false, false) => (url, Some(form)),
        }
    }

    fn not_yet(&self) -> Result<Vec<u16>> {
        let code = |code: &Code| match code {
            Code::Number(number) => Ok(*number),
            Code::Text(text) => text.trim().parse().map_err(|_| {
                Error::fail(format!("`{text}` in `response_error_codes_allowlist` is no status, such as 404"))
            }),
        };
        self.response_error_codes_allowlist.iter().map(code).collect()
    }

    /// What the response does not say yet.
    fn missing(&self, body: &[u8]) -> Option<String> {
        if self.response_check.is_empty() {
            return None;
        }
        let body: Value = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return Some(format!("the response is no JSON: {error}")),
        };
        let (pointer, _) = self
            .response_check
            .iter()
            .find(|(pointer, expected)| !body.pointer(pointer).is_some_and(|found| any_of(expected).contains(found)))?;
        Some(format!("at `{pointer}` there is {}", body.pointer(pointer).unwrap_or(&Value::Null)))
    }

    /// The host looks for one value: several are looked for by this sensor.
    fn wait(self, not_yet: Vec<u16>) -> Result<Outcome> {
        if !self.deferrable || self.response_check.len() > 1 {
            return Ok(Outcome::reschedule());
        }
        let request = self.request();
        let mut trigger = HttpTrigger {
            conn_id: request.conn_id,
            method: request.method,
            headers: request.headers,
            body: request.body.map(|body| String::from_utf8_lossy(&body).into_owned()),
            statuses: StatusSet::NoneOf(not_yet),
            ..HttpTrigger::get(request.url)
        };
        if let Some((pointer, expected)) = self.response_check.iter().next() {
            trigger = trigger.until_json(pointer, any_of(expected));
        }
        Outcome::defer(trigger, self)
    }
}

fn any_of(expected: &Value) -> Vec<Value> {
    match expected {
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    }
}

#[cfg(test)]
mod tests;
