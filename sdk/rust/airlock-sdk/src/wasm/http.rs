use super::wit::http as wit;
use crate::http::{HttpError, Request};

fn error(error: wit::HttpError) -> HttpError {
    match error {
        wit::HttpError::Denied(text) => HttpError::Denied(text),
        wit::HttpError::ConnectionNotFound(text) => HttpError::ConnectionNotFound(text),
        wit::HttpError::InvalidRequest(text) => HttpError::InvalidRequest(text),
        wit::HttpError::Dns(text) => HttpError::Dns(text),
        wit::HttpError::Connect(text) => HttpError::Connect(text),
        wit::HttpError::Tls(text) => HttpError::Tls(text),
        wit::HttpError::Timeout => HttpError::Timeout,
        wit::HttpError::TooLarge(limit) => HttpError::TooLarge(limit),
        wit::HttpError::Other(text) => HttpError::Other(text),
    }
}

pub fn send(request: Request) -> Result<Response, HttpError> {
    let request = wit::Request {
        conn_id: request.conn_id,
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: request.body,
        timeout_ms: request.timeout.map(|timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)),
        max_redirects: request.max_redirects,
    };
    wit::send(&request).map(Response).map_err(error)
}

pub struct Response(wit::Response);

impl Response {
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    pub fn headers(&self) -> Vec<(String, String)> {
        self.0.headers()
    }

    pub fn url(&self) -> String {
        self.0.url()
    }

    pub fn read(&mut self, max: u32) -> Result<Vec<u8>, HttpError> {
        self.0.read(max).map_err(error)
    }
}
