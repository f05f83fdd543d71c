//! A connection out of a pool that only goes back when it was found clean.

use std::ops::{Deref, DerefMut};

use sqlx::Database;
use sqlx::pool::PoolConnection;

/// Dropping it closes the connection: whatever cuts a session short leaves nothing for the next one.
pub(super) struct Leased<D: Database> {
    connection: PoolConnection<D>,
    clean: bool,
}

impl<D: Database> Leased<D> {
    pub(super) fn new(connection: PoolConnection<D>) -> Self {
        Self { connection, clean: false }
    }

    /// The connection is as new: the next session may have it.
    pub(super) fn give_back(mut self) {
        self.clean = true;
    }
}

impl<D: Database> Drop for Leased<D> {
    fn drop(&mut self) {
        if !self.clean {
            self.connection.close_on_drop();
        }
    }
}

impl<D: Database> Deref for Leased<D> {
    type Target = D::Connection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<D: Database> DerefMut for Leased<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}
