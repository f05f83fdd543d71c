//! The store on SQLite: one file, one process.
//!
//! SQLite has one writer at a time. So there is one connection that writes, behind a lock of our own where writers wait in
//! order, and every transaction on it begins as `IMMEDIATE`: a transaction that begins by reading and then writes would be
//! refused with "database is locked" whatever the busy timeout. Readers have a pool of their own and never wait for the writer.
//!
//! Statements that run often say `LIMIT ?1 + 0`: SQLite plans for the value of a parameter that is all of a limit, and so prepares the
//! statement anew each time that it is bound, which costs more than the statement does.

mod assets;
mod audit;
mod backfills;
mod callbacks;
mod dags;
mod deadlines;
mod driving;
mod error;
mod health;
mod instances;
mod list;
mod migrate;
mod operators;
mod queue;
mod readers;
mod retention;
mod row;
mod runs;
mod settings;
mod tenants;
#[cfg(feature = "testing")]
mod testing;
mod triggers;
mod writer;
mod xcoms;

use std::path::Path;
use std::time::Duration;

use airlock_store::support::{DagCache, Turns};
use airlock_store::{StoreError, StoreResult};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, Transaction};
use tokio::sync::MutexGuard;

pub use migrate::newest_migration;
#[cfg(feature = "testing")]
pub use testing::TemporaryStore;

use crate::error::Result;
use crate::readers::Readers;
use crate::writer::{Writer, Writing};

/// How a database is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Whether a missing file is made.
    pub create: bool,
    /// Connections that read, at most.
    pub readers: u32,
    /// How long a statement waits for another process (a backup, the `sqlite3` shell) to let go of the file.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { create: true, readers: 4, busy_timeout: Duration::from_secs(5) }
    }
}

/// The store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    versions: DagCache,
    /// Among the tenants whose tries are claimed.
    turns: Turns,
}

impl SqliteStore {
    /// Opens a database. It is not looked into: [`SqliteStore::migrate`] or [`SqliteStore::check`] come next.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the file cannot be opened.
    pub async fn open(path: &Path, options: &SqliteOptions) -> StoreResult<Self> {
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(options.create)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut can take the last commits, never the integrity; a killed process loses nothing.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(options.busy_timeout)
            .pragma("temp_store", "memory")
            .pragma("journal_size_limit", "67108864")
            .statement_cache_capacity(256)
            // Rows of a batch come back without the two threads waiting for each other.
            .row_buffer_size(1024)
            .disable_statement_logging();
        let unavailable =
            |error: sqlx::Error| StoreError::Unavailable(format!("cannot open {}: {error}", path.display()));
        // The writer comes first: it makes the file and sets its journal mode.
        let writer = SqliteConnection::connect_with(&connect).await.map_err(unavailable)?;
        let readers = connect.create_if_missing(false).pragma("query_only", "on");
        let readers = Readers::open(&readers, options.readers).await.map_err(unavailable)?;
        Ok(Self { writer: Writer::new(writer), readers, versions: DagCache::default(), turns: Turns::default() })
    }

    /// Ends the leases of all runs, tries and triggers, whoever holds them: for a process that has just opened a file which is its alone,
    /// so that nobody who held them is left. The runs can be taken at once, and the tries count as lost.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Database`]; nothing has changed then.
    pub async fn end_leases(&self) -> StoreResult<()> {
        Ok(driving::leases::end_all(self).await?)
    }

    /// Closes the database, so that the write-ahead log is folded into the file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if that fails; nothing is lost then.
    pub async fn close(self) -> StoreResult<()> {
        let unavailable = |error: sqlx::Error| StoreError::Unavailable(error.to_string());
        self.readers.close().await.map_err(unavailable)?;
        self.writer.close().await.map_err(unavailable)
    }

    /// The connection that writes, for one statement or for one transaction.
    async fn writer(&self) -> Writing<'_> {
        self.writer.acquire().await
    }

    /// A connection that reads. Statements that are to see the same state go into a transaction on it.
    async fn reader(&self) -> MutexGuard<'_, SqliteConnection> {
        self.readers.acquire().await
    }
}

/// Begins a transaction that writes.
async fn begin(writer: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>> {
    Ok(writer.begin_with("BEGIN IMMEDIATE").await?)
}
