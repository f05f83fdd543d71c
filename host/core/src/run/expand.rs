//! Dynamic mapping: from one instance that stands for all to as many as there are elements.
//!
//! What a mapped task is mapped over is known when its sources have ended; their workers have said how many elements they
//! returned. Until then there is one instance with the map index -1. It is the first of the others afterwards, as in Airflow.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::event::{Effect, Instance};
use super::machine::{RunMachine, Slot};
use super::plan::map_indexes;
use super::rule::Decision;
use crate::dag::MAXIMUM_INSTANCES;
use crate::id::UNMAPPED;
use crate::state::TaskState;

/// Into how many instances a mapped task unfolds.
enum Count {
    Into(u64),
    /// Why it cannot.
    Not(String),
}

impl RunMachine {
    /// What the tasks that a task is mapped over say of it, whatever its trigger rule is. A source that is mapped itself is one only
    /// as a whole: some of its instances may have failed.
    pub(super) fn decide_by_sources(&self, task: usize) -> Decision {
        let decisions = self.plan.tasks[task].sources.iter().map(|source| self.decide_by_source(*source));
        decisions
            .max_by_key(|decision| match decision {
                Decision::Run => 0,
                Decision::Wait => 1,
                Decision::Skip => 2,
                Decision::UpstreamFailed => 3,
            })
            .unwrap_or(Decision::Run)
    }

    fn decide_by_source(&self, source: usize) -> Decision {
        match self.alone(source).map(|slot| slot.state) {
            None if self.groups[source].unfinished == 0 => Decision::Run,
            None => Decision::Wait,
            Some(Some(TaskState::Success)) => Decision::Run,
            Some(Some(TaskState::Failed | TaskState::UpstreamFailed)) => Decision::UpstreamFailed,
            Some(Some(TaskState::Skipped | TaskState::Removed)) => Decision::Skip,
            Some(_) => Decision::Wait,
        }
    }

    /// The instance of a task that is not mapped, or that stands for all of a mapped one.
    fn alone(&self, task: usize) -> Option<&Slot> {
        let first = self.groups[task].slots.first().map(|number| &self.slots[*number]);
        first.filter(|slot| slot.map_index == UNMAPPED)
    }

    /// A mapped task is about to run: its instances are made, or, where it runs again and is mapped over something else now, brought
    /// to their number.
    pub(super) fn make_instances(&mut self, task: usize, now: DateTime<Utc>) {
        let is_new = |number: &usize| self.slots[*number].state.is_none();
        if self.plan.task(task).mapping.is_none() || !self.groups[task].pending.iter().any(is_new) {
            return;
        }
        let stands_for_all = self.alone(task).is_some();
        match self.count_instances(task) {
            Count::Not(why) if stands_for_all => self.close_pending(task, 0, TaskState::UpstreamFailed, now, &why),
            Count::Not(_) => {}
            Count::Into(0) if stands_for_all => {
                self.close_pending(task, 0, TaskState::Skipped, now, "there is nothing to map over");
            }
            Count::Into(count) => {
                let indexes = map_indexes(count);
                self.close_pending(
                    task,
                    indexes.end,
                    TaskState::Removed,
                    now,
                    "there are fewer elements to map over now",
                );
                self.unfold(task, indexes);
            }
        }
    }

    fn count_instances(&self, task: usize) -> Count {
        let Some(mapping) = &self.plan.task(task).mapping else { return Count::Into(0) };
        let length_of = |task_id: &str| {
            let source = self.plan.number(task_id)?;
            match self.alone(source) {
                Some(slot) => slot.map_length.map(u64::from),
                None => Some(u64::from(self.groups[source].returned)),
            }
        };
        match mapping.count(length_of) {
            Ok(count) if count > MAXIMUM_INSTANCES => {
                Count::Not(format!("it is mapped to {count} instances; the most is {MAXIMUM_INSTANCES}"))
            }
            Ok(count) => Count::Into(count),
            Err(source) => Count::Not(format!("`{source}` returned nothing that can be mapped over")),
        }
    }

    /// Of what waits for its first decision, everything from `least` on, and what stands for all if `least` is 0.
    fn close_pending(&mut self, task: usize, least: i32, to: TaskState, now: DateTime<Utc>, why: &str) {
        for number in self.groups[task].pending.clone() {
            let slot = &self.slots[number];
            let is_meant = slot.map_index >= least || (slot.map_index == UNMAPPED && least == 0);
            if slot.state.is_none() && is_meant {
                self.close(number, to, now, why);
            }
        }
    }

    /// Makes the instances that are missing. Their ids follow from the first one's, so that working it out again comes to the same.
    fn unfold(&mut self, task: usize, indexes: std::ops::Range<i32>) {
        let Some(&first) = self.groups[task].slots.first() else { return };
        let base = self.slots[first].id;
        let becomes_first = self.slots[first].map_index == UNMAPPED;
        if becomes_first {
            self.slots[first].map_index = 0;
        }
        let known: HashSet<i32> = self.groups[task].slots.iter().map(|number| self.slots[*number].map_index).collect();
        let missing = indexes.filter(|index| !known.contains(index));
        let create: Vec<_> = missing.map(|index| self.plan.new_instance(task, id_of(base, index), index)).collect();
        for new in &create {
            self.add(Instance::from(new));
        }
        if becomes_first || !create.is_empty() {
            self.effects.push(Effect::Expand { first: becomes_first.then_some(base), create });
        }
    }
}

fn id_of(base: Uuid, map_index: i32) -> Uuid {
    let digest = Sha256::new().chain_update(base.as_bytes()).chain_update(map_index.to_be_bytes()).finalize();
    let bytes = std::array::from_fn(|place| digest[place]);
    Builder::from_custom_bytes(bytes).into_uuid()
}
