//! SQL by the host. See `wit/sql.wit`.

use async_trait::async_trait;

use super::Caller;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    #[error("denied: {0}")]
    Denied(String),
    #[error("there is no connection `{0}`")]
    ConnectionNotFound(String),
    #[error("{0}")]
    WrongType(String),
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("{message}")]
    Database { code: Option<String>, message: String },
    #[error("unsupported type: {0}")]
    UnsupportedType(String),
    #[error("rows of an earlier query are still open on this session")]
    Busy,
    #[error("the statement took too long")]
    Timeout,
    #[error("{0}")]
    Other(String),
}

/// The texts are as in `wit/sql.wit`.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
    Timestamp(String),
    Date(String),
    Time(String),
    Datetime(String),
    Json(String),
    Uuid(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlColumn {
    pub name: String,
    pub type_name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlDialect {
    Postgres,
    Mysql,
    Sqlite,
}

/// One checked-out connection. Dropping it rolls back and gives the connection back.
#[async_trait]
pub trait SqlSession: Send + Sync {
    fn dialect(&self) -> SqlDialect;
    /// The rows hold the session: a second call before they are dropped or read to their end answers [`SqlError::Busy`].
    async fn query(&self, statement: String, parameters: Vec<SqlValue>) -> Result<Box<dyn SqlRows>, SqlError>;
    async fn execute(&self, statement: String, parameters: Vec<SqlValue>) -> Result<u64, SqlError>;
    async fn begin(&self) -> Result<(), SqlError>;
    async fn commit(&self) -> Result<(), SqlError>;
    async fn rollback(&self) -> Result<(), SqlError>;
}

#[async_trait]
pub trait SqlRows: Send {
    fn columns(&self) -> &[SqlColumn];
    /// At most `max_rows`, fewer where they would pass about `max_bytes` (but at least one); empty at the end.
    async fn next(&mut self, max_rows: usize, max_bytes: usize) -> Result<Vec<Vec<SqlValue>>, SqlError>;
}

#[async_trait]
pub trait SqlHook: Send + Sync {
    /// Needs `connections:use:<id>`.
    async fn open(&self, caller: &Caller, conn_id: &str) -> Result<Box<dyn SqlSession>, SqlError>;
}
