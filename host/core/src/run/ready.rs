//! What of a run may be queued.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::machine::RunMachine;
use crate::callback::Subject;
use crate::dag::Task;
use crate::outcome::Resume;

/// A task with instances that may be queued.
#[derive(Clone, Copy, Debug)]
pub struct ReadyTask<'a> {
    machine: &'a RunMachine,
    number: usize,
    pub weight: i64,
    slots: &'a BTreeSet<(i32, usize)>,
}

/// An instance that may be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadyInstance<'a> {
    pub instance: Uuid,
    pub task_id: &'a str,
    pub map_index: i32,
    /// The try that it is in now.
    pub from_try: u32,
    /// The try that is to be queued: the next, or the same where a rescheduled or deferred one goes on.
    pub try_number: u32,
    /// For a deferred try that goes on.
    pub resume: Option<Resume>,
}

impl<'a> ReadyTask<'a> {
    pub fn task(&self) -> &'a Task {
        self.machine.plan.task(self.number)
    }

    /// Instances of this task in this run that count for its limits.
    pub fn active(&self) -> u32 {
        self.machine.nodes[self.number].active
    }

    /// By map index.
    pub fn instances(&self) -> impl Iterator<Item = ReadyInstance<'a>> + use<'a> {
        let Self { machine, number, slots, .. } = *self;
        slots.iter().map(move |(map_index, slot)| {
            let slot = &machine.slots[*slot];
            ReadyInstance {
                instance: slot.id,
                task_id: &machine.plan.task(number).task_id,
                map_index: *map_index,
                from_try: slot.try_number,
                try_number: slot.next_try(),
                // What cannot be read any more was written by a program that is no longer; the try begins anew.
                resume: slot.resume_state.clone().and_then(|resume| serde_json::from_value(resume).ok()),
            }
        })
    }
}

impl RunMachine {
    /// In the order of weight, then of the document.
    pub fn ready_tasks(&self) -> impl Iterator<Item = ReadyTask<'_>> {
        self.ready.iter().map(|((weight, number), slots)| ReadyTask {
            machine: self,
            number: *number,
            weight: weight.0,
            slots,
        })
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Every instance that may be queued, in order.
    pub fn ready(&self) -> impl Iterator<Item = ReadyInstance<'_>> {
        self.ready_tasks().flat_map(|task| task.instances())
    }

    /// Instances that are queued or running.
    pub fn queued_or_running(&self) -> u32 {
        self.queued_or_running
    }

    /// The task and the map index of an instance.
    pub fn task_of(&self, instance: Uuid) -> Option<(&Task, i32)> {
        let slot = &self.slots[*self.by_id.get(&instance)?];
        Some((self.plan.task(slot.task), slot.map_index))
    }

    /// A try of an instance, for callbacks about it.
    pub fn subject(&self, instance: Uuid, try_number: u32) -> Option<Subject> {
        let slot = &self.slots[*self.by_id.get(&instance)?];
        Some(Subject {
            instance,
            task_id: self.plan.task(slot.task).task_id.clone(),
            map_index: slot.map_index,
            try_number,
            max_tries: slot.max_tries,
        })
    }

    pub fn logical_date(&self) -> Option<DateTime<Utc>> {
        self.facts.logical_date
    }
}
