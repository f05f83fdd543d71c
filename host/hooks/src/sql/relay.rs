//! A socket of ours between the database driver and the database.
//!
//! The driver resolves names by itself, and so would connect to whatever a name stands for at that moment, unchecked. Giving it
//! the checked address instead of the name would take away the name that TLS verifies and that hosted databases route by. So it
//! gets a Unix socket together with the name, and every connection to that socket is carried to an address that was checked
//! for it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airlock_core::limits::Egress;
use airlock_sandbox::capability::sql::SqlError;
use airlock_sandbox::egress::{EgressError, Gate};
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where a relay carries its connections to.
#[derive(Clone)]
pub(super) struct Target {
    pub host: String,
    pub port: u16,
    pub gate: Gate,
    pub egress: Arc<Egress>,
    pub connect_timeout: Duration,
}

/// Takes connections for as long as it lives; those that are made live on.
pub(super) struct Relay {
    folder: TempDir,
    socket: &'static str,
    failure: Arc<Mutex<Option<SqlError>>>,
    _stop: DropGuard,
}

impl Relay {
    /// Listens on `socket`, in a folder that only this process may enter.
    pub(super) fn start(target: Target, socket: &'static str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("airlock-sql-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join(socket))?;
        let failure = Arc::new(Mutex::new(None));
        let stop = CancellationToken::new();
        tokio::spawn(accept(listener, target, failure.clone(), stop.clone()));
        Ok(Self { folder, socket, failure, _stop: stop.drop_guard() })
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join(self.socket)
    }

    /// Why the last connection could not be carried on: the driver itself only sees that it was closed.
    pub(super) fn failure(&self) -> Option<SqlError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(
    listener: UnixListener,
    target: Target,
    failure: Arc<Mutex<Option<SqlError>>>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // Out of file descriptors, say: the driver's connection times out, and says so.
        let Ok((inner, _)) = accepted else { continue };
        let (target, failure) = (target.clone(), failure.clone());
        tokio::spawn(async move {
            let connected = connect(&target).await;
            let outer = {
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                match connected {
                    Ok(outer) => {
                        *failure = None;
                        outer
                    }
                    Err(error) => {
                        *failure = Some(error);
                        return;
                    }
                }
            };
            carry(inner, outer).await;
        });
    }
}

async fn connect(target: &Target) -> Result<TcpStream, SqlError> {
    let Target { host, port, .. } = target;
    let addresses = target.gate.resolve_and_check(host, *port, &target.egress).await.map_err(|error| match error {
        EgressError::Denied(text) => SqlError::Denied(text),
        EgressError::Dns(text) => SqlError::Connect(text),
    })?;
    let connecting = TcpStream::connect(addresses.as_slice());
    let stream = match timeout(target.connect_timeout, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(SqlError::Connect(format!("cannot connect to `{host}`, port {port}: {error}"))),
        Err(_) => return Err(SqlError::Connect(format!("`{host}`, port {port}, did not answer"))),
    };
    stream.set_nodelay(true).map_err(|error| SqlError::Connect(error.to_string()))?;
    Ok(stream)
}

/// Carries bytes both ways until either side ends: the protocols of databases know no half-closed connection.
async fn carry(mut inner: UnixStream, mut outer: TcpStream) {
    let (mut from_driver, mut to_driver) = inner.split();
    let (mut from_database, mut to_database) = outer.split();
    // Why a side ended is seen by the driver, which reports it.
    tokio::select! {
        ended = tokio::io::copy(&mut from_driver, &mut to_database) => drop(ended),
        ended = tokio::io::copy(&mut from_database, &mut to_driver) => drop(ended),
    }
}
