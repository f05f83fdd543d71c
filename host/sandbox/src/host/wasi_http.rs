//! `wasi:http`, so that ordinary libraries work: under the same grants and the same egress policy as the operator's own
//! `http`. Redirects are the guest's to follow, by another request, which is checked like the first.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use airlock_telemetry::call_span;
use airlock_telemetry::trace::{self, traced};
use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::capability::Caller;
use crate::capability::task::{LogLevel, LogSource};
use crate::egress::{EgressError, Gate, check_host};
use crate::run::output::Output;
use crate::run::state::CallState;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(600);

/// Connections that one call may have at once.
const CONNECTIONS: usize = 32;

/// Bytes of a request's body that the host holds until they are sent, for each of its streams.
const BODY_BYTES: usize = 64 << 10;

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// On whose behalf requests are sent.
#[derive(Clone)]
pub(crate) struct Outgoing {
    caller: Caller,
    gate: Gate,
    output: Output,
    connections: Arc<Semaphore>,
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.wasi_http }
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Io,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send> {
        let outgoing = self.clone();
        let span = call_span!(
            "http.send",
            http.request.method = request.method().as_str(),
            server.address = request.uri().host()
        );
        let traceparent = span.in_scope(trace::traceparent).and_then(|value| HeaderValue::try_from(value).ok());
        if let Some(traceparent) = traceparent {
            request.headers_mut().entry("traceparent").or_insert(traceparent);
        }
        Box::new(async move { traced(span, outgoing.send(request, options.unwrap_or_default())).await })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_BYTES
    }
}

impl Outgoing {
    pub(crate) fn new(caller: Caller, gate: Gate, output: Output) -> Self {
        Self { caller, gate, output, connections: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    async fn send(
        self,
        mut request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<(Response<WasiBody>, Io), Error> {
        let uri = std::mem::take(request.uri_mut());
        let host = uri.host().ok_or(Error::HttpRequestUriInvalid)?.to_owned();
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let addresses = self.addresses(&host, port).await?;
        // The request line has no scheme and authority, since no proxy is asked.
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = Uri::builder().path_and_query(path).build().map_err(|_| Error::HttpRequestUriInvalid)?;

        let permit = self.connections.clone().try_acquire_owned().map_err(|_| Error::ConnectionLimitReached)?;
        let connect = connect(&host, &addresses, tls, permit);
        let (mut sender, connection) = timeout(options.connect_timeout.unwrap_or(CONNECT_TIMEOUT), connect)
            .await
            .map_err(|_| Error::ConnectionTimeout)??;
        let response = timeout(options.first_byte_timeout.unwrap_or(RESPONSE_TIMEOUT), sender.send_request(request))
            .await
            .map_err(|_| Error::ConnectionReadTimeout)??;
        let patience = options.between_bytes_timeout.unwrap_or(RESPONSE_TIMEOUT);
        let response = response.map(|body| Patient { body, patience, waiting: None }.boxed_unsync());
        Ok((response, Box::new(connection)))
    }

    /// Names by the grants and the allow-list, then what they resolve to by the blocked ranges. WASI's error codes have no
    /// room for the reason, so it goes to the task's log.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let egress = &self.caller.egress;
        let named = self.caller.require(&format!("http:{host}")).and_then(|()| check_host(egress, host));
        if let Err(reason) = named {
            return Err(self.refuse(reason, Error::HttpRequestDenied));
        }
        self.gate.resolve_and_check(host, port, egress).await.map_err(|error| match error {
            EgressError::Denied(reason) => self.refuse(reason, Error::DestinationIpProhibited),
            EgressError::Dns(reason) => self.refuse(reason, Error::DnsError { rcode: None, info_code: None }),
        })
    }

    fn refuse(&self, reason: String, error: Error) -> Error {
        // Where the log is full the guest still gets its error, and the next line that it writes ends the try.
        let _ = self.output.record(LogLevel::Warning, LogSource::Host, format!("`wasi:http`: {reason}"), Vec::new());
        error
    }
}

type Connection = AbortOnDropJoinHandle<Result<(), Error>>;

/// Connects to the first of the checked addresses that answers, and to no other.
async fn connect(
    host: &str,
    addresses: &[SocketAddr],
    tls: bool,
    permit: OwnedSemaphorePermit,
) -> Result<(SendRequest<WasiBody>, Connection), Error> {
    let stream = TcpStream::connect(addresses).await.map_err(Error::Connect)?;
    if !tls {
        return start(stream, permit).await;
    }
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|_| Error::HttpRequestUriInvalid)?;
    start(tls_connector()?.connect(name, stream).await.map_err(Error::Tls)?, permit).await
}

/// The connection holds its permit until it is closed, by either side.
async fn start(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    permit: OwnedSemaphorePermit,
) -> Result<(SendRequest<WasiBody>, Connection), Error> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    let connection = spawn(async move {
        let _permit = permit;
        connection.await.map_err(Error::from)
    });
    Ok((sender, connection))
}

/// Trusts what the operating system trusts, as the host's own requests do.
fn tls_connector() -> Result<TlsConnector, Error> {
    static CONFIGURATION: OnceLock<Result<Arc<rustls::ClientConfig>, String>> = OnceLock::new();
    let configuration = CONFIGURATION.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_platform_verifier())
            .map(|builder| Arc::new(builder.with_no_client_auth()))
            .map_err(|error| error.to_string())
    });
    match configuration {
        Ok(configuration) => Ok(configuration.clone().into()),
        Err(error) => Err(Error::Tls(io::Error::other(error.clone()))),
    }
}

/// A body whose next bytes must come in time.
struct Patient {
    body: Incoming,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for Patient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
