//! The leases that this worker holds, and keeping them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_store::patience::within;
use airlock_store::queue::TryOrder;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::shell::Shell;

/// Why a running try was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The lease is somebody else's: report nothing.
    LeaseGone,
    /// This worker stops.
    WorkerStops,
}

/// How a running try is told to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Cancelled when it is to stop.
    pub token: CancellationToken,
    reason: Arc<Mutex<Option<StopReason>>>,
}

impl Stop {
    fn new() -> Self {
        Self { token: CancellationToken::new(), reason: Arc::default() }
    }

    /// The first reason stands.
    fn stop(&self, reason: StopReason) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.token.cancel();
    }

    /// None as long as it may go on.
    pub fn reason(&self) -> Option<StopReason> {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: Mutex<HashMap<Uuid, Stop>>,
}

impl Leases {
    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Stop>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hold(&self, token: Uuid) -> Stop {
        let stop = Stop::new();
        self.held().insert(token, stop.clone());
        stop
    }

    pub fn let_go(&self, token: Uuid) {
        self.held().remove(&token);
    }

    pub fn stop_all(&self) {
        for stop in self.held().values() {
            stop.stop(StopReason::WorkerStops);
        }
    }

    pub fn tokens(&self) -> Vec<Uuid> {
        self.held().keys().copied().collect()
    }

    /// Answers whether it was held.
    pub fn lost(&self, token: Uuid) -> bool {
        let held = self.held();
        let stop = held.get(&token);
        if let Some(stop) = stop {
            stop.stop(StopReason::LeaseGone);
        }
        stop.is_some()
    }
}

impl Shell {
    /// Extends every lease three times within its length, and stops the tries whose lease is gone.
    ///
    /// While the database cannot be reached, tries go on: their results may still come in time, and are refused if not.
    pub async fn keep_leases(self: Arc<Self>, finished: CancellationToken) {
        let mut beat = tokio::time::interval(self.options.lease / 3);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while finished.run_until_cancelled(self.keeping.rest(beat.tick())).await.is_some() {
            let callbacks_kept = self.keep_callbacks().await;
            if self.keep_tries().await && callbacks_kept {
                self.keeping.succeeded();
            } else {
                self.keeping.failed();
            }
        }
    }

    /// Answers whether there was nothing to extend, or the database did.
    async fn keep_tries(&self) -> bool {
        let tokens = self.leases.tokens();
        if tokens.is_empty() {
            return true;
        }
        // One that is not answered says nothing any more when the next but two is due.
        let beat = within(self.options.lease, self.store.heartbeat_tries(self.id, &tokens, self.lease_end()));
        match self.metrics.heartbeat_tries.timed(beat).await {
            Ok(orders) => {
                let lost = orders.into_iter().filter(|(token, TryOrder::Stop)| self.leases.lost(*token));
                self.metrics.leases_lost.increment(lost.count() as u64);
                true
            }
            Err(error) => {
                tracing::warn!(%error, tries = tokens.len(), "cannot extend leases; trying again");
                false
            }
        }
    }
}
