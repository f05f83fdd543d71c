//! Runs in which everything waits.
//!
//! A machine is memory, and a lease is a write every few seconds: a run that waits for tomorrow, or for an event that somebody posts, needs
//! neither. What brings it back is its time, a request, or the end of a wait.

use airlock_store::StoreResult;
use airlock_store::driving::RestingRun;
use chrono::{DateTime, TimeDelta, Utc};

use crate::held::HeldRun;
use crate::scheduler::{Scheduler, delta};

/// Loading an instance costs some microseconds. A run that has been quiet for a hundred times as long as loading it again takes, and then has
/// to be loaded at once, has cost one part in a hundred.
const PATIENCE_PER_INSTANCE: TimeDelta = TimeDelta::milliseconds(1);

impl Scheduler {
    /// Lets go of runs that have been quiet for some time, and will be for as long.
    pub(crate) async fn rest_runs(&mut self, now: DateTime<Utc>) -> StoreResult<()> {
        let least = delta(self.options.rest_after);
        let resting: Vec<RestingRun> = self
            .held
            .runs
            .iter()
            .filter_map(|(key, held)| {
                let until = quiet_until(held, least, now)?;
                Some(RestingRun { key: *key, epoch: held.epoch, until })
            })
            .take(self.options.batch as usize)
            .collect();
        if resting.is_empty() {
            return Ok(());
        }
        // Those that are not held any more have been taken, or are free to be.
        self.store.rest_runs(self.id, &resting).await?;
        for run in resting {
            self.held.forget(run.key);
            self.next_due = self.next_due.into_iter().chain(run.until).min();
        }
        Ok(())
    }
}

/// Until when nothing is to happen, if a run may rest (none: nothing that has a time).
fn quiet_until(held: &HeldRun, least: TimeDelta, now: DateTime<Utc>) -> Option<Option<DateTime<Utc>>> {
    let instances = i32::try_from(held.machine.size()).unwrap_or(i32::MAX);
    let patience = least.max(PATIENCE_PER_INSTANCE * instances);
    let rest = (now - held.told_at >= patience).then(|| held.machine.rest()).flatten()?;
    rest.until.is_none_or(|until| until - now >= patience).then_some(rest.until)
}
