//! What the hooks are set up with.

use std::time::Duration;

/// Sizes and times of the hooks; the same for all tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Sessions that may be open at once on one SQL connection of one tenant.
    pub sessions_per_connection: u32,
    /// How long a session may wait for its turn and for the database to answer the login.
    pub connect_timeout: Duration,
    /// How long one SQL statement may take to give its first row, and each row after it.
    pub statement_timeout: Duration,
    /// How long an unused connection stays open.
    pub idle_timeout: Duration,
    /// How long an HTTP exchange may take where the request does not say.
    pub http_timeout: Duration,
    /// How long an object store may take for one step of an exchange.
    pub object_store_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sessions_per_connection: 10,
            connect_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(3600),
            idle_timeout: Duration::from_secs(300),
            http_timeout: Duration::from_secs(60),
            object_store_timeout: Duration::from_secs(60),
        }
    }
}
