//! The state of one DAG run in memory.
//!
//! The machine keeps, for each task, how many upstream instances have ended in which state, so that an event costs what waits
//! for the task that it concerns, and never the size of the run. In a mapped group it keeps this for each map index, as far as the
//! group is concerned: there an instance waits for those with its own index. It never waits and asks nothing: whoever holds it tells it what
//! happened, and carries out what it answers. It does not tell `queued` from `running` of tries that it has queued itself, for
//! nobody reports when a worker starts one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::change::{Move, Settles};
use super::event::{Effect, Event, Instance, RunFacts, has_open_try};
use super::past::{self, Past, PastQuery};
use super::plan::Plan;
use super::tally::{Pending, Tally};
use crate::id::UNMAPPED;
use crate::state::{RunState, TaskState};

/// The machine's view of an instance.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) id: Uuid,
    pub(super) task: usize,
    pub(super) map_index: i32,
    pub(super) state: Option<TaskState>,
    pub(super) try_number: u32,
    pub(super) max_tries: u32,
    pub(super) first_started_at: Option<DateTime<Utc>>,
    pub(super) wake_at: Option<DateTime<Utc>>,
    pub(super) reschedules: u32,
    pub(super) resume_state: Option<Value>,
    pub(super) skips: Vec<String>,
    pub(super) map_length: Option<u32>,
}

impl Slot {
    /// The try that is queued next: a rescheduled or deferred one goes on under its number.
    pub(super) fn next_try(&self) -> u32 {
        if self.goes_on() { self.try_number } else { self.try_number + 1 }
    }

    fn goes_on(&self) -> bool {
        self.reschedules > 0 || self.resume_state.is_some()
    }

    fn has_open_try(&self) -> bool {
        has_open_try(self.state, self.goes_on())
    }
}

/// The machine's view of a task.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// What all instances wait for.
    pub(super) shared: Tally,
    /// What one instance waits for beyond that, by its map index: those with the same index in its mapped group, and decisions of
    /// instances with the same index.
    pub(super) own: HashMap<i32, Tally>,
    /// By map index.
    pub(super) slots: BTreeMap<i32, usize>,
    /// Slots that the trigger rule is to decide on, by their own tally.
    pub(super) pending: Pending,
    /// Whether this machine has brought a mapped task to the number of its instances.
    pub(super) is_unfolded: bool,
    pub(super) unfinished: u32,
    /// Instances that have succeeded and returned something, for tasks that are mapped over this one.
    pub(super) returned: u32,
    /// Instances that count for `max_active_tis_per_dagrun`.
    pub(super) active: u32,
}

impl Node {
    pub(super) fn own_tally(&self, map_index: i32) -> Tally {
        self.own.get(&map_index).copied().unwrap_or_default()
    }

    /// The instance of a task that is not mapped, or that stands for all of a mapped one.
    pub(super) fn alone(&self) -> Option<usize> {
        self.slots.get(&UNMAPPED).copied()
    }
}

/// See the module.
#[derive(Debug)]
pub struct RunMachine {
    pub(super) plan: Arc<Plan>,
    pub(super) facts: RunFacts,
    pub(super) slots: Vec<Slot>,
    pub(super) by_id: HashMap<Uuid, usize>,
    pub(super) nodes: Vec<Node>,
    /// Unfinished instances of tasks that the DAG does not have (any more).
    strays: Vec<Instance>,
    pub(super) finished: bool,
    unfinished: usize,
    /// Of these, those about which something has been decided.
    in_progress: usize,
    /// Instances that are queued or running.
    pub(super) queued_or_running: u32,
    failed: usize,
    failed_leaves: usize,
    /// What may be queued, in the order of weight and document, then of map index.
    pub(super) ready: BTreeMap<(Reverse<i64>, usize), BTreeSet<(i32, usize)>>,
    pub(super) timers: BinaryHeap<Reverse<(DateTime<Utc>, usize)>>,
    pub(super) announced: Option<DateTime<Utc>>,
    /// Tasks that may run but for their past, and whether the past is known to let them.
    pub(super) past: BTreeMap<usize, bool>,
    /// Tasks whose upstream has changed since they were last decided on.
    pub(super) changed: BTreeSet<usize>,
    pub(super) effects: Vec<Effect>,
}

