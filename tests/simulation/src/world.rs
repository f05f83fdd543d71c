//! One seed's world: its database, its clock, its dice and its book.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use airlock_core::mark::{RunMark, mark_run};
use airlock_core::run::Instance;
use airlock_core::state::{RunState, TaskState};
use airlock_store::runs::{RunFilter, RunRow};
use airlock_store::{Page, Store};
use airlock_store_sqlite::{SqliteOptions, SqliteStore, TemporaryStore};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::time::Instant;

use crate::line::at_once;
use crate::plan::Plan;
use crate::watch::Book;
use crate::{faults, people};

/// For how long everything goes wrong.
const FAULTS: Duration = Duration::from_secs(30);
/// How long everything may take to come to its end afterwards. Retries wait, sensors look again, and a lost try is noticed when its lease
/// is over.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Something that is broken on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// Schedulers are told that pools are empty.
    Overbook,
    /// What one worker has claimed is claimed by another too.
    ClaimTwice,
    /// Tries whose workers are gone are never noticed.
    NeverLose,
}

impl Sabotage {
    pub const ALL: [Self; 3] = [Self::Overbook, Self::ClaimTwice, Self::NeverLose];
}

/// What a seed came to.
#[derive(Debug)]
pub struct Outcome {
    /// What broke, in the order in which it was seen. Empty: nothing.
    pub violations: Vec<String>,
    /// What happened, line by line.
    pub trace: Vec<String>,
    pub faults: u32,
    pub tries: usize,
    pub runs: usize,
}

/// A database for one seed after another: making one takes longer than living through a seed.
pub struct Database(TemporaryStore);

impl Database {
    pub fn new() -> Self {
        // Questions come one at a time: more connections would only prepare the same statements.
        let options = SqliteOptions { readers: 1, ..SqliteOptions::default() };
        Self(at_once(SqliteStore::in_temporary_folder_with(&options)).expect("a database in a temporary folder"))
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

pub struct World {
    pub store: Arc<dyn Store>,
    pub plan: Plan,
    pub sabotage: Option<Sabotage>,
    began: Instant,
    dice: Mutex<fastrand::Rng>,
    pub(crate) book: Mutex<Book>,
    trace: Mutex<Vec<String>>,
}

/// When every world begins.
fn beginning() -> DateTime<Utc> {
    airlock_store::conformance::fixture::at(0)
}

impl World {
    pub fn new(database: &Database, seed: u64, sabotage: Option<Sabotage>) -> Self {
        let store: Arc<dyn Store> = database.0.shared();
        let mut dice = fastrand::Rng::with_seed(seed);
        let plan = at_once(Plan::draw(&*store, &mut dice));
        Self {
            store,
            plan,
            sabotage,
            began: Instant::now(),
            dice: Mutex::new(dice),
            book: Mutex::default(),
            trace: Mutex::default(),
        }
    }

    /// The true time.
    pub fn now(&self) -> DateTime<Utc> {
        beginning() + TimeDelta::from_std(self.began.elapsed()).unwrap_or_default()
    }

    pub fn dice<T>(&self, throw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        throw(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        let line = format!("{:>10.3} {}", self.began.elapsed().as_secs_f64(), what());
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn violated(&self, what: String) {
        self.note(|| format!("VIOLATION {what}"));
        self.book().violations.push(what);
    }

    /// From the first process to the last run's end.
    pub async fn live(self: Arc<Self>) {
        let mut processes = crate::processes::Processes::start(&self);
        let people = tokio::spawn(people::live(self.clone(), processes.post()));
        let end = Instant::now() + FAULTS;
        while Instant::now() < end && self.book().violations.is_empty() {
            faults::next(&self, &mut processes).await;
        }
        self.note(|| "the faults are over".to_owned());
        processes.heal();
        self.book().is_calm = true;
        self.plan.pause_schedules(&*self.store);
        self.wait_for_the_end().await;
        people.abort();
        self.check_what_is_left();
        self.tidy_up();
    }

    async fn wait_for_the_end(&self) {
        let end = Instant::now() + PATIENCE;
        let mut standstill = 0;
        loop {
            let unfinished: Vec<RunRow> = self.runs().into_iter().filter(|run| !run.state.is_finished()).collect();
            if unfinished.is_empty() || !self.book().violations.is_empty() {
                return;
            }
            if Instant::now() > end {
                let runs: Vec<String> = unfinished.iter().map(|run| format!("{}/{}", run.dag_id, run.run_id)).collect();
                let instances = self.plan.describe_unfinished(&*self.store);
                self.violated(format!("not finished after {PATIENCE:?} without faults: {runs:?}: {instances}"));
                return;
            }
            let (held, others): (Vec<_>, Vec<_>) = unfinished.iter().partition(|run| self.is_held_by_its_past(run));
            let stands_still = others.iter().all(|run| run.state == RunState::Queued);
            standstill = if stands_still { standstill + 1 } else { 0 };
            if standstill > 5 {
                held.into_iter().for_each(|run| self.give_up(run));
                standstill = 0;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    /// A task that depends on its past waits for ever behind a run in which it has failed, until somebody does something about that.
    fn is_held_by_its_past(&self, run: &RunRow) -> bool {
        let loaded = at_once(self.store.load_run(run.key)).expect("a run").expect("a run that nobody deletes");
        let looks_back = loaded.dag.tasks.iter().any(|task| task.depends_on_past);
        let may_rest = |state: Option<TaskState>| state.is_none_or(TaskState::is_finished);
        looks_back && run.state == RunState::Running && loaded.instances.iter().all(|one| may_rest(one.state))
    }

    pub fn runs(&self) -> Vec<RunRow> {
        let page = Page { limit: 1_000, ..Page::default() };
        let of =
            |tenant| at_once(self.store.list_runs(tenant, &RunFilter::default(), &page)).expect("a list of runs").items;
        self.plan.tenants.iter().flat_map(|tenant| of(*tenant)).collect()
    }

    /// As a person would who does not want to wait any more.
    fn give_up(&self, run: &RunRow) {
        self.note(|| format!("somebody gives up {}/{}", run.dag_id, run.run_id));
        let loaded = at_once(self.store.load_run(run.key)).expect("a run").expect("a run that nobody deletes");
        let instances: Vec<Instance> = loaded.instances.into_iter().map(Instance::from).collect();
        let change = mark_run(&loaded.dag, &instances, RunMark::Failed, "somebody", self.now().trunc_subsecs(6));
        at_once(self.store.intervene(run.key, loaded.run.epoch, &change)).expect("an end");
        self.book().touched.insert(run.key);
    }

    /// The next seed finds nothing of this one.
    fn tidy_up(&self) {
        if !self.book().violations.is_empty() {
            return;
        }
        self.book().runs = self.runs().len();
        for (tenant, dag) in &self.plan.dags {
            at_once(self.store.delete_dag(*tenant, &dag.dag_id)).expect("a DAG that has no unfinished runs");
        }
    }

    pub fn outcome(&self) -> Outcome {
        let book = self.book();
        Outcome {
            violations: book.violations.clone(),
            trace: std::mem::take(&mut self.trace.lock().unwrap_or_else(PoisonError::into_inner)),
            faults: book.faults,
            tries: book.begun.len(),
            runs: book.runs,
        }
    }
}
