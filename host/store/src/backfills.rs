//! Backfills, from the outside and for the schedulers that open their runs.
//!
//! A backfill is made with all its slots. Schedulers take the slots in order, each by a compare-and-set on the slot whose turn it
//! is, so that any number of them may work on one backfill.

use airlock_core::backfill::{PassedOver, ReprocessBehavior};
use airlock_core::id::{RunKey, TenantId};
use airlock_core::run::RunChange;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::dags::NextRun;
use crate::runs::NewRun;
use crate::{Page, Paged, StoreResult};

#[derive(Clone, Debug, PartialEq)]
pub struct BackfillRow {
    pub tenant: TenantId,
    pub id: i64,
    pub dag_id: String,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub conf: Option<Map<String, Value>>,
    pub is_paused: bool,
    pub reprocess: ReprocessBehavior,
    /// In place of the DAG's own.
    pub max_active_runs: u32,
    /// Whether runs that are made anew become runs of the DAG's newest version.
    pub on_latest_version: bool,
    pub triggering_user: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
}

/// A backfill on its way in, with the runs that it is to have, in the order of their turns; at least one.
#[derive(Clone, Debug)]
pub struct NewBackfill<'a> {
    pub tenant: TenantId,
    pub dag_id: &'a str,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub conf: Option<&'a Map<String, Value>>,
    pub reprocess: ReprocessBehavior,
    pub max_active_runs: u32,
    pub on_latest_version: bool,
    pub triggering_user: Option<&'a str>,
    pub slots: &'a [NextRun],
    pub now: DateTime<Utc>,
}

/// A slot of a backfill.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotRow {
    pub ordinal: u32,
    pub run: NextRun,
    /// None before its turn, if it was passed over, and once its run has been deleted.
    pub run_id: Option<String>,
    pub reason: Option<PassedOver>,
}

/// The slot of a backfill whose turn it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub backfill: BackfillRow,
    pub ordinal: u32,
    pub run: NextRun,
}

/// What a slot's turn comes to.
#[derive(Clone, Debug)]
pub enum Opening<'a> {
    /// A run of the DAG's newest version is made. Where its id or logical date has been taken meanwhile, the slot is passed over
    /// as in flight.
    Create(&'a NewRun),
    /// A run that has ended is changed, if its epoch is still this, and becomes the backfill's.
    Reprocess {
        run: RunKey,
        epoch: i64,
        change: &'a RunChange,
    },
    Pass(PassedOver),
}

#[async_trait]
pub trait Backfills: Send + Sync {
    /// [`crate::StoreError::Conflict`] if the DAG has a backfill that is not completed; [`crate::StoreError::NotFound`] if there
    /// is no such DAG.
    async fn create_backfill(&self, new: &NewBackfill<'_>) -> StoreResult<BackfillRow>;
    async fn backfill(&self, tenant: TenantId, id: i64) -> StoreResult<Option<BackfillRow>>;
    /// Orders by `id`, which is also the list's own order.
    async fn list_backfills(&self, tenant: TenantId, dag_id: &str, page: &Page) -> StoreResult<Paged<BackfillRow>>;
    /// In the order of their turns.
    async fn list_backfill_slots(&self, tenant: TenantId, id: i64, page: &Page) -> StoreResult<Paged<SlotRow>>;
    /// A backfill that is paused starts no run; what runs goes on. Answers false for one that is completed or not there.
    async fn set_backfill_paused(
        &self,
        tenant: TenantId,
        id: i64,
        paused: bool,
        now: DateTime<Utc>,
    ) -> StoreResult<bool>;
    /// Ends a backfill: its queued runs have failed, its slots have no turn any more, and what runs goes on. Answers false for one
    /// that is completed or not there.
    async fn cancel_backfill(&self, tenant: TenantId, id: i64, now: DateTime<Utc>) -> StoreResult<bool>;

    /// The next slots of backfills that have few runs ahead (a hundred more than may run at once), one of each backfill.
    async fn backfill_turns(&self, limit: u32) -> StoreResult<Vec<Turn>>;
    /// Gives a slot its run, or the reason why it has none. Answers false, and changes nothing, if its turn is over, or if the
    /// run that is to be changed has moved on.
    async fn open_slot(&self, turn: &Turn, opening: &Opening<'_>, now: DateTime<Utc>) -> StoreResult<bool>;
    /// Completes the backfills whose slots have all had their turn and whose runs have all ended; answers how many.
    async fn complete_backfills(&self, now: DateTime<Utc>) -> StoreResult<u64>;
}
