//! What many endpoints begin with: finding the thing that the path names, in the principal's tenant.

use std::collections::HashMap;
use std::sync::Arc;

use airlock_core::id::TenantId;
use airlock_store::Store;
use airlock_store::dags::{DagRow, DagVersion};
use airlock_store::instances::InstanceRow;
use airlock_store::runs::RunRow;

use crate::problem::{Answer, Problem};

/// What stands for "all" where a path names a DAG or a run.
pub const ALL: &str = "~";

/// None for `~`.
pub fn unless_all(id: String) -> Option<String> {
    (id != ALL).then_some(id)
}

pub async fn dag(store: &dyn Store, tenant: TenantId, dag_id: &str) -> Answer<DagRow> {
    let row = store.dag(tenant, dag_id).await?;
    row.ok_or_else(|| Problem::not_found(format!("The Dag with ID: `{dag_id}` was not found")))
}

pub async fn run(store: &dyn Store, tenant: TenantId, dag_id: &str, run_id: &str) -> Answer<RunRow> {
    store.run(tenant, dag_id, run_id).await?.ok_or_else(|| {
        Problem::not_found(format!("The DagRun with dag_id: `{dag_id}` and run_id: `{run_id}` was not found"))
    })
}

pub async fn instance(
    store: &dyn Store,
    tenant: TenantId,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
) -> Answer<InstanceRow> {
    store.instance(tenant, dag_id, run_id, task_id, map_index).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "The Task Instance with dag_id: `{dag_id}`, run_id: `{run_id}`, task_id: `{task_id}` and map_index: \
             `{map_index}` was not found"
        ))
    })
}

pub async fn version(store: &dyn Store, tenant: TenantId, dag_id: &str, number: u32) -> Answer<DagVersion> {
    store.dag_version(tenant, dag_id, number).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "The DagVersion with dag_id: `{dag_id}` and version_number: `{number}` was not found"
        ))
    })
}

/// The document of a version as it was sent.
pub async fn source(store: &dyn Store, tenant: TenantId, version: &DagVersion) -> Answer<String> {
    store.dag_source(tenant, &version.dag_id, version.version).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "The source of version {} of the Dag `{}` was not found",
            version.version, version.dag_id
        ))
    })
}

/// The DAG versions that the rows of one answer refer to, each fetched once.
pub struct Versions<'a> {
    store: &'a dyn Store,
    tenant: TenantId,
    known: HashMap<(String, u32), Option<Arc<DagVersion>>>,
}

impl<'a> Versions<'a> {
    pub fn new(store: &'a dyn Store, tenant: TenantId) -> Self {
        Self { store, tenant, known: HashMap::new() }
    }

    /// None if the DAG has been deleted since the row was read.
    pub async fn get(&mut self, dag_id: &str, number: u32) -> Answer<Option<Arc<DagVersion>>> {
        let key = (dag_id.to_owned(), number);
        if let Some(version) = self.known.get(&key) {
            return Ok(version.clone());
        }
        let version = self.store.dag_version(self.tenant, dag_id, number).await?.map(Arc::new);
        self.known.insert(key, version.clone());
        Ok(version)
    }
}
