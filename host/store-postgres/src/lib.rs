//! The store on PostgreSQL: any number of processes.
//!
//! Everything that changes a row names what it leaves, and holds row locks only as long as its own statements take. Where a
//! transaction locks more than one kind of row, it does so in this order, and rows of one kind in the order of their keys, so
//! that no two ever wait for each other:
//!
//! DAG → run → queue row → task instance → tenant
//!
//! The tenant's row is what makes admission a critical section: it is locked before the use of pools is looked at, and until
//! the queue rows that follow from it are committed.

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
mod relay;
mod retention;
mod row;
mod runs;
mod settings;
mod tenants;
mod triggers;
mod xcoms;

use std::str::FromStr;
use std::time::Duration;

use airlock_store::support::{DagCache, Turns};
use airlock_store::{StoreError, StoreResult};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Postgres, Transaction};

pub use migrate::newest_migration;
pub use relay::Channel;

use crate::error::Result;

/// How the store uses its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Connections of this process, at most.
    pub connections: u32,
    /// How long a call waits for a free connection.
    pub acquire_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { connections: 10, acquire_timeout: Duration::from_secs(10) }
    }
}

/// A connection that has been idle for longer is asked whether it still lives before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

/// The store in one PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    versions: DagCache,
    /// Among the tenants whose tries are claimed.
    turns: Turns,
}

impl PostgresStore {
    /// Connects to a database by its URL (`postgres://user:password@host/database`). It is not looked into:
    /// [`PostgresStore::migrate`] or [`PostgresStore::check`] come next.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the URL is wrong or the server cannot be reached. The URL is not part of the message,
    /// because it holds a password.
    pub async fn connect(url: &str, options: &PostgresOptions) -> StoreResult<Self> {
        let connect = PgConnectOptions::from_str(url)
            .map_err(|error| StoreError::Unavailable(format!("the URL of the database is wrong: {error}")))?
            .application_name("airlock")
            // Statements here are short and run often; compiling one costs more than running it.
            .options([("jit", "off")])
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(1))
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(connect)
            .await
            .map_err(crate::error::Failure::from)?;
        Ok(Self { pool, versions: DagCache::default(), turns: Turns::default() })
    }

    /// Closes all connections, when those in use are free.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.pool.acquire().await?)
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin().await?)
    }

    /// Several statements that read the same state.
    async fn snapshot(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
    }
}
