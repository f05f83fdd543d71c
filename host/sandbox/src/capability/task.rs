//! XComs, variables, connections and the log of one try: answered by the worker.

use airlock_core::limits::Egress;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// See `context.task-context` in `wit/context.wit`.
#[derive(Clone, Debug)]
pub struct TaskContext {
    pub tenant: String,
    pub dag_id: String,
    pub dag_version: u32,
    pub run_id: String,
    pub run_type: String,
    pub logical_date: Option<DateTime<Utc>>,
    pub data_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub run_after: DateTime<Utc>,
    pub next_run_after: Option<DateTime<Utc>>,
    pub task_id: String,
    pub map_index: i32,
    pub try_number: u32,
    pub max_tries: u32,
    pub first_started_at: DateTime<Utc>,
    pub params: Map<String, Value>,
    pub conf: Map<String, Value>,
    pub idempotency_key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskServiceError {
    #[error("{0}")]
    NotFound(String),
    #[error("the value is larger than {0} bytes")]
    TooLarge(u64),
    #[error("{0}")]
    Other(String),
}

/// See `xcom.selection` in `wit/xcom.wit`.
#[derive(Clone, Debug, Default)]
pub struct XComSelection {
    pub task_ids: Option<Vec<String>>,
    pub key: String,
    pub map_indexes: Option<Vec<i32>>,
    pub include_prior_dates: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct XComEntry {
    pub task_id: String,
    pub map_index: i32,
    pub value: Value,
}

/// The fields of a connection that are no secret; `extra` is without its sensitive members.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionInfo {
    pub conn_id: String,
    pub conn_type: String,
    pub description: Option<String>,
    pub host: Option<String>,
    pub login: Option<String>,
    pub schema: Option<String>,
    pub port: Option<u16>,
    pub extra: Map<String, Value>,
}

/// A connection as the host sees it. Its `Debug` must never be logged: it is not derived.
#[derive(Clone, PartialEq)]
pub struct Connection {
    pub info: ConnectionInfo,
    pub password: Option<String>,
    /// The whole of it, sensitive members included.
    pub extra: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

/// Where a record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The `log` interface.
    Task,
    Stdout,
    Stderr,
    /// The host's own words on the try.
    Host,
}

#[derive(Clone, Debug)]
pub struct LogRecord {
    pub at: DateTime<Utc>,
    pub level: LogLevel,
    pub source: LogSource,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// The services of one try. One value lives for one call of the operator, so that an implementation knows which try it serves.
#[async_trait]
pub trait TaskServices: Send + Sync {
    async fn push_xcom(&self, key: &str, value: Value) -> Result<(), TaskServiceError>;
    async fn pull_xcoms(&self, selection: &XComSelection) -> Result<Vec<XComEntry>, TaskServiceError>;
    async fn variable(&self, key: &str) -> Result<Option<String>, TaskServiceError>;
    async fn set_variable(&self, key: &str, value: &str) -> Result<(), TaskServiceError>;
    async fn delete_variable(&self, key: &str) -> Result<bool, TaskServiceError>;
    /// With secrets: this crate decides what of it the guest may see. An implementation remembers the secrets for masking.
    async fn connection(&self, conn_id: &str) -> Result<Connection, TaskServiceError>;
    /// Never waits; masking is the implementation's, counting bytes is this crate's.
    fn log(&self, record: LogRecord);
}

/// Where hooks get connections from; tenant-wide, for pools outlive tries.
#[async_trait]
pub trait ConnectionSource: Send + Sync {
    async fn connection(
        &self,
        tenant: airlock_core::id::TenantId,
        conn_id: &str,
    ) -> Result<Connection, TaskServiceError>;
}

/// Whether an address may be connected to. Implemented once, in this crate's `egress`, for guests and hooks alike.
pub trait AddressPolicy: Send + Sync {
    /// The error says which rule refused the address.
    fn check(&self, egress: &Egress, address: std::net::IpAddr) -> Result<(), String>;
}
