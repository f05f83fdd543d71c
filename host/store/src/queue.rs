//! The queue between schedulers and workers: a small hot table that holds only what is queued or running. A row goes in one
//! transaction with the move that ends it.

use airlock_core::asset::OutletEvent;
use airlock_core::id::RunKey;
use airlock_core::outcome::TryResult;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::StoreResult;
use crate::callbacks::NewCallback;

pub use airlock_core::outcome::Resume;

/// A try to be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct NewQueueEntry {
    pub dag_id: String,
    pub task_id: String,
    pub map_index: i32,
    pub dag_version: u32,
    pub pool: String,
    pub pool_slots: u32,
    pub queue: String,
    /// Higher first.
    pub priority: i64,
    /// For a deferred try that goes on: `resume` is called instead of `execute`.
    pub resume: Option<Resume>,
    /// The callbacks that are due when a worker begins the try, as of that moment.
    pub on_execute: Vec<NewCallback>,
}

/// A try that a worker has claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedTry {
    pub run: RunKey,
    pub instance: Uuid,
    pub dag_id: String,
    pub run_id: String,
    pub task_id: String,
    pub map_index: i32,
    pub dag_version: u32,
    pub try_number: u32,
    pub max_tries: u32,
    pub lease_token: Uuid,
    pub first_started_at: DateTime<Utc>,
    pub reschedules: u32,
    pub resume: Option<Resume>,
    /// How often the run had been cleared when the try was queued: facts of the run hold until that changes.
    pub clear_number: u32,
    /// The run's, when the try was queued: within it, nothing that has ended runs again.
    pub epoch: i64,
    /// Whether the claim has made callbacks due.
    pub has_callbacks: bool,
}

/// How a call of a try ended, by its worker.
#[derive(Clone, Debug, PartialEq)]
pub struct TryReport {
    pub lease_token: Uuid,
    pub run: RunKey,
    pub instance: Uuid,
    pub task_id: String,
    pub map_index: i32,
    pub ended_at: DateTime<Utc>,
    pub result: TryResult,
    /// Pushed together with the report, such as `return_value`.
    pub xcoms: Vec<(String, Value)>,
    /// The template fields as rendered, if there were any.
    pub rendered_fields: Option<Value>,
    /// What the try has said of the events that its success brings about.
    pub outlet_events: Vec<OutletEvent>,
}

/// What a worker is to do about a try that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryOrder {
    /// The lease is gone: somebody settled the try, or cancelled it. Stop, and report nothing.
    Stop,
}

/// A try that is at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningTry {
    pub worker: Uuid,
    pub run: RunKey,
    pub dag_id: String,
    pub run_id: String,
    pub task_id: String,
    pub map_index: i32,
    pub try_number: u32,
    pub started_at: DateTime<Utc>,
}

/// How many tries wait and run, by queue name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    pub queue: String,
    pub queued: u64,
    pub running: u64,
}

#[async_trait]
pub trait Queue: Send + Sync {
    /// Claims up to `limit` tries of these queues: place by place for the tenant that has the fewest running, and within a tenant by
    /// priority and then by age. (Priorities are not compared between tenants, because each sets its own.) Each becomes
    /// `running` (with its start and `hostname`) and has a new lease token until `until`. At the first call of a second or later
    /// try (not where a rescheduled or deferred one goes on), XComs that earlier tries left are removed.
    async fn claim_tries(
        &self,
        worker: Uuid,
        hostname: &str,
        queues: &[String],
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<ClaimedTry>>;

    /// Extends leases. What is answered is for those tokens whose lease is not this worker's any more. A try that has been
    /// reported is its worker's until it is settled. A lease that is over, but that nobody has noticed, is extended.
    async fn heartbeat_tries(
        &self,
        worker: Uuid,
        tokens: &[Uuid],
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<(Uuid, TryOrder)>>;

    /// Records how tries ended, for their schedulers to settle. Answers the tokens that were stale: nothing of those was written
    /// but a count in the try's history ([`crate::instances::TryRow::late_results`]). A report that is made twice, because its answer was
    /// lost, is accepted twice and counts once.
    async fn report_tries(&self, reports: &[TryReport]) -> StoreResult<Vec<Uuid>>;

    /// Notes what people call the instance of a mapped task whose try this is, as long as the try is running under this token.
    /// Answers whether it is.
    async fn name_instance(&self, run: RunKey, instance: Uuid, lease_token: Uuid, name: &str) -> StoreResult<bool>;

    /// Puts back what was claimed for this worker without its knowing, because the answer to a claim was lost: every running try of
    /// its but those `known` to it is queued again, under the same try number. Answers how many were.
    async fn hand_back_tries(&self, worker: Uuid, known: &[Uuid]) -> StoreResult<u64>;

    /// What every worker has at work, the oldest first. A try that counts as lost is nobody's.
    async fn running_tries(&self) -> StoreResult<Vec<RunningTry>>;

    /// By queue name; queues without tries are left out. A try that is reported and not yet settled does not count as running.
    async fn queue_depths(&self) -> StoreResult<Vec<QueueDepth>>;
}
