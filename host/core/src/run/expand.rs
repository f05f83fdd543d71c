//! Dynamic mapping: from one instance that stands for all to as many as there are elements.
//!
//! What a mapped task is mapped over is known when its sources have ended; their workers have said how many elements they
//! returned. Until then there is one instance with the map index -1. It is the first of the others afterwards, as in Airflow.

use std::sync::Arc;

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
            None if self.nodes[source].unfinished == 0 => Decision::Run,
            None => Decision::Wait,
            Some(Some(TaskState::Success)) => Decision::Run,
            Some(Some(TaskState::Failed | TaskState::UpstreamFailed)) => Decision::UpstreamFailed,
            Some(Some(TaskState::Skipped | TaskState::Removed)) => Decision::Skip,
            Some(_) => Decision::Wait,
        }
    }

    fn alone(&self, task: usize) -> Option<&Slot> {
        self.nodes[task].alone().map(|number| &self.slots[number])
    }

    /// A mapped task is about to run: its instances are made, or, where it runs again and is mapped over something else now, brought
    /// to their number. Once is enough: what it is mapped over changes only by an intervention, after which the machine is made anew.
    /// Answers whether anything was made or closed.
    ///
    /// In a mapped group, tasks that have unfolded stay in step. One that still stands for all of its instances unfolds by itself:
    /// something outside of the group may yet decide on it as a whole.
    pub(super) fn make_instances(&mut self, task: usize, now: DateTime<Utc>) -> bool {
        let is_new = |number: usize| self.slots[number].state.is_none();
        let node = &self.nodes[task];
        if node.is_unfolded || self.plan.mapping(task).is_none() || !node.pending.slots().any(is_new) {
            return false;
        }
        let count = self.count_instances(task);
        let in_step = |other: &usize| *other == task || self.nodes[*other].alone().is_none();
        let together: Vec<usize> = self.plan.unfolds_with(task).into_iter().filter(in_step).collect();
        let mut any = false;
        for task in together {
            any |= self.bring_to(&count, task, now);
        }
        any
    }

    fn bring_to(&mut self, count: &Count, task: usize, now: DateTime<Utc>) -> bool {
        if std::mem::replace(&mut self.nodes[task].is_unfolded, true) {
            return false;
        }
        let stands_for_all = self.nodes[task].alone().is_some();
        match count {
            Count::Not(why) => stands_for_all && self.close_pending(task, 0, TaskState::UpstreamFailed, now, why),
            Count::Into(0) if stands_for_all => {
                self.close_pending(task, 0, TaskState::Skipped, now, "there is nothing to map over")
            }
            Count::Into(count) => {
                let indexes = map_indexes(*count);
                let why = "there are fewer elements to map over now";
                let any_closed = self.close_pending(task, indexes.end, TaskState::Removed, now, why);
                self.unfold(task, indexes) || any_closed
            }
        }
    }

    fn count_instances(&self, task: usize) -> Count {
        let Some(mapping) = self.plan.mapping(task) else { return Count::Into(0) };
        let length_of = |task_id: &str| {
            let source = self.plan.number(task_id)?;
            match self.alone(source) {
                Some(slot) => slot.map_length.map(u64::from),
                None => Some(u64::from(self.nodes[source].returned)),
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
    fn close_pending(&mut self, task: usize, least: i32, to: TaskState, now: DateTime<Utc>, why: &str) -> bool {
        let is_meant = |number: &usize| {
            let slot = &self.slots[*number];
            slot.state.is_none() && (slot.map_index >= least || (slot.map_index == UNMAPPED && least == 0))
        };
        let meant: Vec<usize> = self.nodes[task].pending.slots().filter(is_meant).collect();
        for number in &meant {
            self.close(*number, to, now, why);
        }
        !meant.is_empty()
    }

    /// Makes the instances that are missing. Their ids follow from the first one's, so that working it out again comes to the same.
    fn unfold(&mut self, task: usize, indexes: std::ops::Range<i32>) -> bool {
        let Some(&first) = self.nodes[task].slots.values().next() else { return false };
        let base = self.slots[first].id;
        let becomes_first = self.slots[first].map_index == UNMAPPED;
        if becomes_first {
            self.become_first(first);
        }
        let known = &self.nodes[task].slots;
        let missing = indexes.filter(|index| !known.contains_key(index));
        let create: Vec<_> = missing.map(|index| self.plan.new_instance(task, id_of(base, index), index)).collect();
        for new in &create {
            self.add(Instance::from(new));
        }
        let any_made = becomes_first || !create.is_empty();
        if any_made {
            self.effects.push(Effect::Expand { first: becomes_first.then_some(base), create });
        }
        any_made
    }

    /// What stood for all instances, undecided, is the first of them from now on, for itself and for what waits for it.
    fn become_first(&mut self, number: usize) {
        self.unpend(number);
        let task = self.slots[number].task;
        self.slots[number].map_index = 0;
        let slots = &mut self.nodes[task].slots;
        slots.remove(&UNMAPPED);
        slots.insert(0, number);
        let plan = Arc::clone(&self.plan);
        let is_setup = plan.task(task).is_setup;
        for edge in &plan.tasks[task].edges {
            self.tally(edge.to, edge.index_for(UNMAPPED), |tally| tally.of(edge.kind).expect_no_more(is_setup));
            self.tally(edge.to, edge.index_for(0), |tally| tally.of(edge.kind).expect(is_setup));
        }
        self.pend(number);
    }
}

fn id_of(base: Uuid, map_index: i32) -> Uuid {
    let digest = Sha256::new().chain_update(base.as_bytes()).chain_update(map_index.to_be_bytes()).finalize();
    let bytes = std::array::from_fn(|place| digest[place]);
    Builder::from_custom_bytes(bytes).into_uuid()
}
