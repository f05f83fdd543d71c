//! What has become of everything that an instance waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;

use super::plan::EdgeKind;
use super::rule::Counts;

/// Instances that are waited for, counted by what each of them means to those that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tally {
    pub(super) direct: Counts,
    pub(super) setups: Counts,
    pub(super) scope: Counts,
    /// Those that have succeeded and decided against what waits.
    pub(super) left_out: u32,
}

impl Tally {
    pub(super) fn of(&mut self, kind: EdgeKind) -> &mut Counts {
        match kind {
            EdgeKind::Direct => &mut self.direct,
            EdgeKind::Setup => &mut self.setups,
            EdgeKind::Scope => &mut self.scope,
        }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            direct: self.direct + other.direct,
            setups: self.setups + other.setups,
            scope: self.scope + other.scope,
            left_out: self.left_out + other.left_out,
        }
    }
}

/// Slots that are to be decided on. Those to which the same has happened lie together, because the same becomes of them: a hundred
/// thousand instances of a mapped group that wait alike cost one decision.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending(BTreeMap<Tally, BTreeSet<usize>>);

impl Pending {
    pub(super) fn insert(&mut self, tally: Tally, slot: usize) {
        self.0.entry(tally).or_default().insert(slot);
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, tally: &Tally, slot: usize) -> bool {
        let Some(slots) = self.0.get_mut(tally) else { return false };
        let was_there = slots.remove(&slot);
        if slots.is_empty() {
            self.0.remove(tally);
        }
        was_there
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn tallies(&self) -> Vec<Tally> {
        self.0.keys().copied().collect()
    }

    pub(super) fn take(&mut self, tally: &Tally) -> BTreeSet<usize> {
        self.0.remove(tally).unwrap_or_default()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.0.values().flatten().copied()
    }
}
