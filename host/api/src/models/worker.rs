//! Workers.

use airlock_core::id::TenantId;
use airlock_store::health::ProcessRow;
use airlock_store::queue::RunningTry;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerResponse {
    pub id: Uuid,
    pub hostname: String,
    pub version: String,
    /// Those that it takes tries from.
    pub queues: Vec<String>,
    /// How many tries it runs at once.
    pub slots: Option<u32>,
    /// How many it runs now, of all tenants.
    pub running: u64,
    pub start_date: DateTime<Utc>,
    pub latest_heartbeat: DateTime<Utc>,
    /// What it runs now, of the own tenant, the oldest first.
    pub tries: Vec<RunningTryResponse>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RunningTryResponse {
    pub dag_id: String,
    pub dag_run_id: String,
    pub task_id: String,
    pub map_index: i32,
    pub try_number: u32,
    pub start_date: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkerCollectionResponse)]
pub struct WorkerCollection {
    pub workers: Vec<WorkerResponse>,
    pub total_entries: u64,
}

impl WorkerResponse {
    pub fn new(process: ProcessRow, running: &[&RunningTry], tenant: TenantId) -> Self {
        let own = running.iter().filter(|one| one.run.tenant == tenant);
        let tries = own.map(|one| RunningTryResponse {
            dag_id: one.dag_id.clone(),
            dag_run_id: one.run_id.clone(),
            task_id: one.task_id.clone(),
            map_index: one.map_index,
            try_number: one.try_number,
            start_date: one.started_at,
        });
        Self {
            id: process.id,
            hostname: process.hostname,
            version: process.version,
            queues: process.queues,
            slots: process.slots,
            running: running.len() as u64,
            start_date: process.started_at,
            latest_heartbeat: process.heartbeat_at,
            tries: tries.collect(),
        }
    }
}
