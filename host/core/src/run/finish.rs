//! How a run ends.

use chrono::{DateTime, Utc};

use super::event::{Effect, FinishReason};
use super::machine::RunMachine;
use crate::state::{RunState, TaskState};

impl RunMachine {
    /// A run without tasks is done at once.
    pub(super) fn finish_if_done(&mut self, now: DateTime<Utc>) {
        if self.finished {
            return;
        }
        if self.all_finished() {
            self.end(self.outcome(), FinishReason::Done, now);
        } else if self.nothing_can_move() {
            self.end(RunState::Failed, FinishReason::Deadlock, now);
        }
    }

    /// `dagrun_timeout`: whatever has not finished is skipped, even what runs.
    pub(super) fn time_out(&mut self, now: DateTime<Utc>) {
        for number in 0..self.slots.len() {
            if !self.slots[number].state.is_some_and(TaskState::is_finished) {
                self.close(number, TaskState::Skipped, now, "the run's `dagrun_timeout` is over");
            }
        }
        self.end(RunState::Failed, FinishReason::TimedOut, now);
    }

    fn end(&mut self, state: RunState, reason: FinishReason, at: DateTime<Utc>) {
        self.finished = true;
        self.effects.push(Effect::FinishRun { state, reason, at });
    }
}
