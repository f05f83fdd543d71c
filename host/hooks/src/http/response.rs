//! A response whose body is read as it comes.

use airlock_sandbox::capability::http::{HttpError, HttpResponse};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::http_error;
use crate::connection::Secrets;

pub(super) struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    url: String,
    body: reqwest::Response,
    /// What came and was not asked for yet.
    rest: Bytes,
    /// Of the whole exchange.
    deadline: Instant,
    secrets: Secrets,
}

impl Response {
    pub(super) fn new(body: reqwest::Response, deadline: Instant, secrets: Secrets) -> Self {
        let headers = body.headers().iter();
        Self {
            status: body.status().as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            url: body.url().to_string(),
            body,
            rest: Bytes::new(),
            deadline,
            secrets,
        }
    }
}

#[async_trait]
impl HttpResponse for Response {
    fn status(&self) -> u16 {
        self.status
    }

    fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    fn url(&self) -> &str {
        &self.url
    }

    async fn read(&mut self, max: usize) -> Result<Bytes, HttpError> {
        while self.rest.is_empty() {
            let chunk = timeout_at(self.deadline, self.body.chunk())
                .await
                .map_err(|_| HttpError::Timeout)?
                .map_err(|error| http_error(&error, &self.secrets))?;
            match chunk {
                Some(chunk) => self.rest = chunk,
                None => break,
            }
        }
        Ok(self.rest.split_to(max.min(self.rest.len())))
    }
}
