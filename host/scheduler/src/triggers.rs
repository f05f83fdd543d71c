//! Deferred tries whose wait is over.

use airlock_core::run::Event;
use airlock_store::StoreResult;
use chrono::{DateTime, Utc};

use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    pub(crate) async fn take_ended_triggers(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        let ended = self.store.ended_triggers(self.id, self.options.batch).await?;
        round.more |= ended.len() >= self.options.batch as usize;
        for trigger in ended {
            if round.is_full(self.options.changes) {
                break;
            }
            // It is found again when its run has had its turn.
            if self.held.arrivals.contains(trigger.run) {
                continue;
            }
            let misses = self.unclaimed_reports.get(&trigger.instance).copied().unwrap_or(0);
            if misses > 1 {
                continue;
            }
            let (key, instance, try_number) = (trigger.run, trigger.instance, trigger.try_number);
            if self.held.tell(key, Event::Woken { instance, try_number, event: trigger.event }, now, round) {
                self.unclaimed_reports.remove(&instance);
                continue;
            }
            // The row goes when its instance moves on, so that a machine which does not know the wait is behind the database.
            tracing::warn!(run.key = key.id, "the end of a wait does not fit what is known of its run");
            self.unclaimed_reports.insert(instance, misses + 1);
            self.held.forget(key);
            self.reload.insert(key);
            round.more = true;
        }
        Ok(())
    }
}
