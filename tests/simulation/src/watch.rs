//! The invariants, and the book that they are checked by.

use std::collections::{BTreeSet, HashMap, HashSet};

use airlock_core::dag::Task;
use airlock_core::id::{RunKey, TenantId};
use airlock_core::outcome::TryResult;
use airlock_core::state::{RunState, TaskState, TriggerRule};
use airlock_store::driving::{Batch, Committed, LoadedRun, UsageQuery};
use airlock_store::queue::{ClaimedTry, TryReport};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::line::at_once;
use crate::world::World;

/// A try that some worker holds.
#[derive(Clone, Debug)]
pub struct Active {
    pub run: RunKey,
    who: String,
    token: Uuid,
    until: DateTime<Utc>,
}

/// What has been seen.
#[derive(Debug)]
pub struct Book {
    pub violations: Vec<String>,
    pub faults: u32,
    pub runs: usize,
    /// Runs in the order in which they were first heard of: their keys differ from one database to the next.
    heard_of: Vec<RunKey>,
    /// Whether faults are over.
    pub is_calm: bool,
    /// Whether no clock was ever wrong.
    pub clocks_agree: bool,
    /// Runs that people have changed.
    pub touched: HashSet<RunKey>,
    /// By instance.
    pub active: HashMap<Uuid, Active>,
    /// Every try that a worker has claimed.
    pub begun: BTreeSet<(RunKey, Uuid, u32)>,
    /// Tries whose results were accepted as a success.
    succeeded: BTreeSet<(RunKey, Uuid)>,
    tokens: HashSet<Uuid>,
    last_claimed: Option<ClaimedTry>,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            violations: Vec::new(),
            faults: 0,
            runs: 0,
            heard_of: Vec::new(),
            is_calm: false,
            clocks_agree: true,
            touched: HashSet::new(),
            active: HashMap::new(),
            begun: BTreeSet::new(),
            succeeded: BTreeSet::new(),
            tokens: HashSet::new(),
            last_claimed: None,
        }
    }
}

impl World {
    /// After a scheduler's commit: no pool is over its slots, no task over its limit.
    pub fn watch_commit(&self, who: &str, batch: &Batch, committed: &Committed) {
        for run in &committed.overtaken {
            let number = self.number_of(*run);
            self.note(|| format!("{who} is told that run {number} has gone on without it"));
        }
        for (key, _, change) in batch.changes.iter().filter(|(key, ..)| !committed.overtaken.contains(key)) {
            let number = self.number_of(*key);
            for moved in &change.moves {
                let to = moved.to.map_or("none", TaskState::as_str);
                let refused = if committed.refused.contains(&moved.instance) { " (refused)" } else { "" };
                self.note(|| format!("{who} moves an instance of run {number} to {to}{refused}"));
            }
        }
        if committed.admitted.is_empty() {
            return;
        }
        self.note(|| format!("{who} queues {} tries", committed.admitted.len()));
        let limited = |tenant: TenantId| {
            let dags = self.plan.dags.iter().filter(move |(owner, _)| *owner == tenant);
            dags.flat_map(move |(_, dag)| {
                let limit = |task: &Task| {
                    Some((tenant, dag.dag_id.clone(), task.task_id.clone(), task.max_active_tis_per_dag?))
                };
                dag.tasks.iter().filter_map(limit).collect::<Vec<_>>()
            })
        };
        let tasks: Vec<_> = self.plan.tenants.iter().flat_map(|tenant| limited(*tenant)).collect();
        let query = UsageQuery {
            tenants: self.plan.tenants.clone(),
            tasks: tasks.iter().map(|(tenant, dag, task, _)| (*tenant, dag.clone(), task.clone())).collect(),
        };
        let usage = at_once(self.store.usage(&query)).expect("the usage");
        for (_, pool, used) in &usage.pools {
            if pool.slots >= 0 && *used > pool.slots.unsigned_abs().into() && !pool.include_deferred {
                self.violated(format!("{who} has let the pool {} hold {used} of {} slots", pool.name, pool.slots));
            }
        }
        for (tenant, dag_id, task_id, limit) in &tasks {
            let of = |row: &&(TenantId, String, String, u64)| (row.0, &row.1, &row.2) == (*tenant, dag_id, task_id);
            let active = usage.tasks.iter().find(of).map_or(0, |row| row.3);
            if active > u64::from(*limit) {
                self.violated(format!(
                    "{who} has let {dag_id}.{task_id} be active {active} times; {limit} are allowed"
                ));
            }
        }
    }

