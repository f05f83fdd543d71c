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
}

impl Round {
    pub(crate) fn create(&mut self, key: RunKey, instances: Vec<NewInstance>) {
        if !instances.is_empty() {
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
                Effect::Move(moved) => self.changes.entry(key).or_default().moves.push(moved),
                Effect::Await(trigger) => self.changes.entry(key).or_default().triggers.push(trigger),
                Effect::Expand { first, create } => {
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
