//! The runs that this scheduler holds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::{Arc, Weak};

use airlock_core::dag::Dag;
use airlock_core::id::{RunKey, TenantId};
use airlock_core::limits::TenantPolicy;
use airlock_core::run::{Event, Instance, Plan, RunFacts, RunMachine};
use airlock_store::driving::LoadedRun;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::arrivals::Arrivals;
use crate::round::Round;
use crate::stages::Stages;

/// A run with its machine.
pub(crate) struct HeldRun {
    pub(crate) machine: RunMachine,
    pub(crate) epoch: i64,
    pub(crate) dag_id: String,
    pub(crate) run_id: String,
    pub(crate) dag_version: u32,
    pub(crate) policy: Arc<TenantPolicy>,
    /// When it was last told of something.
    pub(crate) told_at: DateTime<Utc>,
    pub(crate) stages: Stages,
}

#[derive(Default)]
pub(crate) struct Held {
    pub(crate) runs: HashMap<RunKey, HeldRun>,
    /// Taken, and not driven yet.
    pub(crate) arrivals: Arrivals,
    /// Plans of DAG versions that some run uses.
    plans: HashMap<(TenantId, String, u32), Weak<Plan>>,
    timers: BinaryHeap<Reverse<(DateTime<Utc>, RunKey)>>,
    timer_limit: usize,
    /// Runs that may have something to admit. A run that is at its own limit is not here until something happens to it.
    pub(crate) ready: BTreeSet<RunKey>,
    /// Runs with tasks that wait for what came before, and whether they have something to ask that has not been asked.
    pub(crate) awaiting_past: BTreeMap<RunKey, bool>,
}

impl Held {
    /// Lets a run that was taken wait for its turn. What was known of it is of an earlier epoch.
    pub(crate) fn arrive(&mut self, loaded: LoadedRun, round: &mut Round) {
        let key = loaded.run.key;
        self.forget(key);
        round.forget(key);
        self.arrivals.add(key, loaded);
    }

    /// Takes a run on, in place of what was known of it, and lets its machine begin.
    pub(crate) fn adopt(&mut self, loaded: LoadedRun, now: DateTime<Utc>, round: &mut Round) {
        let stages = Stages::of(&loaded);
        let LoadedRun { run, dag, instances, policy } = loaded;
        let plan = self.plan(run.key.tenant, &run.dag_id, run.dag_version, dag);
        let new = if instances.is_empty() { plan.new_instances(Uuid::now_v7) } else { Vec::new() };
        let known: Vec<Instance> =
            instances.into_iter().map(Instance::from).chain(new.iter().map(Instance::from)).collect();
        let machine = RunMachine::new(plan, RunFacts::from(&run), known);
        let held = HeldRun {
            machine,
            epoch: run.epoch,
            dag_id: run.dag_id,
            run_id: run.run_id,
            dag_version: run.dag_version,
            policy,
            told_at: now,
            stages,
        };
        self.forget(run.key);
        round.forget(run.key);
        self.runs.insert(run.key, held);
        round.create(run.key, new);
        self.tell(run.key, Event::Begin, now, round);
    }

    /// Tells a run what happened, and takes note of what is to follow. Answers whether anything is.
    pub(crate) fn tell(&mut self, key: RunKey, event: Event, now: DateTime<Utc>, round: &mut Round) -> bool {
        let Some(held) = self.runs.get_mut(&key) else { return false };
        held.told_at = now;
        let is_answer = matches!(event, Event::Past(_));
        let effects = held.machine.on_event(event, now);
        held.stages.note(&effects);
        if held.machine.has_ready() {
            self.ready.insert(key);
        } else {
            self.ready.remove(&key);
        }
        if held.machine.past_query().is_some() {
            self.awaiting_past.insert(key, !is_answer);
        } else {
            self.awaiting_past.remove(&key);
        }
        let any = !effects.is_empty();
        self.timers.extend(round.take_in(key, effects).map(|at| Reverse((at, key))));
        self.drop_old_timers();
        any
    }

    /// Timers outlive their runs, some (of run timeouts) by days. They are sorted out each time that they have doubled.
    fn drop_old_timers(&mut self) {
        if self.timers.len() > self.timer_limit {
            let runs = &self.runs;
            self.timers.retain(|timer| runs.contains_key(&timer.0.1));
            self.timer_limit = 1_000 + 2 * self.timers.len();
        }
    }

    pub(crate) fn forget(&mut self, key: RunKey) -> Option<HeldRun> {
        self.ready.remove(&key);
        self.awaiting_past.remove(&key);
        self.arrivals.remove(key);
        self.runs.remove(&key)
    }

    pub(crate) fn next_timer(&self) -> Option<DateTime<Utc>> {
        self.timers.peek().map(|timer| timer.0.0)
    }

    /// The next run that asked to be woken by now. A timer outlives its run; being told of it, or twice, does no harm.
    pub(crate) fn next_due(&mut self, now: DateTime<Utc>) -> Option<RunKey> {
        let Reverse((_, key)) = self.timers.peek().copied().filter(|timer| timer.0.0 <= now)?;
        while self.timers.peek().is_some_and(|timer| timer.0.0 <= now && timer.0.1 == key) {
            self.timers.pop();
        }
        Some(key)
    }

    fn plan(&mut self, tenant: TenantId, dag_id: &str, version: u32, dag: Arc<Dag>) -> Arc<Plan> {
        let name = (tenant, dag_id.to_owned(), version);
        if let Some(plan) = self.plans.get(&name).and_then(Weak::upgrade) {
            return plan;
        }
        self.plans.retain(|_, plan| plan.strong_count() > 0);
        let plan = Arc::new(Plan::new(dag));
        self.plans.insert(name, Arc::downgrade(&plan));
        plan
    }
}
