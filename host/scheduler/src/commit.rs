//! The end of a round: everything that was decided, and what is admitted after it, in one transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use airlock_core::admit::{self, Admitted, Offer, Reason, Refused};
use airlock_core::asset::add_events;
use airlock_core::callback;
use airlock_core::id::RunKey;
use airlock_core::run::{Event, RunChange};
use airlock_store::StoreResult;
use airlock_store::driving::{Admission, Batch, Committed, Usage, UsageQuery};
use airlock_store::queue::NewQueueEntry;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::held::{Held, HeldRun};
use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Applies a round. `look_again`: room may have come about elsewhere, so that admission is tried even if nothing changed.
    /// Answers whether another round is to follow at once.
    pub(crate) async fn commit(&mut self, now: DateTime<Utc>, look_again: bool, mut round: Round) -> StoreResult<bool> {
        let changes = std::mem::take(&mut round.changes);
        let changes: Vec<(RunKey, i64, RunChange)> = changes
            .into_iter()
            .filter_map(|(key, mut change)| {
                change.fold_moves_into_creates();
                let held = self.held.runs.get(&key)?;
                add_events(&mut change, |instance| held.machine.task_of(instance));
                let because = round.finished.get(&key).map(|(_, reason)| *reason);
                let task_of = |instance| held.machine.task_of(instance);
                callback::add_to_change(&mut change, held.machine.plan().dag(), because, task_of, Uuid::now_v7);
                Some((key, held.epoch, change))
            })
            .collect();
        if changes.is_empty() && (self.held.ready.is_empty() || !look_again) {
            self.reload.append(&mut round.reload);
            return Ok(round.more || !self.reload.is_empty());
        }

        let run_of: HashMap<Uuid, RunKey> = changes
            .iter()
            .flat_map(|(key, _, change)| change.moves.iter().map(|moved| (moved.instance, *key)))
            .collect();
        let batch = Batch { owner: self.id, now, usage: self.held.usage_query(), changes };
        let pass = Mutex::new(Pass::default());
        let ready: Vec<(RunKey, &HeldRun)> = self.held.ready_runs().collect();
        let limit = self.options.admissions;
        let admit = |usage: &Usage| {
            let (admissions, done) = admit_ready(&ready, usage, limit, now);
            *pass.lock().unwrap_or_else(PoisonError::into_inner) = done;
            admissions
        };
        let began = Instant::now();
        let committed = self.metrics.commit.timed(self.store.commit(&batch, &admit)).await?;
        self.metrics.critical_section.record(began.elapsed().as_secs_f64());
        self.measure(&batch, &committed);
        if batch.changes.iter().any(|(_, _, change)| !change.asset_events.is_empty()) {
            // Runs may follow from it.
            self.wake.runs().raise();
        }
        if batch.changes.iter().any(|(_, _, change)| !change.callbacks.is_empty()) {
            self.wake.callbacks().raise();
        }
        if committed.triggers_due {
            self.wake.triggers().raise();
        }
        let pass = pass.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.learn(now, &committed, &pass, &run_of, round).await
    }

    fn measure(&mut self, batch: &Batch, committed: &Committed) {
        let now = self.now();
        for (key, _, change) in batch.changes.iter().filter(|(key, _, _)| !committed.overtaken.contains(key)) {
            self.metrics.committed(*key, change, self.held.runs.get_mut(key), now);
        }
        let changes = batch.changes.iter().map(|(_, _, change)| change.moves.len() + change.create.len()).sum();
        self.metrics.commit_size(changes, committed.admitted.len());
        self.metrics.runs_overtaken.increment(committed.overtaken.len() as u64);
    }

    /// Brings memory to what the commit came to.
    async fn learn(
        &mut self,
        now: DateTime<Utc>,
        committed: &Committed,
        pass: &Pass,
        run_of: &HashMap<Uuid, RunKey>,
        mut round: Round,
    ) -> StoreResult<bool> {
        for key in &committed.overtaken {
            tracing::debug!(run.key = key.id, "run {} has been changed or taken by somebody else", key.id);
            self.held.forget(*key);
            round.finished.remove(key);
            round.reload.remove(key);
        }
        round.reload.extend(committed.refused.iter().filter_map(|instance| run_of.get(instance)));
        for instance in &committed.admitted {
            if let Some((key, try_number)) = pass.admitted.get(instance) {
                if let Some(held) = self.held.runs.get_mut(key)
                    && let Some(ready_at) = held.stages.queued(*instance, now)
                {
                    self.metrics.queued(*key, held, *instance, (ready_at, now));
                }
                let admitted = Event::Admitted { instance: *instance, try_number: *try_number };
                self.held.tell(*key, admitted, now, &mut round);
            }
        }
        // An admission that did not take effect was decided on a state that is no more.
        let admitted: BTreeSet<&Uuid> = committed.admitted.iter().collect();
        let missed =
            pass.admitted.iter().filter(|(instance, _)| !admitted.contains(instance)).map(|(_, (key, _))| *key);
        round.reload.extend(missed.filter(|key| !committed.overtaken.contains(key)));
        self.metrics.starving.set(pass.starving as f64);
        for key in &pass.at_their_limit {
            self.held.ready.remove(key);
        }
        if !committed.admitted.is_empty() {
            self.wake.queue().raise();
        }
        let any_finished = !round.finished.is_empty();
        for (key, outcome) in std::mem::take(&mut round.finished) {
            self.finished(key, outcome).await?;
        }
        self.reload.append(&mut round.reload);
        if any_finished {
            // The next run of the DAG may have waited for this.
            self.wake.runs().raise();
        }
        Ok(round.more || pass.full || !self.reload.is_empty())
    }
}

