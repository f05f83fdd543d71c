//! What can go wrong with a store.

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with this key is there already.
    #[error("{what} `{key}` already exists")]
    AlreadyExists { what: &'static str, key: String },
    #[error("there is no {what} `{key}`")]
    NotFound { what: &'static str, key: String },
    /// The request does not fit the state that was found; the text says both.
    #[error("{0}")]
    Conflict(String),
    /// The database was made by a newer program.
    #[error("the database is at migration {found}, newer than this program knows ({known}); use a newer airlock")]
    NewerDatabase { found: i64, known: i64 },
    #[error("the database has not been migrated: run `airlock db migrate`")]
    NotMigrated,
    /// A stored value cannot be read.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The database cannot be reached, or broke off; trying again may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    #[error("the database refused: {0}")]
    Database(String),
}

pub type StoreResult<T> = Result<T, StoreError>;
