//! SQL over a connection of type `postgres`, `mysql` or `sqlite`. The host keeps the pools and the credentials.

use crate::host;

/// Why a statement failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// A grant is missing; the text names it.
    #[error("denied: {0}")]
    Denied(String),
    /// No connection has this id.
    #[error("connection not found: {0}")]
    ConnectionNotFound(String),
    /// The connection is of a type that is no SQL database.
    #[error("{0}")]
    WrongType(String),
    /// The database cannot be reached or refuses the login.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The database refused the statement.
    #[error("the database refused the statement: {message}{}", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Database {
        /// SQLSTATE, or the database's own number.
        code: Option<String>,
        /// The database's own words.
        message: String,
    },
    /// A parameter or a column has a type that cannot be carried; the text names it.
    #[error("unsupported type: {0}")]
    UnsupportedType(String),
    /// Rows of an earlier query are still open on this session.
    #[error("rows of an earlier query are still open on this session")]
    Busy,
    /// The database took too long.
    #[error("the statement took too long")]
    Timeout,
    /// Anything else, in the host's words.
    #[error("{0}")]
    Other(String),
}

/// A value of a parameter or a column.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// SQL's `NULL`.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A binary floating point number.
    Float(f64),
    /// A number with an exact decimal text, such as `12.50`.
    Decimal(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// RFC 3339 with an offset.
    Timestamp(String),
    /// `2026-01-31`.
    Date(String),
    /// `13:45:00.5`.
    Time(String),
    /// `2026-01-31T13:45:00`, of no zone.
    Datetime(String),
    /// A JSON text.
    Json(String),
    /// A UUID in its usual form.
    Uuid(String),
}

macro_rules! from {
    ($($type:ty => $variant:ident),+) => {
        $(impl From<$type> for SqlValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

from!(bool => Boolean, i32 => Integer, i64 => Integer, u32 => Integer, f64 => Float, &str => Text, String => Text, Vec<u8> => Bytes);

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// The database's own name of the type.
    pub type_name: String,
}

/// What kind of database a session speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL: parameters are `$1`, `$2` ...
    Postgres,
    /// MySQL and MariaDB: parameters are `?`.
    Mysql,
    /// SQLite: parameters are `?`.
    Sqlite,
}

impl Dialect {
    /// The placeholder of the parameter with this number, from 1.
    pub fn placeholder(self, number: usize) -> String {
        match self {
            Self::Postgres => format!("${number}"),
            Self::Mysql | Self::Sqlite => "?".into(),
        }
    }
}

/// One connection to the database. A transaction that is still open when the session goes is rolled back.
pub struct Session(host::sql::Session);

impl Session {
    /// Takes a connection from the pool of this connection id.
    ///
    /// # Errors
    /// If there is no such connection, a grant is missing, or the database cannot be reached.
    pub fn open(conn_id: &str) -> Result<Self, SqlError> {
        host::sql::Session::open(conn_id).map(Self)
    }

    /// What kind of database this is.
    ///
    /// # Errors
    /// If the host speaks of a kind that this SDK does not know.
    pub fn dialect(&self) -> Result<Dialect, SqlError> {
        match self.0.dialect().as_str() {
            "postgres" => Ok(Dialect::Postgres),
            "mysql" => Ok(Dialect::Mysql),
            "sqlite" => Ok(Dialect::Sqlite),
            other => Err(SqlError::Other(format!("this operator does not know databases of the kind `{other}`"))),
        }
    }

    /// Runs one statement and gives its rows as they come. The session is busy until they are dropped.
    ///
    /// # Errors
    /// If the database refuses the statement.
    pub fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        self.0.query(statement, parameters).map(Rows)
    }

    /// Runs one statement and gives the number of rows that it changed.
    ///
    /// # Errors
    /// If the database refuses the statement.
    pub fn execute(&self, statement: &str, parameters: &[SqlValue]) -> Result<u64, SqlError> {
        self.0.execute(statement, parameters)
    }

    /// Runs `work` in a transaction: commits if it succeeds, rolls back if it fails.
    ///
    /// # Errors
    /// What `work` answers, or what the database says to the commit.
    pub fn transaction<T, E: From<SqlError>>(&self, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        self.0.begin()?;
        match work(self) {
            Ok(value) => {
                self.0.commit()?;
                Ok(value)
            }
            Err(error) => {
                // The error of the work is the one that helps; the host rolls back anyway when the session goes.
                let _ = self.0.rollback();
                Err(error)
            }
        }
    }
}

/// The rows of one query.
pub struct Rows(host::sql::Rows);

/// Rows asked for in one call. The host sends fewer where they are large.
const PAGE: u32 = 500;

impl Rows {
    /// The columns, in the order of the statement.
    pub fn columns(&self) -> Vec<Column> {
        self.0.columns()
    }

    /// The next rows, at most `max`; empty at the end.
    ///
    /// # Errors
    /// If the database fails in the middle.
    pub fn next_page(&mut self, max: u32) -> Result<Vec<Vec<SqlValue>>, SqlError> {
        self.0.next(max)
    }

    /// At most `limit` rows, and whether there were more.
    ///
    /// # Errors
    /// If the database fails in the middle.
    pub fn collect(&mut self, limit: usize) -> Result<(Vec<Vec<SqlValue>>, bool), SqlError> {
        let mut rows = Vec::new();
        loop {
            let page = self.next_page(PAGE.min(u32::try_from(limit - rows.len() + 1).unwrap_or(PAGE)))?;
            if page.is_empty() {
                return Ok((rows, false));
            }
            rows.extend(page);
            if rows.len() > limit {
                rows.truncate(limit);
                return Ok((rows, true));
            }
        }
    }
}
