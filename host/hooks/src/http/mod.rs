//! HTTP requests.

mod base;
mod response;

use std::time::Duration;

use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::http::{HttpError, HttpHook, HttpRequest, HttpResponse};
use airlock_sandbox::capability::task::Connection;
use airlock_sandbox::egress::check_host;
use async_trait::async_trait;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::Hooks;
use crate::connection::Secrets;
use crate::pinned::{Cause, cause, check_url_address};
use base::Base;
use response::Response;

/// The types of connection that speak HTTP.
pub(crate) const TYPES: [&str; 2] = ["http", "https"];

/// Headers that belong to the connection itself, or that would let a guest speak for another host.
const RESERVED_HEADERS: [HeaderName; 8] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
];

/// Headers that must not follow a redirect to another origin, whoever set them.
const CREDENTIAL_HEADERS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

#[async_trait]
impl HttpHook for Hooks {
    #[tracing::instrument(
        name = "hooks.http.send",
        skip_all,
        fields(tenant.id = %caller.tenant, conn.id = request.conn_id, http.method = request.method)
    )]
    async fn send(&self, caller: &Caller, request: HttpRequest) -> Result<Box<dyn HttpResponse>, HttpError> {
        let connection = match &request.conn_id {
            Some(conn_id) => Some(self.find(caller, conn_id).await?),
            None => None,
        };
        self.exchange(caller, connection.as_ref(), request).await
    }
}

/// One request of an exchange: the first, or what a redirect made of it.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<bytes::Bytes>,
}

impl Hooks {
    async fn exchange(
        &self,
        caller: &Caller,
        connection: Option<&Connection>,
        request: HttpRequest,
    ) -> Result<Box<dyn HttpResponse>, HttpError> {
        let secrets = connection.map(Secrets::of).unwrap_or_default();
        let timeout = request.timeout.unwrap_or(self.options.http_timeout);
        let deadline =
            Instant::now().checked_add(timeout).unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        let base = connection.map(Base::of).transpose().map_err(HttpError::InvalidRequest)?;
        let client = self.client(caller).map_err(HttpError::Other)?;
        let mut hop = first_hop(base.as_ref(), request.method, &request.url, &request.headers, request.body)?;
        let mut redirects = 0;
        loop {
            permit(caller, base.as_ref(), &hop.url)?;
            let mut sent = client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
            if let Some(body) = &hop.body {
                sent = sent.body(body.clone());
            }
            let response = timeout_at(deadline, sent.send())
                .await
                .map_err(|_| HttpError::Timeout)?
                .map_err(|error| http_error(&error, &secrets))?;
            let Some(next) = redirect_target(&hop.url, &response)? else {
                return Ok(Box::new(Response::new(response, deadline, secrets)));
            };
            if request.max_redirects == 0 {
                return Ok(Box::new(Response::new(response, deadline, secrets)));
            }
            if redirects >= request.max_redirects {
                return Err(HttpError::Other(format!(
                    "more than {redirects} redirects; the last leads to {}",
                    shown(&next)
                )));
            }
            redirects += 1;
            hop = redirected(hop, next, response.status());
        }
    }

    /// Sends a request to the base URL of a connection that need not be stored.
    pub(crate) async fn test_http(&self, caller: &Caller, connection: &Connection) -> Result<String, HttpError> {
        let request = HttpRequest {
            conn_id: None,
            method: "GET".to_owned(),
            url: String::new(),
            headers: Vec::new(),
            body: None,
            timeout: None,
            max_redirects: 0,
        };
        let response = self.exchange(caller, Some(connection), request).await?;
        match response.status() {
            status @ 0..400 => Ok(format!("the server answers {status}")),
            status => Err(HttpError::Other(format!("the server answers {status}"))),
        }
    }
}

fn first_hop(
    base: Option<&Base>,
    method: String,
    url: &str,
    headers: &[(String, String)],
    body: Option<bytes::Bytes>,
) -> Result<Hop, HttpError> {
    let invalid = HttpError::InvalidRequest;
    let method = match Method::from_bytes(method.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) | Err(_) => {
            return Err(invalid(format!("`{method}` is no method to send")));
        }
        Ok(method) => method,
    };
    let (url, mut all) = match base {
        Some(base) => (base.join(url).map_err(invalid)?, base.headers.clone()),
        None => (absolute(url).map_err(invalid)?, HeaderMap::new()),
    };
    let mut own = HeaderMap::new();
    for (name, value) in headers {
        let (name, value) = base::header(name, value).map_err(invalid)?;
        if RESERVED_HEADERS.contains(&name) {
            return Err(invalid(format!("the header `{name}` is the host's to set")));
        }
        own.append(name, value);
    }
    // A header of the request takes the place of the connection's.
    for name in own.keys() {
        all.remove(name);
    }
    all.extend(own);
    Ok(Hop { method, url, headers: all, body })
}

/// An absolute URL of a request without a connection.
fn absolute(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| {
        format!("`{text}` is no absolute URL ({error}); a path alone needs a connection, whose base URL it follows")
    })?;
    base::check_scheme(&url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL must hold no login or password; use a connection".to_owned());
    }
    Ok(url)
}

/// The connection's own origin needs no grant but the one to use it; any other host does, and must be on the allow-list.
fn permit(caller: &Caller, base: Option<&Base>, url: &Url) -> Result<(), HttpError> {
    let host = url.host_str().unwrap_or_default();
    if !base.is_some_and(|base| base.url.origin() == url.origin()) {
        caller.require(&format!("http:{host}")).map_err(HttpError::Denied)?;
        check_host(&caller.egress, host).map_err(HttpError::Denied)?;
    }
    check_url_address(&caller.egress, url).map_err(HttpError::Denied)
}

/// Where a response redirects to, if it does.
fn redirect_target(from: &Url, response: &reqwest::Response) -> Result<Option<Url>, HttpError> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(header::LOCATION).filter(|_| redirects) else { return Ok(None) };
    let invalid = |why: &str| HttpError::Other(format!("{} redirects to what is no URL: {why}", shown(from)));
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| invalid("it is not UTF-8"))?;
    let next = from.join(location).map_err(|error| invalid(&error.to_string()))?;
    base::check_scheme(&next).map_err(|why| invalid(&why))?;
    Ok(Some(next))
}

fn redirected(hop: Hop, next: Url, status: StatusCode) -> Hop {
    let Hop { mut method, url, mut headers, mut body } = hop;
    let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    // As browsers do, and all clients by now.
    if !keeps_method && !matches!(method, Method::GET | Method::HEAD) {
        method = Method::GET;
        body = None;
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE] {
            headers.remove(name);
        }
    }
    if url.origin() != next.origin() {
        // Once dropped they stay so, even if a later redirect leads back. What a connection adds may be a credential under
        // any name.
        headers = headers
            .iter()
            .filter(|(name, value)| !CREDENTIAL_HEADERS.contains(name) && !value.is_sensitive())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
    }
    Hop { method, url: next, headers, body }
}

/// A URL in a message: its query may hold a secret.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

pub(super) fn http_error(error: &reqwest::Error, secrets: &Secrets) -> HttpError {
    match cause(error) {
        Cause::Denied(text) => HttpError::Denied(text),
        Cause::Dns(text) => HttpError::Dns(text),
        Cause::Tls(text) => HttpError::Tls(text),
        Cause::Connect(text) => HttpError::Connect(secrets.mask(&text)),
        Cause::Timeout => HttpError::Timeout,
        Cause::Other(text) => HttpError::Other(secrets.mask(&text)),
    }
}

/// A header value that is not shown, and does not follow a redirect to another origin.
fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
