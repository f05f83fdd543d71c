use std::time::Duration;

use airlock_telemetry::call_span;
use airlock_telemetry::trace::{self, traced};
use bytes::Bytes;
use url::Url;
use wasmtime::component::Resource;

use crate::bindings::airlock::operator::http::{Host, HostResponse, HttpError, Request};
use crate::capability::http::{self, HttpRequest, HttpResponse};
use crate::run::state::CallState;

/// A response whose body the guest reads as it comes.
pub struct Response(Box<dyn HttpResponse>);

impl From<http::HttpError> for HttpError {
    fn from(error: http::HttpError) -> Self {
        match error {
            http::HttpError::Denied(text) => Self::Denied(text),
            http::HttpError::ConnectionNotFound(id) => Self::ConnectionNotFound(id),
            http::HttpError::InvalidRequest(text) => Self::InvalidRequest(text),
            http::HttpError::Dns(text) => Self::Dns(text),
            http::HttpError::Connect(text) => Self::Connect(text),
            http::HttpError::Tls(text) => Self::Tls(text),
            http::HttpError::Timeout => Self::Timeout,
            http::HttpError::TooLarge(limit) => Self::TooLarge(limit),
            http::HttpError::Other(text) => Self::Other(text),
        }
    }
}

impl CallState {
    /// A request by way of a connection needs the connection; any other needs its host. The hook checks redirects.
    fn require_http(&self, request: &Request) -> Result<(), HttpError> {
        let capability = match &request.conn_id {
            Some(conn_id) => format!("connections:use:{conn_id}"),
            None => {
                let url = Url::parse(&request.url).map_err(|error| {
                    HttpError::InvalidRequest(format!("`{}` is no absolute URL: {error}", request.url))
                })?;
                let Some(host) = url.host_str() else {
                    return Err(HttpError::InvalidRequest(format!("the URL `{}` has no host", request.url)));
                };
                format!("http:{host}")
            }
        };
        self.caller.require(&capability).map_err(HttpError::Denied)
    }
}

impl Host for CallState {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Resource<Response>, HttpError>> {
        self.host_calls += 1;
        if let Err(error) = self.require_http(&request) {
            return Ok(Err(error));
        }
        // Who answers is what a trace may know: paths and queries carry what is nobody's business.
        let host = Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let span = call_span!(
            "http.send",
            http.request.method = request.method,
            server.address = host,
            airflow.conn_id = request.conn_id
        );
        let mut request = HttpRequest {
            conn_id: request.conn_id,
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body.map(Bytes::from),
            timeout: request.timeout_ms.map(|milliseconds| Duration::from_millis(milliseconds.into())),
            max_redirects: request.max_redirects,
        };
        if let Some(traceparent) = span.in_scope(trace::traceparent)
            && !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("traceparent"))
        {
            request.headers.push(("traceparent".to_owned(), traceparent));
        }
        match traced(span, self.capabilities.http.send(&self.caller, request)).await {
            Ok(response) => Ok(Ok(self.open(Response(response))?)),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl HostResponse for CallState {
    fn status(&mut self, response: Resource<Response>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&response)?.0.status())
    }

    fn headers(&mut self, response: Resource<Response>) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.table.get(&response)?.0.headers().to_vec())
    }

    fn url(&mut self, response: Resource<Response>) -> wasmtime::Result<String> {
        Ok(self.table.get(&response)?.0.url().to_owned())
    }

    async fn read(&mut self, response: Resource<Response>, max: u32) -> wasmtime::Result<Result<Vec<u8>, HttpError>> {
        self.host_calls += 1;
        let max = self.read_size(max);
        Ok(self.table.get_mut(&response)?.0.read(max).await.map(Into::into).map_err(Into::into))
    }

    async fn drop(&mut self, response: Resource<Response>) -> wasmtime::Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}
