//! Serving the API.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A port that is ours, before anything is served on it.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let socket = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// For clients on this machine, where the server listens on every address.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{address}")
    }

    /// Serves until `stop`; requests that have begun are answered.
    pub async fn serve(self, router: Router, stop: CancellationToken) -> Result<()> {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(self.socket, service).with_graceful_shutdown(stop.cancelled_owned());
        serving.await.context("the API broke off")
    }
}