impl RunMachine {
    /// A machine for a run whose instances stand like this. Tell it [`Event::Begin`] first.
    pub fn new(plan: Arc<Plan>, facts: RunFacts, instances: Vec<Instance>) -> Self {
        let mut machine = Self {
            nodes: vec![Node::default(); plan.tasks.len()],
            plan,
            facts,
            slots: Vec::with_capacity(instances.len()),
            by_id: HashMap::with_capacity(instances.len()),
            strays: Vec::new(),
            finished: false,
            unfinished: 0,
            in_progress: 0,
            queued_or_running: 0,
            failed: 0,
            failed_leaves: 0,
            ready: BTreeMap::new(),
            timers: BinaryHeap::new(),
            announced: None,
            past: BTreeMap::new(),
            changed: BTreeSet::new(),
            effects: Vec::new(),
        };
        for instance in instances {
            machine.add(instance);
        }
        machine
    }

    /// Takes note of what happened and answers what is to happen, in order.
    pub fn on_event(&mut self, event: Event, now: DateTime<Utc>) -> Vec<Effect> {
        self.on_events([event], now)
    }

    /// Takes note of things that happened together: what follows is decided when all of them are known, so that a failure and a
    /// skip upstream of one task are weighed against each other, whichever was told first.
    pub fn on_events(&mut self, events: impl IntoIterator<Item = Event>, now: DateTime<Utc>) -> Vec<Effect> {
        if self.finished {
            return Vec::new();
        }
        for event in events {
            match event {
                Event::Begin => self.begin(now),
                Event::Ended(ended) => self.end_try(ended),
                Event::Woken { instance, try_number, event } => self.woken(instance, try_number, event, now),
                Event::Tick => self.tick(now),
                Event::Admitted { instance, try_number } => self.admitted(instance, try_number),
                Event::Past(past) => self.learn_past(&past),
            }
        }
        self.decide_changed(now);
        self.finish_if_done(now);
        self.announce();
        std::mem::take(&mut self.effects)
    }

