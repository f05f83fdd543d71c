//! Callbacks that are due, as workers take them and people see them. They come in with the changes that cause them
//! ([`crate::driving::RunChange::callbacks`], [`crate::queue::NewQueueEntry::on_execute`], [`crate::deadlines::Deadlines::miss_deadline`]),
//! and go with their run.

use airlock_core::callback::{About, CallbackEnd, CallbackEvent, CallbackState, Subject};
use airlock_core::id::{RunKey, TenantId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Page, Paged, StoreResult};

pub use airlock_core::callback::NewCallback;

#[derive(Clone, Debug, PartialEq)]
pub struct CallbackRow {
    pub id: Uuid,
    pub run: RunKey,
    pub dag_id: String,
    pub run_id: String,
    /// The version that says what is called.
    pub dag_version: u32,
    pub event: CallbackEvent,
    /// See [`NewCallback::place`].
    pub place: u32,
    /// None: it is about the run.
    pub subject: Option<Subject>,
    pub about: About,
    pub queue: String,
    pub state: CallbackState,
    /// How often it has been begun.
    pub attempts: u32,
    pub hostname: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Of the newest attempt.
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed, or is called again.
    pub message: Option<String>,
}

/// A callback that a worker has claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedCallback {
    pub row: CallbackRow,
    pub lease_token: Uuid,
    /// Of the run.
    pub clear_number: u32,
}

/// How an attempt ended, by its worker.
#[derive(Clone, Debug, PartialEq)]
pub struct CallbackReport {
    pub tenant: TenantId,
    pub id: Uuid,
    pub lease_token: Uuid,
    pub ended_at: DateTime<Utc>,
    pub end: CallbackEnd,
}

/// What became of callbacks that nobody calls (any more).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiredCallbacks {
    /// Queued again.
    pub again: u64,
    pub failed: u64,
}

#[async_trait]
pub trait Callbacks: Send + Sync {
    /// Claims up to `limit` callbacks of these queues: place by place for the tenant that has the fewest running, and within a tenant
    /// by age. Each is `running` under a new lease token until `until`, and has one attempt more.
    async fn claim_callbacks(
        &self,
        worker: Uuid,
        hostname: &str,
        queues: &[String],
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<ClaimedCallback>>;
    /// Extends leases; answers the tokens that are not this worker's any more.
    async fn heartbeat_callbacks(&self, worker: Uuid, tokens: &[Uuid], until: DateTime<Utc>) -> StoreResult<Vec<Uuid>>;
    /// Records how an attempt ended, or queues the callback again. False, and nothing is written, if the token is stale.
    async fn report_callback(&self, report: &CallbackReport) -> StoreResult<bool>;
    /// Callbacks whose lease was over at `now` are queued again, unless they have had all their attempts: those have failed. So have
    /// those that have been queued since before `queued_before` and that no worker has taken.
    async fn expire_callbacks(&self, now: DateTime<Utc>, queued_before: DateTime<Utc>)
    -> StoreResult<ExpiredCallbacks>;
    /// A run's, in the order in which they became due.
    async fn list_callbacks(&self, run: RunKey, page: &Page) -> StoreResult<Paged<CallbackRow>>;
    /// None if the run has no such callback.
    async fn callback(&self, run: RunKey, id: Uuid) -> StoreResult<Option<CallbackRow>>;
}
