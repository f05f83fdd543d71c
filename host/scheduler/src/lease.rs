//! Leases of runs.

use airlock_store::StoreResult;
use chrono::{DateTime, Utc};

use crate::scheduler::{Scheduler, delta};

impl Scheduler {
    pub(crate) async fn keep_leases(&mut self, now: DateTime<Utc>) -> StoreResult<()> {
        if now < self.next_renewal {
            return Ok(());
        }
        if !self.held.runs.is_empty() || !self.held.arrivals.is_empty() {
            self.metrics.renew_runs.timed(self.store.renew_runs(self.id, self.lease_end(now))).await?;
        }
        self.next_renewal = now + delta(self.options.run_lease / 3);
        Ok(())
    }

    pub(crate) fn lease_end(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + delta(self.options.run_lease)
    }
}
