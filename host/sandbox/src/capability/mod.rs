//! What a guest can reach, as traits that the host implements. They mirror `wit/`; grants, sizes and handle counts are
//! checked by this crate before an implementation is called.

pub mod assets;
pub mod dag_runs;
pub mod http;
pub mod object_store;
pub mod sql;
pub mod task;

use std::sync::Arc;

use airlock_core::id::TenantId;
use airlock_core::limits::{Egress, Grants};

/// On whose behalf a capability is called.
#[derive(Clone, Debug)]
pub struct Caller {
    pub tenant: TenantId,
    pub egress: Arc<Egress>,
    /// Folders of the host under which connections of type `fs` and `sqlite` may lie.
    pub host_folders: Arc<Vec<String>>,
    /// The tenant's ceiling.
    pub tenant_grants: Arc<Grants>,
    /// The task's own grants.
    pub task_grants: Arc<Grants>,
}

impl Caller {
    /// A capability passes only if the tenant's policy and the task both have it. The error names the missing grant.
    pub fn require(&self, capability: &str) -> Result<(), String> {
        if !self.tenant_grants.allows(capability) {
            Err(format!("the tenant's policy does not grant `{capability}`"))
        } else if !self.task_grants.allows(capability) {
            Err(format!("the task has no grant `{capability}`; add it to the task's `grants`"))
        } else {
            Ok(())
        }
    }
}

/// Everything that a try's host calls go to.
#[derive(Clone)]
pub struct Capabilities {
    pub task: Arc<dyn task::TaskServices>,
    pub dag_runs: Arc<dyn dag_runs::DagRuns>,
    pub assets: Arc<dyn assets::Assets>,
    pub http: Arc<dyn http::HttpHook>,
    pub sql: Arc<dyn sql::SqlHook>,
    pub object_store: Arc<dyn object_store::ObjectStoreHook>,
}
