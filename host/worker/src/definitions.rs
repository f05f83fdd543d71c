//! What tries are made from: DAG versions, runs and tenants' policies, kept for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use airlock_core::dag::{Dag, Task};
use airlock_core::id::{RunKey, TenantId};
use airlock_store::runs::RunRow;
use airlock_store::tenants::Tenant;
use airlock_store::{Store, StoreError, StoreResult};

/// A policy that was changed holds for the tries that start this much later, at the latest.
const POLICY_LIFETIME: Duration = Duration::from_secs(5);
/// DAG versions never change; a run's facts change only when it is cleared.
const DEFINITION_LIFETIME: Duration = Duration::from_secs(60);
const CAPACITY: usize = 1024;

/// A DAG version with its tasks by id.
pub(crate) struct Definition {
    pub dag: Arc<Dag>,
    positions: HashMap<String, usize>,
    /// By task: the first of the tasks that are mapped over it.
    mapped_over: HashMap<String, String>,
}

impl Definition {
    fn new(dag: Arc<Dag>) -> Self {
        let positions = dag.tasks.iter().enumerate().map(|(position, task)| (task.task_id.clone(), position)).collect();
        let mut mapped_over = HashMap::new();
        for task in &dag.tasks {
            for source in task.mapping.iter().flat_map(|mapping| mapping.sources()) {
                mapped_over.entry(source.to_owned()).or_insert_with(|| task.task_id.clone());
            }
        }
        Self { dag, positions, mapped_over }
    }

    pub fn task(&self, task_id: &str) -> Option<&Task> {
        self.dag.tasks.get(self.position(task_id)?)
    }

    /// A task that is mapped over this one, if there is one.
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
}

impl Definitions {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            dags: Cache::new(DEFINITION_LIFETIME),
            runs: Cache::new(POLICY_LIFETIME),
            tenants: Cache::new(POLICY_LIFETIME),
        }
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
    entries: Mutex<HashMap<K, (Instant, Arc<V>)>>,
}

impl<K: Eq + Hash, V> Cache<K, V> {
    fn new(lifetime: Duration) -> Self {
        Self { lifetime, entries: Mutex::default() }
    }

    fn get(&self, key: &K) -> Option<Arc<V>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(since, _)| since.elapsed() < self.lifetime).map(|(_, value)| value.clone())
    }

    fn put(&self, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CAPACITY {
            entries.retain(|_, (since, _)| since.elapsed() < self.lifetime);
        }
        // Everything in it is fresh: start over rather than grow. It costs one look-up each.
        if entries.len() >= CAPACITY {
            entries.clear();
        }
        entries.insert(key, (Instant::now(), value.clone()));
        value
    }
}
