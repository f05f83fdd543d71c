//! HTTP requests by the host, with a connection's credentials where one is named.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The egress policy or a missing grant; the text names it.
    #[error("denied: {0}")]
    Denied(String),
    /// No connection has this id.
    #[error("connection not found: {0}")]
    ConnectionNotFound(String),
    /// The method, URL, a header or the body is not valid; the text says which.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// The name could not be resolved.
    #[error("cannot resolve the host: {0}")]
    Dns(String),
    /// There is no way to the host.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The other side could not be trusted.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The exchange took too long.
    #[error("the request took too long")]
    Timeout,
    /// A body or header is larger than the limit, in bytes.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// Anything else, in the host's words.
    #[error("{0}")]
    Other(String),
}

/// How many redirects a request follows unless it says otherwise.
pub const DEFAULT_REDIRECTS: u32 = 10;

/// A request to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The connection whose base URL, headers and credentials are used.
    pub conn_id: Option<String>,
    /// `GET`, `POST` ...
    pub method: String,
    /// An absolute URL or, with a connection, a path below the connection's base URL.
    pub url: String,
    /// Names and values, in this order.
    pub headers: Vec<(String, String)>,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
    /// For the whole exchange; none takes the host's default.
    pub timeout: Option<Duration>,
    /// Follow up to this many redirects; 0 hands the redirect back.
    pub max_redirects: u32,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            conn_id: None,
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            timeout: None,
            max_redirects: DEFAULT_REDIRECTS,
        }
    }

    /// A `GET` request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST` request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Uses a connection's base URL, headers and credentials.
    #[must_use]
    pub fn connection(mut self, conn_id: impl Into<String>) -> Self {
        self.conn_id = Some(conn_id.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the body to a JSON text, and says so in a header.
    ///
    /// # Errors
    /// If the value cannot be JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Self, HttpError> {
        let body = serde_json::to_vec(value).map_err(|error| HttpError::InvalidRequest(error.to_string()))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Limits the time of the whole exchange.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request.
    ///
    /// # Errors
    /// If no answer came. An answer with an error status is an answer: see [`Response::error_for_status`].
    pub fn send(self) -> Result<Response, HttpError> {
        host::http::send(self).map(Response)
    }
}

/// A response whose body is read as it comes.
pub struct Response(host::http::Response);

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    /// Names in lower case, in the order received.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.0.headers()
    }

    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Where the response came from, after redirects.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Turns a status of 400 and above into an error.
    ///
    /// # Errors
    /// With the status and URL.
    pub fn error_for_status(self) -> Result<Self, HttpError> {
        let status = self.status();
        if status >= 400 { Err(HttpError::Other(format!("{} answered {status}", self.url()))) } else { Ok(self) }
    }

    /// The next bytes of the body, at most `max`; empty at the end.
    ///
    /// # Errors
    /// If the connection breaks, or the body passes a limit.
    pub fn chunk(&mut self, max: u32) -> Result<Vec<u8>, HttpError> {
        self.0.read(max)
    }

    /// The whole body.
    ///
    /// # Errors
    /// If the connection breaks, or the body passes a limit.
    pub fn bytes(mut self) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk(CHUNK)?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// If the body cannot be read, or is not UTF-8.
    pub fn text(self) -> Result<String, HttpError> {
        let url = self.url();
        String::from_utf8(self.bytes()?).map_err(|error| HttpError::Other(format!("the body of {url}: {error}")))
    }

    /// The whole body, read as JSON.
    ///
    /// # Errors
    /// If the body cannot be read, or is not JSON that fits `T`.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, HttpError> {
        let url = self.url();
        serde_json::from_slice(&self.bytes()?)
            .map_err(|error| HttpError::Other(format!("the body of {url} is not the JSON that was expected: {error}")))
    }
}

/// Bytes asked for in one call: well below the host's limit for one call.
const CHUNK: u32 = 64 * 1024;

impl io::Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.chunk(buffer.len().min(CHUNK as usize) as u32).map_err(io::Error::other)?;
        buffer[..chunk.len()].copy_from_slice(&chunk);
        Ok(chunk.len())
    }
}
