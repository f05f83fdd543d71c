//! Callbacks as a worker holds them: claimed, kept, reported.

use std::sync::Arc;
use std::time::Duration;

use airlock_core::callback::{CallbackEnd, CallbackState};
use airlock_store::StoreError;
use airlock_store::callbacks::{CallbackReport, ClaimedCallback};
use airlock_store::patience::within;
use tokio::sync::OwnedSemaphorePermit;

use crate::shell::{Runner, Shell};

impl Shell {
    pub async fn claim_callbacks(&self, limit: usize) -> Vec<ClaimedCallback> {
        if limit == 0 {
            return Vec::new();
        }
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let options = &self.options;
        let claim = self.store.claim_callbacks(
            self.id,
            &options.hostname,
            &options.queues,
            limit,
            self.now(),
            self.lease_end(),
        );
        within(options.patience, claim).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot claim callbacks; trying again");
            Vec::new()
        })
    }

    /// Keeps the leases of callbacks that are being called, and stops those that are somebody else's. Answers whether the
    /// database was there for it.
    pub async fn keep_callbacks(&self) -> bool {
        let tokens = self.callbacks.tokens();
        if tokens.is_empty() {
            return true;
        }
        let extend = self.store.heartbeat_callbacks(self.id, &tokens, self.lease_end());
        match within(self.options.lease, extend).await {
            Ok(gone) => {
                let lost = gone.into_iter().filter(|token| self.callbacks.lost(*token));
                self.metrics.leases_lost.increment(lost.count() as u64);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "cannot extend leases of callbacks; trying again");
                false
            }
        }
    }

    pub async fn run_one_callback(
        self: Arc<Self>,
        runner: Arc<dyn Runner>,
        claimed: ClaimedCallback,
        permit: OwnedSemaphorePermit,
    ) {
        let token = claimed.lease_token;
        let stop = self.callbacks.hold(token);
        let _occupied = self.metrics.occupy();
        if let Some(end) = runner.run_callback(&claimed, &stop).await {
            self.report_callback(&claimed, end).await;
        }
        self.callbacks.let_go(token);
        drop(permit);
    }

    /// The lease is kept meanwhile: a report that has to wait for the database must not find its callback lost.
    async fn report_callback(&self, claimed: &ClaimedCallback, end: CallbackEnd) {
        let (tenant, id) = (claimed.row.run.tenant, claimed.row.id);
        let again = end.state == CallbackState::Queued;
        let report = CallbackReport { tenant, id, lease_token: claimed.lease_token, ended_at: self.now(), end };
        let mut pause = Duration::from_millis(50);
        loop {
            match within(self.options.patience, self.store.report_callback(&report)).await {
                Ok(true) if again => return self.wake.callbacks().raise(),
                Ok(true) => return,
                Ok(false) => return tracing::warn!(callback.id = %id, "a late result of a callback was refused"),
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(%error, "cannot report a callback; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) => {
                    return tracing::error!(%error, callback.id = %id, "the result of a callback cannot be stored");
                }
            }
        }
    }
}
