//! Which processes are alive.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::StoreResult;

/// A process that takes part, by Airflow's word a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRow {
    /// Random for each start of a process.
    pub id: Uuid,
    /// `scheduler`, `worker`, `api`.
    pub role: String,
    pub hostname: String,
    pub version: String,
    /// The queues that a worker takes from.
    pub queues: Vec<String>,
    pub started_at: DateTime<Utc>,
    pub heartbeat_at: DateTime<Utc>,
    pub stopped_at: Option<DateTime<Utc>>,
}

#[async_trait]
pub trait Health: Send + Sync {
    /// Makes the row at the first call.
    async fn process_heartbeat(&self, process: &ProcessRow) -> StoreResult<()>;
    /// The newest heartbeat of a role's processes.
    async fn latest_heartbeat(&self, role: &str) -> StoreResult<Option<DateTime<Utc>>>;
    async fn list_processes(&self) -> StoreResult<Vec<ProcessRow>>;
    /// Removes processes whose last heartbeat is older than this.
    async fn forget_processes(&self, before: DateTime<Utc>) -> StoreResult<u64>;
    /// A round trip.
    async fn ping(&self) -> StoreResult<()>;
}
