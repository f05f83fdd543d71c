//! The connection that writes.
//!
//! sqlx runs a connection on a thread of its own. A trip there and back costs more than most statements do, and `begin` and `commit`
//! are such trips too, each with an acknowledgement that is one more. So the transactions that every task goes through begin and
//! end in the text of their first and of their last statement (`BEGIN IMMEDIATE; UPDATE ...`), which is one trip.

use std::ops::{Deref, DerefMut};

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, MutexGuard};

use crate::error::Result;

/// One connection, behind a lock where writers wait in order.
#[derive(Debug)]
pub struct Writer(Mutex<State>);

#[derive(Debug)]
struct State {
    connection: SqliteConnection,
    /// Whether a transaction may be open that began in the text of a statement.
    is_open: bool,
}

impl Writer {
    pub fn new(connection: SqliteConnection) -> Self {
        Self(Mutex::new(State { connection, is_open: false }))
    }

    /// Waits for the connection. A transaction that somebody has left open, because a statement failed or nobody waited for it
    /// any more, is rolled back before anything else.
    pub async fn acquire(&self) -> Writing<'_> {
        let mut state = self.0.lock().await;
        if state.is_open {
            // It fails where there is none, which is as good; and so does the next statement if the connection is broken.
            let _ = sqlx::query("ROLLBACK").execute(&mut state.connection).await;
            state.is_open = false;
        }
        Writing(state)
    }

    pub async fn close(self) -> sqlx::Result<()> {
        self.0.into_inner().connection.close().await
    }
}

/// The connection, for one statement or for one transaction.
pub struct Writing<'a>(MutexGuard<'a, State>);

impl Writing<'_> {
    /// To be called before the statement that begins a transaction in its text.
    pub fn opens(&mut self) {
        self.0.is_open = true;
    }

    /// To be called after the statement that ended it in its text.
    pub fn has_committed(&mut self) {
        self.0.is_open = false;
    }

    /// Ends a transaction in which there was nothing left to do.
    pub async fn commit(&mut self) -> Result<()> {
        sqlx::query("COMMIT").execute(&mut self.0.connection).await?;
        self.has_committed();
        Ok(())
    }
}

impl Deref for Writing<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0.connection
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }
}
