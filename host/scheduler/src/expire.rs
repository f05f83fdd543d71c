//! Tries whose workers are silent.

use airlock_core::run::{EndedTry, Event};
use airlock_store::StoreResult;
use chrono::{DateTime, Utc};

use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// A try whose lease is over has failed; whether it is tried again, its retries decide.
    pub(crate) async fn expire_tries(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        let expired =
            self.metrics.expired_tries.timed(self.store.expired_tries(self.id, now, self.options.batch)).await?;
        round.more |= expired.len() >= self.options.batch as usize;
        self.metrics.orphaned_cleared.increment(expired.len() as u64);
        for lost in expired {
            tracing::warn!(
                run.key = lost.run.id,
                worker.hostname = lost.hostname,
                "try {} of an instance of run {} is lost: its worker has not been heard of",
                lost.try_number,
                lost.run.id
            );
            let ended =
                EndedTry::lost(lost.instance, lost.try_number, lost.lease_token, lost.hostname, lost.started_at, now);
            self.held.tell(lost.run, Event::Ended(ended), now, round);
        }
        Ok(())
    }
}
