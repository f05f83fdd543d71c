//! What deferred tasks wait for. A row is made with the move that defers its task and goes with the move that ends the wait; nobody
//! polls it but at the time that it names. What happens here (the end of a run or task, a posted event) moves that time to now,
//! in the transaction in which it happens.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::outcome::ResumeEvent;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::StoreResult;

/// A trigger as people may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerRow {
    pub id: i64,
    pub instance: Uuid,
    pub try_number: u32,
    /// An [`airlock_core::trigger::Trigger`].
    pub trigger: Value,
    pub created_at: DateTime<Utc>,
    /// When it is looked at next; none if only what happens here makes it worth a look.
    pub next_look_at: Option<DateTime<Utc>>,
    /// The last look that came to an end, by whom, and what was seen.
    pub last_look: Option<LastLook>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLook {
    pub at: DateTime<Utc>,
    pub hostname: String,
    /// In words for people.
    pub saw: String,
}

/// A trigger that a worker is to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedTrigger {
    pub id: i64,
    pub lease_token: Uuid,
    pub run: RunKey,
    pub instance: Uuid,
    pub dag_id: String,
    pub run_id: String,
    pub dag_version: u32,
    pub task_id: String,
    pub map_index: i32,
    pub try_number: u32,
    /// An [`airlock_core::trigger::Trigger`], perhaps of a newer program.
    pub trigger: Value,
    /// Looks that came to an answer.
    pub looks: u32,
    /// Looks in a row that came to none.
    pub troubles: u32,
}

/// What a look came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub tenant: TenantId,
    pub id: i64,
    pub lease_token: Uuid,
    pub at: DateTime<Utc>,
    pub hostname: String,
    /// In words for people.
    pub saw: String,
    pub outcome: LookOutcome,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LookOutcome {
    /// The wait goes on.
    Again {
        next_look_at: Option<DateTime<Utc>>,
        /// As in [`ClaimedTrigger::troubles`]; 0 after an answer.
        troubles: u32,
    },
    /// The wait is over: the trigger fired, or never can.
    Over(ResumeEvent),
}

/// A wait that is over, for the run's scheduler to let the try go on.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedTrigger {
    pub run: RunKey,
    pub instance: Uuid,
    pub try_number: u32,
    pub event: ResumeEvent,
}

/// What became of a posted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Tasks that waited for it, and go on. If there were none, it is kept for the first that comes to wait.
    pub woken: u64,
}

#[async_trait]
pub trait Triggers: Send + Sync {
    /// Claims up to `limit` triggers whose time has come, the longest due first. A trigger that is not concluded by `until` is due
    /// again.
    async fn claim_triggers(
        &self,
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<ClaimedTrigger>>;
    /// Writes down what a look came to. Answers whether it counts: it does not if the trigger is gone or over, if somebody else has
    /// claimed it since, or if something has happened meanwhile that the look may not have seen.
    async fn conclude_look(&self, look: &Look) -> StoreResult<bool>;
    /// Lets a claimed trigger fire by the event that is kept under this name, if there is one, which is gone then. Answers whether there
    /// was.
    async fn take_event(&self, claimed: &ClaimedTrigger, name: &str, now: DateTime<Utc>) -> StoreResult<bool>;
    /// Waits that are over, in runs that this owner holds, oldest first. They are answered until their instances have moved.
    async fn ended_triggers(&self, owner: Uuid, limit: u32) -> StoreResult<Vec<EndedTrigger>>;

    /// Lets every trigger that waits for an event of this name fire with the payload. If there is none, the event is kept for the first
    /// trigger that comes to wait for it before `keep_until`. Of a name the newest event is kept, so that a repeated request changes
    /// nothing; of a tenant `most_kept`.
    ///
    /// # Errors
    ///
    /// `Conflict` if it would have to be kept and the tenant has as many kept events as it may.
    async fn post_event(
        &self,
        tenant: TenantId,
        name: &str,
        payload: &Value,
        now: DateTime<Utc>,
        keep_until: DateTime<Utc>,
        most_kept: u32,
    ) -> StoreResult<Posted>;
    /// Removes kept events that nobody came for in time.
    async fn forget_events(&self, now: DateTime<Utc>) -> StoreResult<u64>;

    /// The triggers of these instances, in no particular order.
    async fn triggers_of(&self, tenant: TenantId, instances: &[Uuid]) -> StoreResult<Vec<TriggerRow>>;
}
