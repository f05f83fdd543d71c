//! A network between a process and its database that can fail: a relay on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the network behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Clear,
    /// Every piece of data takes this much longer, in each direction.
    Slow(Duration),
    /// Nothing arrives, and nobody is told: neither data nor the end of a connection. What was sent arrives when it is clear again.
    Dark,
    /// Requests arrive, and their answers do not.
    Unanswered,
}

/// The network, and how often every connection has been cut.
type State = (Network, u64);

/// Relays connections to one address. Dropping it ends them.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

impl Proxy {
    /// # Errors
    /// If there is no free port on loopback.
    pub async fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (state, watched) = watch::channel((Network::Clear, 0));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, to, watched.clone()));
            }
        });
        Ok(Self { address, state, accepting })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn turn(&self, network: Network) {
        self.state.send_modify(|state| state.0 = network);
    }

    /// Ends every connection that there is; both sides hear of it.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.1 += 1);
    }
}

async fn relay(client: TcpStream, to: SocketAddr, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = state.clone();
    let cuts = cut.borrow().1;
    tokio::select! {
        _ = async {
            let requests = carry(from_client, to_server, state.clone(), |now| now != Network::Dark);
            let answers = carry(from_server, to_client, state, |now| !matches!(now, Network::Dark | Network::Unanswered));
            tokio::join!(requests, answers)
        } => {}
        _ = cut.wait_for(|now| now.1 != cuts) => {}
    }
}

/// Carries data one way until its sender ends it, and then that end; waits while the network lets nothing pass this way.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    passes: fn(Network) -> bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let Ok(now) = state.wait_for(|now| passes(now.0)).await.map(|now| now.0) else { return };
        if let Network::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}
