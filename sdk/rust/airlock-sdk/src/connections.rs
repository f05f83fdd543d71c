//! What is known of the tenant's connections.
//!
//! The hooks ([`http`](crate::http), [`sql`](crate::sql), [`object_store`](crate::object_store)) take a connection's id, and
//! the host adds the credentials: prefer them to reading secrets.

use serde_json::{Map, Value};

use crate::host;

/// Why a connection could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// No connection has this id.
    #[error("connection not found: {0}")]
    NotFound(String),
    /// A grant is missing; the text names it.
    #[error("denied: {0}")]
    Denied(String),
    /// Anything else, in the host's words.
    #[error("{0}")]
    Other(String),
}

/// The fields of a connection that are no secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// The connection's id.
    pub conn_id: String,
    /// `postgres`, `mysql`, `sqlite`, `http`, `aws`, `fs` ...
    pub conn_type: String,
    /// What it is for.
    pub description: Option<String>,
    /// The host's name, or a URL.
    pub host: Option<String>,
    /// The user's name.
    pub login: Option<String>,
    /// The database, or what the type takes it for.
    pub schema: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// Without its sensitive members.
    pub extra: Map<String, Value>,
}

/// The secrets of a connection.
#[derive(Clone, PartialEq)]
pub struct Secret {
    /// The password or token.
    pub password: Option<String>,
    /// The whole of it, sensitive members included.
    pub extra: Map<String, Value>,
}

/// The fields of a connection that are no secret.
///
/// # Errors
/// If there is no such connection.
pub fn get(conn_id: &str) -> Result<Connection, ConnectionError> {
    host::connections::get(conn_id)
}

/// The credentials themselves. Needs the grant `connections:secret:<conn-id>`.
///
/// # Errors
/// If there is no such connection, or the grant is missing.
pub fn get_secret(conn_id: &str) -> Result<Secret, ConnectionError> {
    host::connections::get_secret(conn_id)
}
