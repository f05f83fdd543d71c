//! What the capabilities reach: SQL, HTTP and object stores, by connection.
//!
//! A guest names a connection; credentials are added here and never leave the host, errors included. Every address is
//! resolved once, checked against the tenant's egress policy and then connected to, whatever the protocol.

mod connection;
mod folders;
mod http;
mod object_store;
mod options;
mod pinned;
mod sql;
mod test_connection;

use std::sync::Arc;

use airlock_sandbox::capability::task::ConnectionSource;
use airlock_sandbox::egress::Gate;

pub use options::Options;

/// The hooks of all tenants. Answers [`airlock_sandbox::capability::sql::SqlHook`],
/// [`airlock_sandbox::capability::http::HttpHook`] and
/// [`airlock_sandbox::capability::object_store::ObjectStoreHook`].
///
/// Pools and clients live here, one for each tenant and connection, and are made anew when the connection or the policy
/// changes.
pub struct Hooks {
    connections: Arc<dyn ConnectionSource>,
    gate: Gate,
    options: Options,
    databases: sql::Databases,
    clients: pinned::Clients,
    stores: object_store::Stores,
}

impl Hooks {
    #[must_use]
    pub fn new(connections: Arc<dyn ConnectionSource>, options: Options) -> Self {
        Self::with_gate(connections, options, Gate::default())
    }

    /// With another way from names to addresses than the system's.
    #[must_use]
    pub fn with_gate(connections: Arc<dyn ConnectionSource>, options: Options, gate: Gate) -> Self {
        pinned::install_crypto_provider();
        Self {
            connections,
            gate,
            options,
            databases: sql::Databases::default(),
            clients: pinned::Clients::default(),
            stores: object_store::Stores::default(),
        }
    }
}
