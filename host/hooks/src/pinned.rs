//! HTTP clients that connect only to addresses that the egress policy has passed.

use std::collections::HashMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use airlock_core::id::TenantId;
use airlock_core::limits::Egress;
use airlock_sandbox::capability::Caller;
use airlock_sandbox::egress::{EgressError, Gate, check_address};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::{Hooks, Options};

/// TLS is rustls with ring everywhere; the first to say so wins, and it is always this.
pub(crate) fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread was quicker, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

/// One client for each tenant: tenants share no kept-alive connection.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<TenantId, (Arc<Egress>, reqwest::Client)>>);

impl Hooks {
    /// The tenant's client, made anew when its egress policy has changed.
    pub(crate) fn client(&self, caller: &Caller) -> Result<reqwest::Client, String> {
        let mut clients = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((egress, client)) = clients.get(&caller.tenant)
            && *egress == caller.egress
        {
            return Ok(client.clone());
        }
        let client = client(&self.gate, &caller.egress, &self.options)?;
        clients.insert(caller.tenant, (caller.egress.clone(), client.clone()));
        Ok(client)
    }
}

/// A client that follows no redirect, asks no proxy and takes every address from the gate.
///
/// A host that is an address never reaches a resolver: callers check URLs by [`check_url_address`] too.
pub(crate) fn client(gate: &Gate, egress: &Arc<Egress>, options: &Options) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .dns_resolver(Arc::new(Pinned { gate: gate.clone(), egress: egress.clone() }))
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.idle_timeout)
        .user_agent(concat!("airlock/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("cannot make an HTTP client: {}", whole_story(&error)))
}

/// Whether a URL whose host is an address may be connected to. Names are checked when they are resolved.
pub(crate) fn check_url_address(egress: &Egress, url: &Url) -> Result<(), String> {
    match url.host() {
        Some(Host::Ipv4(address)) => check_address(egress, IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => check_address(egress, IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => Ok(()),
    }
}

struct Pinned {
    gate: Gate,
    egress: Arc<Egress>,
}

impl Resolve for Pinned {
    fn resolve(&self, name: Name) -> Resolving {
        let (gate, egress) = (self.gate.clone(), self.egress.clone());
        Box::pin(async move {
            // The connector puts the URL's port in place of 0.
            let addresses: Vec<SocketAddr> = gate.resolve_and_check(name.as_str(), 0, &egress).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// What stands at the bottom of an error of an HTTP client.
pub(crate) enum Cause {
    Denied(String),
    Dns(String),
    Tls(String),
    Connect(String),
    Timeout,
    Other(String),
}

/// Finds the cause among an error's sources.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> Cause {
    let mut next = Some(error);
    let (mut connecting, mut timed_out) = (false, false);
    while let Some(error) = next {
        if let Some(refusal) = error.downcast_ref::<EgressError>() {
            return match refusal {
                EgressError::Denied(text) => Cause::Denied(text.clone()),
                EgressError::Dns(text) => Cause::Dns(text.clone()),
            };
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Cause::Tls(error.to_string());
        }
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            connecting |= error.is_connect();
            timed_out |= error.is_timeout();
        }
        // An `io::Error` names as its source the source of what it wraps, and skips the thing itself.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    match (timed_out, connecting) {
        (true, _) => Cause::Timeout,
        (false, true) => Cause::Connect(whole_story(error)),
        (false, false) => Cause::Other(whole_story(error)),
    }
}

/// An error with all of its sources, without the URL, which may hold a secret, and without what is said twice.
pub(crate) fn whole_story(error: &(dyn Error + 'static)) -> String {
    let mut story: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = match error.downcast_ref::<reqwest::Error>() {
            Some(error) => match error.url() {
                Some(url) => error.to_string().replace(&format!(" for url ({url})"), ""),
                None => error.to_string(),
            },
            None => error.to_string(),
        };
        if !story.iter().any(|earlier| earlier.contains(&text)) {
            story.push(text);
        }
        next = error.source();
    }
    story.join(": ")
}