impl Held {
    fn ready_runs(&self) -> impl Iterator<Item = (RunKey, &HeldRun)> {
        self.ready.iter().filter_map(|key| Some((*key, self.runs.get(key)?)))
    }

    fn usage_query(&self) -> UsageQuery {
        let mut tenants = BTreeSet::new();
        let mut tasks = BTreeSet::new();
        for (key, held) in self.ready_runs() {
            tenants.insert(key.tenant);
            for ready in held.machine.ready_tasks().filter(|ready| ready.task().max_active_tis_per_dag.is_some()) {
                tasks.insert((key.tenant, held.dag_id.clone(), ready.task().task_id.clone()));
            }
        }
        UsageQuery { tenants: tenants.into_iter().collect(), tasks: tasks.into_iter().collect() }
    }
}

/// What an admission pass decided.
#[derive(Default)]
struct Pass {
    admitted: HashMap<Uuid, (RunKey, u32)>,
    at_their_limit: Vec<RunKey>,
    /// Whether the pass ended before the candidates did.
    full: bool,
    /// Tasks whose pool had no room.
    starving: usize,
}

fn admit_ready(
    ready: &[(RunKey, &HeldRun)],
    usage: &Usage,
    limit: usize,
    now: DateTime<Utc>,
) -> (Vec<Admission>, Pass) {
    let offers: Vec<Offer<'_>> = ready
        .iter()
        .map(|(key, held)| Offer {
            tenant: key.tenant,
            tenant_limit: held.policy.max_active_tasks,
            machine: &held.machine,
        })
        .collect();
    let result = admit::admit(&offers, usage.into(), limit);
    let mut pass = Pass::default();
    for Refused { offer, task_id, reason } in result.refused {
        let (key, held) = ready[offer];
        tracing::debug!(
            dag.id = held.dag_id,
            run.id = held.run_id,
            task.id = task_id,
            "{}/{} is not queued: {reason}",
            held.dag_id,
            held.run_id
        );
        match reason {
            Reason::RunLimit { .. } => pass.at_their_limit.push(key),
            Reason::PassFull => pass.full = true,
            Reason::PoolFull { .. } => pass.starving += 1,
            _ => {}
        }
    }
    let admissions = result.admitted.into_iter().map(|admitted| {
        let (key, held) = ready[admitted.offer];
        pass.admitted.insert(admitted.instance, (key, admitted.try_number));
        admission(key, held, admitted, now)
    });
    (admissions.collect(), pass)
}

fn admission(key: RunKey, held: &HeldRun, admitted: Admitted<'_>, now: DateTime<Utc>) -> Admission {
    let task = admitted.task;
    // A call that goes on with a try does not begin it.
    let begins = admitted.try_number != admitted.from_try && !task.callbacks.on_execute.is_empty();
    let subject = begins.then(|| held.machine.subject(admitted.instance, admitted.try_number)).flatten();
    let on_execute = subject.map(|subject| callback::on_execute(task, &subject, now, Uuid::now_v7));
    Admission {
        run: key,
        epoch: held.epoch,
        instance: admitted.instance,
        from_try: admitted.from_try,
        to_try: admitted.try_number,
        entry: NewQueueEntry {
            dag_id: held.dag_id.clone(),
            task_id: task.task_id.clone(),
            map_index: admitted.map_index,
            dag_version: held.dag_version,
            pool: task.pool.clone(),
            pool_slots: task.pool_slots,
            queue: task.queue.clone(),
            priority: admitted.weight,
            resume: admitted.resume,
            on_execute: on_execute.unwrap_or_default(),
        },
    }
}
