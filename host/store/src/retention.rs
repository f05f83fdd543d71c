//! Records that are old enough go, or move to the archive.
//!
//! Whatever is asked for, these stay:
//! - runs that have not ended;
//! - of each DAG, the newest run of each kind: timetables, and runs that follow from assets, go on from them;
//! - the run before each run that has not ended, and before the next one: `depends_on_past` and `wait_for_downstream` look at it;
//! - runs of a backfill that is not completed, and whatever else lies within its dates;
//! - the newest version of a DAG, and those that a run is of;
//! - events of assets that a queued or unfinished run follows from.
//!
//! What belongs to a run that stays, stays with it.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::retention::CleanTable;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::StoreResult;

/// Which records of a table may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanFilter {
    pub before: DateTime<Utc>,
    /// Only of these DAGs; an empty list does not restrict.
    pub dag_ids: Vec<String>,
    pub excluded_dag_ids: Vec<String>,
}

impl CleanFilter {
    pub fn before(before: DateTime<Utc>) -> Self {
        Self { before, dag_ids: Vec::new(), excluded_dag_ids: Vec::new() }
    }
}

/// One step of cleaning a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanStep {
    /// Where the step before ended; 0 at first.
    pub from: i64,
    /// Rows that one transaction removes, at most; a run counts with its instances, and goes whole or not at all.
    pub limit: u32,
    /// Keeps what goes in the archive, as of this moment.
    pub archive_at: Option<DateTime<Utc>>,
}

/// What a step has removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    pub rows: u64,
    /// Whose logs nobody can ask for any more.
    pub runs: Vec<RunKey>,
    /// Tries, by run, instance and number, whose logs nobody can ask for any more.
    pub tries: Vec<(RunKey, Uuid, u32)>,
    /// Where the next step begins; none after the last.
    pub next: Option<i64>,
}

/// A record as it was when it was removed.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedRow {
    pub id: i64,
    pub archived_at: DateTime<Utc>,
    /// What was cleaned.
    pub table: CleanTable,
    /// The database's table that the record lay in.
    pub source: String,
    /// Its columns, as the database has them.
    pub content: Value,
}

#[async_trait]
pub trait Retention: Send + Sync {
    /// How many records a clean-up would remove. What becomes free by cleaning another table first is not foreseen.
    async fn count_removable(&self, tenant: TenantId, table: CleanTable, filter: &CleanFilter) -> StoreResult<u64>;
    /// Removes some records, and says where to go on.
    async fn clean_step(
        &self,
        tenant: TenantId,
        table: CleanTable,
        filter: &CleanFilter,
        step: &CleanStep,
    ) -> StoreResult<Cleaned>;

    /// How much of each table the archive holds.
    async fn count_archived(&self, tenant: TenantId) -> StoreResult<Vec<(CleanTable, u64)>>;
    /// Records of these tables after an id, in the order in which they were archived.
    async fn list_archived(
        &self,
        tenant: TenantId,
        tables: &[CleanTable],
        after: i64,
        limit: u32,
    ) -> StoreResult<Vec<ArchivedRow>>;
    /// Removes at most so many records of these tables, up to an id, from the archive; answers how many.
    async fn drop_archived(&self, tenant: TenantId, tables: &[CleanTable], up_to: i64, limit: u32) -> StoreResult<u64>;
}
