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
//!
//! What every task goes through is planned once for each connection, with whatever is known of the tables at that moment, which for
//! a queue is that it is empty. So those statements leave the planner no choice: a list is JSON (for an array it plans each time
//! anew, for it counts the elements), each row that a list names is looked up by its primary key in a `LATERAL` subquery that
//! cannot be merged (`OFFSET 0`) and no other index fits, what is written goes by `ctid` where the rows are locked already and else
//! by arrays that the statement makes itself, never by a join alone, and no table is read as a whole.

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
mod kept;
mod list;
mod losses;
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
use chrono::{DateTime, Utc};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Postgres, Transaction};

pub use migrate::newest_migration;
pub use relay::Channel;

use crate::error::Result;
use crate::kept::Kept;
use crate::losses::Losses;

/// How the store uses its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Connections of this process, at most.
    pub connections: u32,
    /// How long a call waits for a free connection.
    pub acquire_timeout: Duration,
    /// The same database without the pooler in between, where the store's own URL leads to one that hands out connections for a
    /// transaction: for what needs a session, which is LISTEN and migrating.
    pub direct_url: Option<String>,
    /// How long a transaction of ours may lie idle. A process that has been stopped would hold its locks, and with them a tenant's
    /// admission, for as long as it is stopped.
    pub idle_transaction: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 10,
            acquire_timeout: Duration::from_secs(10),
            direct_url: None,
            idle_transaction: Duration::from_secs(30),
        }
    }
}

/// A connection that has been idle for longer is asked whether it still lives before it is used; see also [`losses`].
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

fn parse(url: &str) -> StoreResult<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Unavailable(format!("the URL of the database is wrong: {error}")))?;
    Ok(options.application_name("airlock").statement_cache_capacity(256).disable_statement_logging())
}

/// Settings of the sessions that are ours.
fn session(connect: PgConnectOptions, options: &PostgresOptions) -> PgConnectOptions {
    let idle = options.idle_transaction.as_millis().to_string();
    connect.options([
        // Statements here are short and run often; compiling one costs more than running it.
        ("jit", "off"),
        // A plan that reads a table as a whole, because it was nearly empty, would stay while it grows.
        ("enable_seqscan", "off"),
        // A bitmap is made from all entries of an index, also those of rows that are gone, and never marks them as such: of the
        // queue those are most, until the next vacuum.
        ("enable_bitmapscan", "off"),
        ("idle_in_transaction_session_timeout", idle.as_str()),
        // A machine that is gone says no goodbye, and its locks stay until the server has noticed.
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "4"),
        ("tcp_user_timeout", "30000"),
    ])
}

/// The store in one PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    /// For what is asked again and again.
    kept: Kept,
    /// Connections whose sessions are ours; the same pool where no pooler is in between.
    direct: PgPool,
    losses: Losses,
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
        let connect = match options.direct_url {
            None => session(parse(url)?, options),
            // A pooler takes no settings of a session: what it hands out has been somebody else's before.
            Some(_) => parse(url)?.extra_float_digits(None),
        };
        let losses = Losses::default();
        let noted = losses.clone();
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(1))
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let is_trusted = meta.idle_for <= TRUSTED_IDLE && !noted.reach(meta.idle_for);
                Box::pin(async move {
                    if !is_trusted {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(connect)
            .await
            .map_err(crate::error::Failure::from)?;
        let direct = match &options.direct_url {
            None => pool.clone(),
            // One that listens, and one that migrates.
            Some(url) => PgPoolOptions::new()
                .max_connections(2)
                .acquire_timeout(options.acquire_timeout)
                .connect_lazy_with(session(parse(url)?, options)),
        };
        let kept = Kept::new(pool.clone(), losses.clone());
        Ok(Self { pool, kept, direct, losses, versions: DagCache::default(), turns: Turns::default() })
    }

    /// What time it is by the database's clock, which all processes share.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it does not answer.
    pub async fn time(&self) -> StoreResult<DateTime<Utc>> {
        let mut connection = self.connection().await?;
        let time = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *connection).await;
        Ok(time.map_err(crate::error::Failure::from)?)
    }

    /// Closes all connections, when those in use are free.
    pub async fn close(&self) {
        self.kept.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_lies_idle_lets_go_of_its_locks() {
        let database = airlock_test_services::postgres().unwrap();
        let idle_transaction = Duration::from_millis(300);
        let options = PostgresOptions { idle_transaction, ..PostgresOptions::default() };
        let store = PostgresStore::connect(database.url(), &options).await.unwrap();
        store.migrate().await.unwrap();
        let lock = "LOCK TABLE tenants";
        let mut stopped = store.begin().await.unwrap();
        sqlx::query(lock).execute(&mut *stopped).await.unwrap();

        let mut other = store.begin().await.unwrap();
        let locked = tokio::time::timeout(Duration::from_secs(60), sqlx::query(lock).execute(&mut *other)).await;
        locked.expect("the lock is free again").unwrap();
        assert!(sqlx::query("SELECT 1").execute(&mut *stopped).await.is_err(), "whoever wakes up changes nothing");
    }
}
