//! The request that the arguments describe.

use std::time::Duration;

use airlock_sdk::http::Request;
use airlock_sdk::prelude::*;
use airlock_sdk::serde_json::Map;
use form_urlencoded::Serializer;

use crate::{Data, Http};

impl Http {
    pub fn request(&self) -> Result<Request> {
        let method = self.method.to_uppercase();
        let in_query = method == "GET" || method == "HEAD";
        let mut request = Request::new(method, self.endpoint.clone());
        request.conn_id = self.connection();
        request.headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        match (&self.data, &self.json) {
            (Some(Data::Fields(fields)), _) if in_query => add_query(&mut request.url, &form(fields)),
            (Some(Data::Text(query)), _) if in_query => add_query(&mut request.url, query),
            (Some(_), Some(_)) => {
                return Err(Error::fail("`data` and `json` exclude each other: a request has one body"));
            }
            (Some(Data::Text(text)), None) => request.body = Some(text.clone().into_bytes()),
            (Some(Data::Fields(fields)), None) => {
                add_header(&mut request, "content-type", "application/x-www-form-urlencoded");
                request.body = Some(form(fields).into_bytes());
            }
            (None, _) => {}
        }
        if let Some(json) = &self.json {
            add_header(&mut request, "content-type", "application/json");
            request.body = Some(json.to_string().into_bytes());
        }
        if let Some(seconds) = self.extra_options.timeout {
            let timeout = Duration::try_from_secs_f64(seconds);
            request.timeout = Some(timeout.map_err(|error| Error::fail(format!("`timeout` of {seconds}: {error}")))?);
        }
        if self.extra_options.allow_redirects == Some(false) {
            request.max_redirects = 0;
        }
        Ok(request)
    }

    fn connection(&self) -> Option<String> {
        let named = self.conn_id.as_ref().or(self.http_conn_id.as_ref()).cloned();
        let absolute = self.endpoint.starts_with("http://") || self.endpoint.starts_with("https://");
        named.or_else(|| (!absolute).then(|| "http_default".into()))
    }
}

/// What the arguments say themselves goes first.
fn add_header(request: &mut Request, name: &str, value: &str) {
    if !request.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
        request.headers.push((name.into(), value.into()));
    }
}

fn add_query(url: &mut String, query: &str) {
    if query.is_empty() {
        return;
    }
    let fragment = url.find('#').map(|start| url.split_off(start));
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(query);
    url.extend(fragment);
}

/// Fields as a form writes them. A list is one field several times, null is none.
fn form(fields: &Map<String, Value>) -> String {
    let mut form = Serializer::new(String::new());
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::Array(values) => {
                for value in values {
                    form.append_pair(name, &text(value));
                }
            }
            value => {
                form.append_pair(name, &text(value));
            }
        }
    }
    form.finish()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}
