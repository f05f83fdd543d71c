//! The connections that read.
//!
//! sqlx's own pool asks a connection whether it still lives each time it comes back. Over a network that is wise; here it would
//! double the cost of the smallest look-ups, which are what an orchestrator does most.

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

/// A fixed number of connections, each behind its lock. A reader that is dropped in the middle of a query leaves its connection
/// in order: sqlx's thread ends the statement, and the transaction around it, before it takes the next command.
#[derive(Debug)]
pub struct Readers {
    connections: Vec<Mutex<SqliteConnection>>,
    /// Where the next one waits if all are in use.
    next: AtomicUsize,
}

impl Readers {
    /// At least one.
    pub async fn open(options: &SqliteConnectOptions, count: u32) -> sqlx::Result<Self> {
        let mut connections = vec![Mutex::new(SqliteConnection::connect_with(options).await?)];
        for _ in 1..count {
            connections.push(Mutex::new(SqliteConnection::connect_with(options).await?));
        }
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    pub async fn acquire(&self) -> MutexGuard<'_, SqliteConnection> {
        if let Some(free) = self.connections.iter().find_map(|connection| connection.try_lock().ok()) {
            return free;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        self.connections[turn].lock().await
    }

    pub async fn close(self) -> sqlx::Result<()> {
        for connection in self.connections {
            connection.into_inner().close().await?;
        }
        Ok(())
    }
}
