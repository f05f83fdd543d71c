//! A way to a server that can be cut and mended, for what happens when the server is away.

use std::net::SocketAddr;
use std::sync::Mutex;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

pub struct Relay {
    url: String,
    here: SocketAddr,
    there: SocketAddr,
    /// Bound and never listening: while the way is cut, the address is nobody else's.
    _held: TcpSocket,
    /// Accepts, and holds every connection that goes through.
    carrier: Mutex<Option<JoinSet<()>>>,
}

impl Relay {
    /// To the server of a URL such as `postgres://user@127.0.0.1:5432/name`.
    pub async fn to(url: &str) -> Result<Self> {
        let (login, rest) = url.split_once('@').context("a URL without a login")?;
        let (address, name) = rest.split_once('/').context("a URL without a name")?;
        let there = address.parse()?;
        let held = bound("127.0.0.1:0".parse()?)?;
        let here = held.local_addr()?;
        let carrier = Mutex::new(Some(carry(bound(here)?.listen(128)?, there)));
        Ok(Self { url: format!("{login}@{here}/{name}"), here, there, _held: held, carrier })
    }

    /// The same URL through the relay.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends every connection, and refuses new ones.
    pub async fn cut(&self) {
        let carrier = self.carrier.lock().ok().and_then(|mut carrier| carrier.take());
        if let Some(mut carrier) = carrier {
            carrier.shutdown().await;
        }
    }

    /// Lets everything through again, at the same address.
    pub async fn mend(&self) -> Result<()> {
        let carrier = carry(bound(self.here)?.listen(128)?, self.there);
        *self.carrier.lock().ok().context("a broken lock")? = Some(carrier);
        Ok(())
    }
}

fn bound(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn carry(listener: TcpListener, there: SocketAddr) -> JoinSet<()> {
    let mut carrier = JoinSet::new();
    carrier.spawn(async move {
        // Dropped with this task, and all that it carries with it.
        let mut carried = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            carried.spawn(async move {
                if let Ok(mut server) = TcpStream::connect(there).await {
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    carrier
}
