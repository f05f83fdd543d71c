//! HTTP requests by the host. See `wit/http.wit`.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

use super::Caller;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("denied: {0}")]
    Denied(String),
    #[error("there is no connection `{0}`")]
    ConnectionNotFound(String),
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    #[error("name resolution failed: {0}")]
    Dns(String),
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("the request took too long")]
    Timeout,
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    #[error("{0}")]
    Other(String),
}

#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub conn_id: Option<String>,
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
    pub timeout: Option<Duration>,
    pub max_redirects: u32,
}

/// A response whose body is read as it comes.
#[async_trait]
pub trait HttpResponse: Send {
    fn status(&self) -> u16;
    fn headers(&self) -> &[(String, String)];
    fn url(&self) -> &str;
    /// At most `max` bytes; empty at the end.
    async fn read(&mut self, max: usize) -> Result<Bytes, HttpError>;
}

#[async_trait]
pub trait HttpHook: Send + Sync {
    /// Checks `http:<host>` for each address asked, redirects included; a named connection needs `connections:use:<id>`.
    async fn send(&self, caller: &Caller, request: HttpRequest) -> Result<Box<dyn HttpResponse>, HttpError>;
}
