//! The HTTP API from the client's side.

mod credentials;
mod problem;

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, StatusCode};
use serde_json::Value;

pub use credentials::{Credentials, login_file, read, remember, server_file};

use crate::config::Config;
use crate::failure::Failure;

/// A connection to one server, with one token.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// How long a request may take that is not a stream or an upload.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Client {
    /// With the server and the token of the configuration, of `airlock login`, or of a server that keeps its files here.
    pub fn new(config: &Config) -> Result<Self> {
        let Credentials { url, token } = credentials::find(config)?;
        Self::with(&url, token)
    }

    pub fn with(url: &str, token: Option<String>) -> Result<Self> {
        let parsed = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if parsed.is_none() {
            return Err(
                Failure::usage(format!("`{url}` is not the URL of a server, such as http://127.0.0.1:8080")).into()
            );
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("airlock/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), token })
    }

    pub fn url(&self) -> &str {
        &self.base
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.json(self.request(Method::GET, path).timeout(TIMEOUT)).await
    }

    /// None for 404.
    pub async fn find(&self, path: &str) -> Result<Option<Value>> {
        let response = self.answered(self.request(Method::GET, path).timeout(TIMEOUT)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(self.accepted(response).await?))
    }

    /// Every item of a list, page by page. `path` may have a query.
    pub async fn list(&self, path: &str, member: &str) -> Result<Vec<Value>> {
        const PAGE: usize = 100;
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        loop {
            let mut page = self.get(&format!("{path}{joint}limit={PAGE}&offset={}", items.len())).await?;
            let total = page.get("total_entries").and_then(Value::as_u64).unwrap_or_default();
            let Some(Value::Array(found)) = page.get_mut(member).map(Value::take) else {
                return Err(Failure::new(format!("the server's answer to {path} has no list `{member}`")).into());
            };
            let done = found.is_empty();
            items.extend(found);
            if done || items.len() as u64 >= total {
                return Ok(items);
            }
        }
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        self.json(self.request(method, path).timeout(TIMEOUT).json(body)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::POST, path, body).await
    }

    pub async fn delete(&self, path: &str) -> Result<()> {
        self.json(self.request(Method::DELETE, path).timeout(TIMEOUT)).await.map(drop)
    }

    /// Sends a document as it is.
    pub async fn put_text(&self, path: &str, content_type: &str, text: String) -> Result<Value> {
        self.json(self.request(Method::PUT, path).timeout(TIMEOUT).header("content-type", content_type).body(text))
            .await
    }

    /// Every fault of a DAG document.
    pub async fn validate(&self, document: String) -> Result<Vec<Value>> {
        let request = self.request(Method::POST, "/api/v2/dags/validate").timeout(TIMEOUT);
        let response = self.answered(request.header("content-type", "application/json").body(document)).await?;
        if response.status() != StatusCode::UNPROCESSABLE_ENTITY {
            return self.accepted(response).await.map(|_| Vec::new());
        }
        let mut problem: Value =
            response.json().await.with_context(|| format!("{} broke off its answer", self.base))?;
        Ok(problem.get_mut("errors").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
    }

    /// Sends bytes of any length; the server may take its time.
    pub async fn post_bytes(&self, path: &str, content_type: &str, bytes: Vec<u8>) -> Result<Value> {
        let request = self.request(Method::POST, path).timeout(TIMEOUT * 10);
        self.json(request.header("content-type", content_type).body(bytes)).await
    }

    /// Makes or replaces: `PATCH` where the thing is there, `POST` to its collection where it is not.
    pub async fn upsert(&self, collection: &str, id: &str, body: &Value) -> Result<Value> {
        let one = format!("{collection}/{}", segment(id));
        if self.find(&one).await?.is_some() {
            self.send(Method::PATCH, &one, body).await
        } else {
            self.post(collection, body).await
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).header("accept", "application/json");
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let response = self.answered(request).await?;
        self.accepted(response).await
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        request.send().await.map_err(|error| {
            let why = if error.is_timeout() { "it did not answer in time".to_owned() } else { innermost(&error) };
            let hint = "start one with `airlock standalone`, or name yours with --url";
            Failure::new(format!("cannot reach the server {}: {why}", self.base)).hint(hint).into()
        })
    }

    async fn accepted(&self, response: reqwest::Response) -> Result<Value> {
        let status = response.status();
        let body = response.bytes().await.with_context(|| format!("{} broke off its answer", self.base))?;
        if !status.is_success() {
            return Err(problem::failure(status, &body, self.token.is_some()).into());
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).with_context(|| format!("{} answered something that is not JSON", self.base))
    }
}

/// A part of a path, safe for any id.
pub fn segment(text: &str) -> String {
    let mut url = url::Url::parse("http://x/").ok();
    if let Some(mut segments) = url.as_mut().and_then(|url| url.path_segments_mut().ok()) {
        segments.clear().push(text);
    }
    url.map(|url| url.path().trim_start_matches('/').to_owned()).unwrap_or_default()
}

/// A value in a query.
pub fn query(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The last cause says what happened: the others say that something happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn ids_are_safe_in_paths() {
        assert_eq!(segment("manual__2026-01-01T00:00:00+00:00"), "manual__2026-01-01T00:00:00+00:00");
        assert_eq!(segment("a/b c?d#e%"), "a%2Fb%20c%3Fd%23e%25");
        assert_eq!(segment("~"), "~");
    }
}
