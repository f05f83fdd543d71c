//! What tries are made from: DAG versions, runs and tenants' policies, kept for a while.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use airlock_core::dag::{Dag, Mapping, Task};
use airlock_core::id::{RunKey, TenantId};
use airlock_store::queue::ClaimedTry;
use airlock_store::runs::RunRow;
use airlock_store::tenants::Tenant;
use airlock_store::{Store, StoreError, StoreResult};

use crate::expansion::Expansion;

/// A policy that was changed holds for the tries that start this much later, at the latest.
const POLICY_LIFETIME: Duration = Duration::from_secs(5);
/// DAG versions never change; a run's facts change only when it is cleared.
const DEFINITION_LIFETIME: Duration = Duration::from_secs(60);
const CAPACITY: usize = 1024;
/// Lists that are mapped over can be long.
const MOST_EXPANSIONS: usize = 32;

/// A DAG version with its tasks by id.
pub(crate) struct Definition {
    pub dag: Arc<Dag>,
    positions: HashMap<String, usize>,
    /// By task: the first of the tasks and groups that are mapped over it.
    mapped_over: HashMap<String, String>,
    /// By task: the place of the mapped group that it is in.
    mapped_groups: Vec<Option<usize>>,
    /// The tasks of each mapped group.
    members: HashMap<usize, Arc<HashSet<String>>>,
}

impl Definition {
    fn new(dag: Arc<Dag>) -> Self {
        let positions = dag.tasks.iter().enumerate().map(|(position, task)| (task.task_id.clone(), position)).collect();
        let tasks = dag.tasks.iter().map(|task| (&task.task_id, &task.mapping));
        let groups = dag.task_groups.iter().map(|group| (&group.group_id, &group.mapping));
        let mut mapped_over = HashMap::new();
        for (id, mapping) in tasks.chain(groups) {
            for source in mapping.iter().flat_map(Mapping::sources) {
                mapped_over.entry(source.to_owned()).or_insert_with(|| id.clone());
            }
        }
        let mapped_groups = dag.mapped_groups();
        let mut members: HashMap<usize, HashSet<String>> = HashMap::new();
        for (task, group) in dag.tasks.iter().zip(&mapped_groups) {
            group.iter().for_each(|group| _ = members.entry(*group).or_default().insert(task.task_id.clone()));
        }
        let members = members.into_iter().map(|(group, tasks)| (group, Arc::new(tasks))).collect();
        Self { dag, positions, mapped_over, mapped_groups, members }
    }

    /// What the mapped group that a task is in is mapped over.
    pub fn group_mapping(&self, position: usize) -> Option<&Mapping> {
        let group = self.dag.task_groups.get((*self.mapped_groups.get(position)?)?)?;
        group.mapping.as_ref()
    }

    /// The tasks of the mapped group that a task is in, itself among them.
    pub fn group_members(&self, position: usize) -> Option<&Arc<HashSet<String>>> {
        self.members.get(&(*self.mapped_groups.get(position)?)?)
    }

    /// Whether there are several instances of a task, one by one or with its group.
    pub fn is_mapped(&self, position: usize) -> bool {
        let task = self.dag.tasks.get(position);
        task.is_some_and(|task| task.mapping.is_some()) || self.group_mapping(position).is_some()
    }

    pub fn task(&self, task_id: &str) -> Option<&Task> {
        self.dag.tasks.get(self.position(task_id)?)
    }

    /// A task or group that is mapped over this one, if there is one.
    pub fn mapped_over(&self, task_id: &str) -> Option<&str> {
        self.mapped_over.get(task_id).map(String::as_str)
    }

    /// Where the task is among the DAG's tasks.
    pub fn position(&self, task_id: &str) -> Option<usize> {
        self.positions.get(task_id).copied()
    }
}

pub(crate) struct Definitions {
    store: Arc<dyn Store>,
    dags: Cache<(TenantId, String, u32), Definition>,
    /// With how often they have been cleared: a backfill that makes a run anew may give it another configuration.
    runs: Cache<(RunKey, u32), RunRow>,
    tenants: Cache<TenantId, Tenant>,
    /// By run, its epoch and the task: what its downstream is mapped over. Within an epoch, nothing that has ended runs again.
    expansions: Cache<(RunKey, i64, String), Expansion>,
}

impl Definitions {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            dags: Cache::new(DEFINITION_LIFETIME, CAPACITY),
            runs: Cache::new(POLICY_LIFETIME, CAPACITY),
            tenants: Cache::new(POLICY_LIFETIME, CAPACITY),
            expansions: Cache::new(POLICY_LIFETIME, MOST_EXPANSIONS),
        }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub async fn definition(&self, tenant: TenantId, dag_id: &str, version: u32) -> StoreResult<Arc<Definition>> {
        let key = (tenant, dag_id.to_owned(), version);
        if let Some(known) = self.dags.get(&key) {
            return Ok(known);
        }
        let found = self.store.dag_version(tenant, dag_id, version).await?;
        let dag = found.ok_or_else(|| missing("version of the DAG", &format!("{dag_id} {version}")))?.dag;
        Ok(self.dags.put(key, Definition::new(dag)))
    }

    /// `clear_number`: how often the run had been cleared when it was last looked at.
    pub async fn run(&self, run: RunKey, clear_number: u32, dag_id: &str, run_id: &str) -> StoreResult<Arc<RunRow>> {
        let key = (run, clear_number);
        if let Some(known) = self.runs.get(&key) {
            return Ok(known);
        }
        let found = self.store.run(run.tenant, dag_id, run_id).await?;
        Ok(self.runs.put(key, found.ok_or_else(|| missing("DAG run", run_id))?))
    }

    /// What a task has returned to be mapped over. Kept, for otherwise each of its dependants would read the whole of it, and the
    /// bytes that are read would grow with the square of their number.
    pub async fn expansion(&self, claimed: &ClaimedTry, source: &str, is_mapped: bool) -> StoreResult<Arc<Expansion>> {
        let key = (claimed.run, claimed.epoch, source.to_owned());
        if let Some(known) = self.expansions.get(&key) {
            return Ok(known);
        }
        Ok(self.expansions.put(key, Expansion::read(&*self.store, claimed.run, source, is_mapped).await?))
    }

    pub async fn tenant(&self, id: TenantId) -> StoreResult<Arc<Tenant>> {
        if let Some(known) = self.tenants.get(&id) {
            return Ok(known);
        }
        let found = self.store.tenant(id).await?;
        Ok(self.tenants.put(id, found.ok_or_else(|| missing("tenant", &id.to_string()))?))
    }
}

fn missing(what: &'static str, key: &str) -> StoreError {
    StoreError::NotFound { what, key: key.to_owned() }
}

/// Values that are asked for again and again, each for a bounded time.
struct Cache<K, V> {
    lifetime: Duration,
    capacity: usize,
    entries: Mutex<HashMap<K, (Instant, Arc<V>)>>,
}

impl<K: Eq + Hash, V> Cache<K, V> {
    fn new(lifetime: Duration, capacity: usize) -> Self {
        Self { lifetime, capacity, entries: Mutex::default() }
    }

    fn get(&self, key: &K) -> Option<Arc<V>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(since, _)| since.elapsed() < self.lifetime).map(|(_, value)| value.clone())
    }

    fn put(&self, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.capacity {
            entries.retain(|_, (since, _)| since.elapsed() < self.lifetime);
        }
        // Everything in it is fresh: start over rather than grow. It costs one look-up each.
        if entries.len() >= self.capacity {
            entries.clear();
        }
        entries.insert(key, (Instant::now(), value.clone()));
        value
    }
}