    fn number_of(&self, key: RunKey) -> usize {
        let mut book = self.book();
        let known = book.heard_of.iter().position(|known| *known == key);
        known.unwrap_or_else(|| {
            book.heard_of.push(key);
            book.heard_of.len() - 1
        })
    }

    /// What the last worker claimed, for a sabotage.
    pub fn claimed_before(&self) -> Option<ClaimedTry> {
        self.book().last_claimed.clone()
    }

    /// After a worker's claim: nobody else has the try, and everything that it waits for is as it has to be.
    pub fn watch_claim(&self, who: &str, claimed: &[ClaimedTry], until: DateTime<Utc>) {
        for one in claimed {
            let name = format!("{}/{}/{} try {}", one.dag_id, one.run_id, one.task_id, one.try_number);
            self.note(|| format!("{who} begins {name}"));
            let (is_new, in_hands, has_succeeded) = {
                let mut book = self.book();
                let is_new = book.tokens.insert(one.lease_token);
                let in_hands = book.active.get(&one.instance).filter(|active| active.until > self.now()).is_some();
                let has_succeeded =
                    book.succeeded.contains(&(one.run, one.instance)) && !book.touched.contains(&one.run);
                book.begun.insert((one.run, one.instance, one.try_number));
                let active = Active { run: one.run, who: who.to_owned(), token: one.lease_token, until };
                book.active.insert(one.instance, active);
                book.last_claimed = Some(one.clone());
                (is_new, in_hands && book.clocks_agree, has_succeeded)
            };
            if !is_new {
                self.violated(format!("{name} was given to {who} under a lease that another has"));
            }
            if in_hands {
                self.violated(format!("{name} was given to {who} while another worker's lease was in force"));
            }
            if has_succeeded {
                self.violated(format!("{name} was given to {who} although the task has succeeded"));
            }
            let loaded = at_once(self.store.load_run(one.run)).expect("a run").expect("a run that nobody deletes");
            self.check_start(&name, one, &loaded);
        }
    }

    fn check_start(&self, name: &str, claimed: &ClaimedTry, loaded: &LoadedRun) {
        if loaded.run.state != RunState::Running {
            self.violated(format!("{name} begins in a run that is {}", loaded.run.state));
        }
        let holding = loaded.instances.iter().filter(|one| one.state.is_some_and(TaskState::holds_slot)).count();
        if holding > loaded.dag.max_active_tasks as usize {
            let limit = loaded.dag.max_active_tasks;
            self.violated(format!("{name} begins as the {holding}th of its run; {limit} are allowed"));
        }
        let Some(task) = loaded.dag.tasks.iter().find(|task| task.task_id == claimed.task_id) else { return };
        let states: Vec<Option<TaskState>> =
            loaded.instances.iter().filter(|one| task.upstream.contains(&one.task_id)).map(|one| one.state).collect();
        if !may_start(task.trigger_rule, &states) {
            self.violated(format!("{name} begins by {} while what is upstream is {states:?}", task.trigger_rule));
        }
        if task.depends_on_past {
            let asked = [task.task_id.clone()];
            let past = at_once(self.store.past_of(claimed.run, loaded.dag.catchup, &asked)).expect("the past");
            let is_met = |state: Option<TaskState>| matches!(state, Some(TaskState::Success | TaskState::Skipped));
            let unmet = past.previous.iter().flatten().find(|(_, state)| !is_met(*state));
            if let Some((_, state)) = unmet {
                self.violated(format!("{name} begins while the run before it has {state:?}"));
            }
        }
    }

