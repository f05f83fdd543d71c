//! HTTP requests, answered by a function of the test.

use super::shared::Shared;
use crate::http::{HttpError, Request};

type Handler = Box<dyn FnMut(&Request) -> Result<Answer, HttpError> + Send>;

#[derive(Default)]
pub(super) struct Web {
    handler: Shared<Option<Handler>>,
    requests: Shared<Vec<Request>>,
}

/// What a test answers to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// An answer of JSON with the status 200.
    pub fn json(body: &serde_json::Value) -> Self {
        Self::new(200, body.to_string()).header("content-type", "application/json")
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl super::Host {
    /// Answers HTTP requests by a function. Without one, every request fails to connect.
    #[must_use]
    pub fn with_http(self, handler: impl FnMut(&Request) -> Result<Answer, HttpError> + Send + 'static) -> Self {
        *self.0.web.handler.lock() = Some(Box::new(handler));
        self
    }

    /// The requests that were made.
    pub fn requests(&self) -> Vec<Request> {
        self.0.web.requests.lock().clone()
    }
}

impl Web {
    pub fn answer(&self, request: Request) -> Result<Answer, HttpError> {
        let answer = match self.handler.lock().as_mut() {
            Some(handler) => handler(&request),
            None => Err(HttpError::Connect(format!("the test gave no `with_http` to answer {}", request.url))),
        };
        self.requests.lock().push(request);
        answer
    }
}