    pub fn is_finished(&self) -> bool {
        self.finished
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The instances as the machine sees them: task id, map index and state.
    pub fn states(&self) -> impl Iterator<Item = (&str, i32, Option<TaskState>)> {
        self.slots.iter().map(|slot| (self.plan.task(slot.task).task_id.as_str(), slot.map_index, slot.state))
    }

    /// What the machine needs to know of the past before tasks can go on, if anything.
    pub fn past_query(&self) -> Option<PastQuery> {
        let tasks: BTreeSet<&str> = self.held_by_past().flat_map(|task| past::relevant(&self.plan, task)).collect();
        (!tasks.is_empty()).then(|| PastQuery {
            automated: self.plan.dag().catchup,
            tasks: tasks.into_iter().map(str::to_owned).collect(),
        })
    }

    pub(super) fn add(&mut self, instance: Instance) {
        let Some(task) = self.plan.number(&instance.task_id) else {
            if !instance.state.is_some_and(TaskState::is_finished) {
                self.strays.push(instance);
            }
            return;
        };
        let number = self.slots.len();
        let state = instance.state;
        self.by_id.insert(instance.id, number);
        self.nodes[task].slots.insert(instance.map_index, number);
        self.slots.push(Slot {
            id: instance.id,
            task,
            map_index: instance.map_index,
            state: None,
            try_number: instance.try_number,
            max_tries: instance.max_tries,
            first_started_at: instance.first_started_at,
            wake_at: instance.wake_at,
            reschedules: instance.reschedules,
            resume_state: instance.resume_state,
            skips: instance.skips,
            map_length: instance.map_length,
        });
        self.unfinished += 1;
        self.nodes[task].unfinished += 1;
        let plan = Arc::clone(&self.plan);
        let is_setup = plan.task(task).is_setup;
        for edge in &plan.tasks[task].edges {
            self.tally(edge.to, edge.index_for(instance.map_index), |tally| tally.of(edge.kind).expect(is_setup));
        }
        self.enter(number, state);
    }

    pub(super) fn slot_of(&self, instance: Uuid) -> Option<usize> {
        self.by_id.get(&instance).copied()
    }

    /// Changes what has become of the things that a task waits for: all its instances, or the one with this index.
    pub(super) fn tally(&mut self, task: usize, index: Option<i32>, change: impl FnOnce(&mut Tally)) {
        let node = &mut self.nodes[task];
        match index {
            None => change(&mut node.shared),
            Some(index) => {
                let own = node.own.entry(index).or_default();
                let before = *own;
                change(own);
                let after = *own;
                if let Some(slot) = node.slots.get(&index)
                    && node.pending.remove(&before, *slot)
                {
                    node.pending.insert(after, *slot);
                }
            }
        }
        self.changed.insert(task);
    }

    /// The slot is to be decided on.
    pub(super) fn pend(&mut self, number: usize) {
        let Slot { task, map_index, .. } = self.slots[number];
        let node = &mut self.nodes[task];
        node.pending.insert(node.own_tally(map_index), number);
        self.changed.insert(task);
    }

    /// The slot was decided on.
    pub(super) fn unpend(&mut self, number: usize) {
        let Slot { task, map_index, .. } = self.slots[number];
        let node = &mut self.nodes[task];
        node.pending.remove(&node.own_tally(map_index), number);
    }

    /// Everything that counts states learns that a slot has another one.
    fn enter(&mut self, number: usize, to: Option<TaskState>) {
        let Slot { task, map_index, state: from, wake_at, map_length, .. } = self.slots[number];
        self.unpend(number);
        self.slots[number].state = to;
        let returned = |state| u32::from(state == Some(TaskState::Success) && map_length.is_some());
        let node = &mut self.nodes[task];
        node.returned = node.returned + returned(to) - returned(from);
        self.count(number, from, to);
        self.leave_out(number, from, to);
        let key = (Reverse(self.plan.tasks[task].weight), task);
        if from == Some(TaskState::Scheduled)
            && to != from
            && let Some(ready) = self.ready.get_mut(&key)
        {
            ready.remove(&(map_index, number));
            if ready.is_empty() {
                self.ready.remove(&key);
            }
        }
        match to {
            None => self.pend(number),
            Some(TaskState::Scheduled) => {
                self.ready.entry(key).or_default().insert((map_index, number));
            }
            // What is deferred without a time waits for its trigger alone.
            Some(TaskState::Deferred) if wake_at.is_none() => {}
            Some(TaskState::UpForRetry | TaskState::UpForReschedule | TaskState::Deferred) => {
                self.timers.push(Reverse((wake_at.unwrap_or(DateTime::UNIX_EPOCH), number)));
            }
            Some(_) => {}
        }
    }

    fn count(&mut self, number: usize, from: Option<TaskState>, to: Option<TaskState>) {
        let Slot { task, map_index, .. } = self.slots[number];
        let finished = |state: Option<TaskState>| state.is_some_and(TaskState::is_finished);
        let in_progress = |state: Option<TaskState>| state.is_some_and(|state| !state.is_finished());
        let holds_slot = |state: Option<TaskState>| state.is_some_and(TaskState::holds_slot);
        let active = |state: Option<TaskState>| state.is_some_and(TaskState::counts_as_active);
        let failed = |state: Option<TaskState>| state == Some(TaskState::Failed);
        let failed_leaf = self.plan.tasks[task].is_leaf;
        let failed_leaf = |state: Option<TaskState>| failed_leaf && state.is_some_and(TaskState::is_failure_like);

        self.unfinished = self.unfinished + usize::from(finished(from)) - usize::from(finished(to));
        self.in_progress = self.in_progress + usize::from(in_progress(to)) - usize::from(in_progress(from));
        self.queued_or_running = self.queued_or_running + u32::from(holds_slot(to)) - u32::from(holds_slot(from));
        self.failed = self.failed + usize::from(failed(to)) - usize::from(failed(from));
        self.failed_leaves = self.failed_leaves + usize::from(failed_leaf(to)) - usize::from(failed_leaf(from));
        let node = &mut self.nodes[task];
        node.active = node.active + u32::from(active(to)) - u32::from(active(from));
        node.unfinished = node.unfinished + u32::from(finished(from)) - u32::from(finished(to));

        if finished(from) || finished(to) {
            let plan = Arc::clone(&self.plan);
            let is_setup = plan.task(task).is_setup;
            for edge in &plan.tasks[task].edges {
                let shift = |tally: &mut Tally| tally.of(edge.kind).shift(from, to, is_setup);
                self.tally(edge.to, edge.index_for(map_index), shift);
            }
            // In a mapped group, only the first tasks have the source right upstream.
            self.changed.extend(plan.tasks[task].expands.iter().copied());
        }
    }

    /// Moves a slot, and answers the move for its details to be added. `from` are the states that it may have in the database.
    pub(super) fn shift(
        &mut self,
        number: usize,
        from: &[Option<TaskState>],
        to: TaskState,
        at: DateTime<Utc>,
    ) -> Move {
        debug_assert!(
            from.iter().all(|from| super::transition::is_allowed(*from, Some(to))),
            "no transition from {from:?} to {to}"
        );
        self.enter(number, Some(to));
        self.move_of(number, from, Some(to), at)
    }

    fn move_of(&self, number: usize, from: &[Option<TaskState>], to: Option<TaskState>, at: DateTime<Utc>) -> Move {
        let slot = &self.slots[number];
        Move {
            instance: slot.id,
            from_states: from.to_vec(),
            from_try: slot.try_number,
            to,
            to_try: slot.try_number,
            max_tries: slot.max_tries,
            at,
            wake_at: slot.wake_at,
            reschedules: slot.reschedules,
            resume_state: slot.resume_state.clone(),
            message: None,
            settles: None,
        }
    }

    /// Moves a slot that has not finished and will not run, taking it off the queue where it is on it.
    pub(super) fn close(&mut self, number: usize, to: TaskState, at: DateTime<Utc>, why: &str) {
        let from: &[Option<TaskState>] = match self.slots[number].state {
            Some(TaskState::Queued | TaskState::Running) => &[Some(TaskState::Queued), Some(TaskState::Running)],
            other => &[other],
        };
        self.close_from(number, from, to, at, why);
    }

    fn close_from(&mut self, number: usize, from: &[Option<TaskState>], to: TaskState, at: DateTime<Utc>, why: &str) {
        let slot = &mut self.slots[number];
        let had_begun = slot.has_open_try();
        (slot.wake_at, slot.reschedules, slot.resume_state) = (None, 0, None);
        let mut moved = self.shift(number, from, to, at);
        moved.message = Some(why.to_owned());
        moved.settles = had_begun.then(|| Settles::by_decision(to, at, why));
        self.effects.push(Effect::Move(moved));
    }

    /// Moves a slot that is queued, or may have begun to run, only if it is in this very state. The database knows which it is:
    /// the machine is to be made anew from what it then says.
    pub(super) fn close_if(&mut self, number: usize, from: TaskState, to: TaskState, at: DateTime<Utc>, why: &str) {
        let mut moved = self.move_of(number, &[Some(from)], Some(to), at);
        (moved.wake_at, moved.reschedules, moved.resume_state) = (None, 0, None);
        moved.message = Some(why.to_owned());
        moved.settles = Some(Settles::by_decision(to, at, why));
        self.effects.extend([Effect::Move(moved), Effect::Reload]);
    }

    fn begin(&mut self, now: DateTime<Utc>) {
        for stray in std::mem::take(&mut self.strays) {
            self.effects.push(Effect::Move(Move {
                instance: stray.id,
                from_states: vec![stray.state],
                from_try: stray.try_number,
                to: Some(TaskState::Removed),
                to_try: stray.try_number,
                max_tries: stray.max_tries,
                at: now,
                wake_at: None,
                reschedules: 0,
                resume_state: None,
                message: Some("the DAG does not have this task any more".to_owned()),
                settles: None,
            }));
        }
        for number in 0..self.slots.len() {
            if self.slots[number].state == Some(TaskState::Restarting) {
                self.restart(number, now);
            }
        }
        self.changed.extend(0..self.nodes.len());
        self.tick(now);
    }

    /// What was cleared while it ran is tried again, however many tries it has had: its own was ended by whoever cleared it. It waits for
    /// nothing but what is upstream; Airflow lets it wait for its `retry_delay` too, which is about failures.
    fn restart(&mut self, number: usize, now: DateTime<Utc>) {
        let slot = &mut self.slots[number];
        slot.wake_at = None;
        slot.max_tries = slot.max_tries.max(slot.try_number);
        // Of a mapped task it is undecided again: what it is mapped over may be another now.
        let is_mapped = self.plan.task(self.slots[number].task).mapping.is_some();
        let to = (!is_mapped).then_some(TaskState::UpForRetry);
        self.enter(number, to);
        let moved = self.move_of(number, &[Some(TaskState::Restarting)], to, now);
        self.effects.push(Effect::Move(moved));
    }

    fn admitted(&mut self, instance: Uuid, try_number: u32) {
        let Some(number) = self.slot_of(instance) else { return };
        let slot = &mut self.slots[number];
        if try_number != slot.try_number {
            slot.first_started_at = None;
        }
        slot.try_number = try_number;
        self.enter(number, Some(TaskState::Queued));
    }

    fn learn_past(&mut self, past: &Past) {
        let plan = Arc::clone(&self.plan);
        for (task, met) in &mut self.past {
            if !*met && past::is_met(&plan, *task, past) {
                *met = true;
                self.changed.insert(*task);
            }
        }
    }

    pub(super) fn schedule(&mut self, number: usize, now: DateTime<Utc>) {
        let from = self.slots[number].state;
        self.slots[number].wake_at = None;
        let moved = self.shift(number, &[from], TaskState::Scheduled, now);
        self.effects.push(Effect::Move(moved));
    }

    /// Whether the past lets a task run; if that is not known, it is noted as wanted.
    pub(super) fn past_lets(&mut self, task: usize) -> bool {
        if self.facts.ignores_past || !past::looks_back(self.plan.task(task)) {
            return true;
        }
        *self.past.entry(task).or_insert(false)
    }

    /// Tasks that only their past keeps from running.
    fn held_by_past(&self) -> impl Iterator<Item = usize> {
        let is_held = |(task, met): &(&usize, &bool)| !**met && !self.nodes[**task].pending.is_empty();
        self.past.iter().filter(is_held).map(|(task, _)| *task)
    }

    pub(super) fn nothing_can_move(&self) -> bool {
        self.in_progress == 0 && self.held_by_past().next().is_none()
    }

    pub(super) fn all_finished(&self) -> bool {
        self.unfinished == 0
    }

    /// By the leaves. Airflow lets a run that `fail_fast` has stopped succeed if its leaves were skipped; a run that was cut short by
    /// a failure has failed.
    pub(super) fn outcome(&self) -> RunState {
        let cut_short = self.plan.dag().fail_fast && self.failed > 0;
        if self.failed_leaves > 0 || cut_short { RunState::Failed } else { RunState::Success }
    }
}