    /// What a worker has claimed and does not know, because the answer was lost, is nobody's again.
    pub fn watch_hand_back(&self, who: &str, known: &[Uuid]) {
        self.book().active.retain(|_, active| active.who != who || known.contains(&active.token));
        self.note(|| format!("{who} hands back what it does not know"));
    }

    pub fn watch_reports(&self, who: &str, reports: &[TryReport], stale: &[Uuid]) {
        let mut book = self.book();
        for report in reports.iter().filter(|report| !stale.contains(&report.lease_token)) {
            if book.active.get(&report.instance).is_some_and(|active| active.token == report.lease_token) {
                book.active.remove(&report.instance);
            }
            if matches!(report.result, TryResult::Success { .. }) {
                book.succeeded.insert((report.run, report.instance));
            }
        }
        drop(book);
        self.note(|| format!("{who} reports {} results, of which {} are refused", reports.len(), stale.len()));
    }

    /// When everything has come to its end: nothing is left over, and nothing is missing.
    pub fn check_what_is_left(&self) {
        if !self.book().violations.is_empty() {
            return;
        }
        let depths = at_once(self.store.queue_depths()).expect("the queue");
        if !depths.is_empty() {
            self.violated(format!("tries are left in the queue: {depths:?}"));
        }
        for run in self.runs() {
            let loaded = at_once(self.store.load_run(run.key)).expect("a run").expect("a run that nobody deletes");
            self.check_run(&loaded);
        }
    }

    fn check_run(&self, loaded: &LoadedRun) {
        let name = format!("{}/{}", loaded.run.dag_id, loaded.run.run_id);
        let (begun, touched) = {
            let book = self.book();
            (book.begun.clone(), book.touched.contains(&loaded.run.key))
        };
        let mut failed_leaf = false;
        for one in &loaded.instances {
            let name = format!("{name}/{}", one.task_id);
            let Some(state) = one.state.filter(|state| state.is_finished()) else {
                self.violated(format!("{name} is {:?} in a run that has ended", one.state));
                continue;
            };
            let is_leaf = !loaded.dag.tasks.iter().any(|task| task.upstream.contains(&one.task_id));
            failed_leaf |= is_leaf && state.is_failure_like();
            if one.try_number > one.max_tries + 1 {
                self.violated(format!("{name} has had {} tries; {} are allowed", one.try_number, one.max_tries + 1));
            }
            let tries = at_once(self.store.tries(loaded.run.key.tenant, one.id)).expect("tries");
            for number in 1..=one.try_number {
                let of_number: Vec<_> = tries.iter().filter(|one| one.try_number == number).collect();
                let was_begun = begun.contains(&(loaded.run.key, one.id, number));
                match of_number.as_slice() {
                    [one] if one.state.is_some_and(TaskState::is_finished) => {}
                    [] if !was_begun => {}
                    other => self.violated(format!("try {number} of {name} is on record as {other:?}")),
                }
            }
            let has_succeeded = self.book().succeeded.contains(&(loaded.run.key, one.id));
            if !touched && has_succeeded && state != TaskState::Success {
                self.violated(format!("{name} has reported a success, and is {state}"));
            }
        }
        let expected = if failed_leaf { RunState::Failed } else { RunState::Success };
        if !touched && loaded.run.state != expected {
            self.violated(format!("{name} is {} and should be {expected}", loaded.run.state));
        }
    }
}

/// Written down once more, and differently: a table of what must not be.
fn may_start(rule: TriggerRule, upstream: &[Option<TaskState>]) -> bool {
    let all = |holds: fn(TaskState) -> bool| upstream.iter().all(|state| state.is_some_and(holds));
    match rule {
        TriggerRule::AllSuccess => all(|state| state == TaskState::Success),
        TriggerRule::AllDone => all(TaskState::is_finished),
        TriggerRule::NoneFailed => all(|state| state.is_finished() && !state.is_failure_like()),
        TriggerRule::OneSuccess => upstream.contains(&Some(TaskState::Success)),
        _ => true,
    }
}
