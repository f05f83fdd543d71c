//! Connections that go from one use to the next without the pool in between.
//!
//! sqlx's pool asks a connection whether it still lives each time it comes back. That is a round trip more, where what every task
//! goes through is a handful of them. So the loops of a process keep a connection at hand after a use that ended well. What failed
//! or was given up goes the way of the pool, which finds out what is wrong with it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;

use crate::TRUSTED_IDLE;
use crate::error::Result;
use crate::losses::Losses;

/// A process has about so many loops that ask without a pause.
const MOST: usize = 3;

#[derive(Debug)]
pub struct Kept {
    pool: PgPool,
    losses: Losses,
    at_hand: Mutex<Vec<(PoolConnection<Postgres>, Instant)>>,
}

impl Kept {
    pub fn new(pool: PgPool, losses: Losses) -> Self {
        Self { pool, losses, at_hand: Mutex::default() }
    }

    fn at_hand(&self) -> MutexGuard<'_, Vec<(PoolConnection<Postgres>, Instant)>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is at hand, or one of the pool's.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>> {
        let last = self.at_hand().pop();
        if let Some((connection, since)) = last {
            let idle_for = since.elapsed();
            if idle_for <= TRUSTED_IDLE && !self.losses.reach(idle_for) {
                return Ok(connection);
            }
        }
        Ok(self.pool.acquire().await?)
    }

    /// Keeps a connection of which the last use ended well, unless somebody may be waiting for one.
    pub fn keep(&self, connection: PoolConnection<Postgres>) {
        let are_others = self.pool.num_idle() > 0 || self.pool.size() < self.pool.options().get_max_connections();
        let mut at_hand = self.at_hand();
        if are_others && at_hand.len() < MOST && !self.pool.is_closed() {
            at_hand.push((connection, Instant::now()));
        }
    }

    /// How many are at hand.
    pub fn count(&self) -> usize {
        self.at_hand().len()
    }

    /// Gives all back to the pool.
    pub fn clear(&self) {
        self.at_hand().clear();
    }
}
