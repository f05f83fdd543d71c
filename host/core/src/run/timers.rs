//! What a run waits for by the clock.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::event::Effect;
use super::machine::RunMachine;
use crate::state::TaskState;

/// See [`RunMachine::rest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    pub until: Option<DateTime<Utc>>,
}

impl RunMachine {
    /// Instances that the machine knows.
    pub fn size(&self) -> usize {
        self.slots.len()
    }

    /// What has come due, and the run's own timeout.
    pub(super) fn tick(&mut self, now: DateTime<Utc>) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.time_out(now);
            return;
        }
        while let Some(Reverse((at, number))) = self.timers.peek().copied().filter(|timer| timer.0.0 <= now) {
            self.timers.pop();
            let slot = &self.slots[number];
            // A timer outlives what it was set for.
            if slot.wake_at.unwrap_or(DateTime::UNIX_EPOCH) != at {
                continue;
            }
            match slot.state {
                Some(TaskState::UpForRetry | TaskState::UpForReschedule) => self.pend(number),
                Some(TaskState::Deferred) => self.schedule(number, now),
                _ => {}
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<DateTime<Utc>> {
        self.facts.started_at?.checked_add_signed(self.plan.dag().dagrun_timeout?.as_time_delta())
    }

    /// Whether nothing happens to the run before a moment (none: before something from outside does), so that nobody needs to hold it.
    pub fn rest(&self) -> Option<Rest> {
        let is_at_rest = !self.finished
            && self.queued_or_running == 0
            && self.ready.is_empty()
            && self.past_query().is_none()
            && self.effects.is_empty();
        is_at_rest.then(|| Rest { until: self.next_timer() })
    }

    fn next_timer(&self) -> Option<DateTime<Utc>> {
        let timer = self.timers.peek().map(|timer| timer.0.0);
        timer.into_iter().chain(self.deadline()).min()
    }

    /// Asks to be woken for the earliest timer, once.
    pub(super) fn announce(&mut self) {
        if self.finished {
            return;
        }
        let next = self.next_timer();
        if next.is_some() && next != self.announced {
            self.effects.extend(next.map(Effect::WakeAt));
        }
        self.announced = next;
    }
}
