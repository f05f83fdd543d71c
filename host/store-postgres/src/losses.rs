//! When connections were lost.
//!
//! A server that restarts ends every connection, and each that lies in the pool would fail one call before it is thrown away. Asking each
//! whether it lives before it is used costs a round trip for every call. So one connection, the one that listens, is watched all the
//! time; when it ends, those that lie idle since before are asked before they are used.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by cloning.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<Mutex<Option<Instant>>>);

impl Losses {
    /// A connection has ended that nobody of this process had ended.
    pub fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether what has lain idle for so long may have been lost with another.
    pub fn reach(&self, idle_for: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() <= idle_for)
    }
}
