//! An S3 server over a folder.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running S3 server. Dropping it stops the server; the folder stays.
pub struct S3 {
    endpoint: String,
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl S3 {
    pub const ACCESS_KEY: &str = "airlock";
    pub const SECRET_KEY: &str = "airlock-test-secret";
    /// Any region is right.
    pub const REGION: &str = "us-east-1";

    /// `http://127.0.0.1:port`, for requests in path style.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread only ends early by a panic, which has been printed.
            drop(thread.join());
        }
    }
}

/// Serves `folder`: a bucket is a directory in it, an object a file.
///
/// # Errors
/// If the folder is not there or no port can be had.
pub fn s3(folder: &Path) -> Result<S3> {
    s3_on(folder, 0)
}

/// The same on a port, which an earlier server may have had.
///
/// # Errors
/// Also if the port is taken.
pub fn s3_on(folder: &Path, port: u16) -> Result<S3> {
    let files = FileSystem::new(folder).map_err(|error| anyhow!("cannot serve {}: {error:?}", folder.display()))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(S3::ACCESS_KEY, S3::SECRET_KEY));
    let service = builder.build();

    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("s3".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, service) => drop(served),
                    _ = stopped => {}
                }
            });
        })
        .context("cannot start the thread of the S3 server")?;
    Ok(S3 { endpoint: format!("http://127.0.0.1:{port}"), port, stop: Some(stop), thread: Some(thread) })
}

async fn serve(listener: std::net::TcpListener, service: S3Service) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        // A connection that breaks is the client's affair.
        tokio::spawn(connection);
    }
}
