//! From the driver's errors to the store's.

use airlock_store::StoreError;

/// What a function of this crate fails with; callers of the store get a [`StoreError`].
#[derive(Debug)]
pub enum Failure {
    Store(StoreError),
    Driver(sqlx::Error),
}

pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn damaged(what: impl Into<String>) -> Self {
        Self::Store(StoreError::Damaged(what.into()))
    }

    /// `AlreadyExists` where a unique key was taken; any other failure stays what it is.
    pub fn or_exists(self, what: &'static str, key: &str) -> Self {
        match &self {
            Self::Driver(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Self::Store(StoreError::AlreadyExists { what, key: key.to_owned() })
            }
            _ => self,
        }
    }

    /// `NotFound` where a row that a foreign key names is not there.
    pub fn or_missing(self, what: &'static str, key: &str) -> Self {
        match &self {
            Self::Driver(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
                Self::Store(StoreError::NotFound { what, key: key.to_owned() })
            }
            _ => self,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::damaged(error.to_string())
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(error) => error,
            Failure::Driver(error) => from_driver(error),
        }
    }
}

fn from_driver(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            match code.as_ref() {
                "42P01" => StoreError::NotMigrated,
                // Serialization failure, deadlock, lock timeout, too many connections: another attempt may succeed.
                "40001" | "40P01" | "55P03" | "53300" => StoreError::Unavailable(error.to_string()),
                // Connection exceptions, and a server that is shutting down or starting.
                code if code.starts_with("08") || code.starts_with("57P") => StoreError::Unavailable(error.to_string()),
                _ => StoreError::Database(error.to_string()),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Configuration(_) => StoreError::Unavailable(error.to_string()),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Damaged(error.to_string()),
        error => StoreError::Database(error.to_string()),
    }
}
