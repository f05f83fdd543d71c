//! What one round comes to.

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::id::RunKey;
use airlock_core::run::{Effect, FinishReason, NewInstance, RunChange};
use airlock_core::state::RunState;
use chrono::{DateTime, Utc};

#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) changes: BTreeMap<RunKey, RunChange>,
    /// Runs that are to be loaded again when the round is over.
    pub(crate) reload: BTreeSet<RunKey>,
    pub(crate) finished: BTreeMap<RunKey, (RunState, FinishReason)>,
    /// Whether something was left for the next round, which is to begin at once.
    pub(crate) more: bool,
    /// Instances that are made or moved.
    size: usize,
}

impl Round {
    /// Whether a round that is to change about this many instances takes in nothing more. What is left waits where it is, and the
    /// next round begins at once.
    pub(crate) fn is_full(&mut self, changes: usize) -> bool {
        let is_full = self.size >= changes;
        self.more |= is_full;
        is_full
    }

    pub(crate) fn create(&mut self, key: RunKey, instances: Vec<NewInstance>) {
        if !instances.is_empty() {
            self.size += instances.len();
            self.changes.entry(key).or_default().create.extend(instances);
        }
    }

    /// What was decided about a run by a machine that is replaced.
    pub(crate) fn forget(&mut self, key: RunKey) {
        self.changes.remove(&key);
        self.reload.remove(&key);
        self.finished.remove(&key);
    }

    /// Takes in what a run's machine answered; what is left are the moments at which it wants to be woken.
    pub(crate) fn take_in(&mut self, key: RunKey, effects: Vec<Effect>) -> impl Iterator<Item = DateTime<Utc>> + use<> {
        let mut wake_at = Vec::new();
        for effect in effects {
            match effect {
                Effect::Move(moved) => {
                    self.size += 1;
                    self.changes.entry(key).or_default().moves.push(moved);
                }
                Effect::Await(trigger) => self.changes.entry(key).or_default().triggers.push(trigger),
                Effect::Expand { first, create } => {
                    self.size += create.len();
                    let change = self.changes.entry(key).or_default();
                    change.expand.extend(first);
                    change.create.extend(create);
                }
                Effect::WakeAt(at) => wake_at.push(at),
                Effect::Reload => {
                    self.reload.insert(key);
                }
                Effect::FinishRun { state, reason, at } => {
                    let change = self.changes.entry(key).or_default();
                    (change.run_state, change.at) = (Some(state), Some(at));
                    self.finished.insert(key, (state, reason));
                }
            }
        }
        wake_at.into_iter()
    }
}
