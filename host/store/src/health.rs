//! Which processes are alive.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::StoreResult;
use crate::queue::QueueDepth;

/// A process that takes part, by Airflow's word a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRow {
    /// Random for each start of a process. A worker's is that under which it claims.
    pub id: Uuid,
    /// `scheduler`, `worker`, `api`.
    pub role: String,
    pub hostname: String,
    pub version: String,
    /// The queues that a worker takes from.
    pub queues: Vec<String>,
    /// How many tries a worker runs at once; none of other processes.
    pub slots: Option<u32>,
    pub started_at: DateTime<Utc>,
    pub heartbeat_at: DateTime<Utc>,
    pub stopped_at: Option<DateTime<Utc>>,
}

/// What the whole installation has to do, over all tenants: for gauges, not for decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub queues: Vec<QueueDepth>,
    pub pools: PoolLoad,
    /// Runs that have not ended.
    pub queued_runs: u64,
    pub running_runs: u64,
    /// Task instances that wait without a slot of a worker.
    pub deferred: u64,
}

/// Slots of all pools together. What is reported and not yet settled counts as running: it holds its slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolLoad {
    /// Of pools that have a bound.
    pub open: u64,
    pub queued: u64,
    pub running: u64,
    pub scheduled: u64,
    pub deferred: u64,
}

/// The connections of one process to its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    pub open: u32,
    pub idle: u32,
    pub limit: u32,
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
    /// Whether the database has exactly this program's migrations.
    ///
    /// # Errors
    ///
    /// `NotMigrated` or `NewerDatabase`.
    async fn check_migrations(&self) -> StoreResult<()>;
    /// Counted anew at each call. It looks at what is queued, running and waiting, never at what has ended.
    async fn load(&self) -> StoreResult<Load>;
    /// None where the store has no pool of them.
    fn connections(&self) -> Option<Connections>;
}
