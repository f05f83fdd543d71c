//! Parsed DAG versions. A version never changes, so that a cached one is never stale.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_core::dag::Dag;
use uuid::Uuid;

/// How many versions are kept. When it is full it starts anew: simpler than ageing, and parsing a DAG again costs little.
const CAPACITY: usize = 1024;

/// DAG versions by their id.
#[derive(Debug, Default)]
pub struct DagCache {
    versions: Mutex<HashMap<Uuid, Arc<Dag>>>,
}

impl DagCache {
    pub fn get(&self, version: Uuid) -> Option<Arc<Dag>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(&version).cloned()
    }

    pub fn insert(&self, version: Uuid, dag: Arc<Dag>) {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.len() >= CAPACITY {
            versions.clear();
        }
        versions.insert(version, dag);
    }
}
