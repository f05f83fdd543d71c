//! DAG runs, from the outside.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::{RunState, RunType, TriggeredBy};
use airlock_core::timetable::{DataInterval, Partition};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::{Page, Paged, Pattern, StoreResult};

#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    pub key: RunKey,
    pub dag_id: String,
    pub run_id: String,
    pub run_type: RunType,
    pub state: RunState,
    pub dag_version: u32,
    pub logical_date: Option<DateTime<Utc>>,
    pub data_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub run_after: DateTime<Utc>,
    pub queued_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub last_scheduling_decision: Option<DateTime<Utc>>,
    pub conf: Map<String, Value>,
    pub note: Option<String>,
    pub triggered_by: TriggeredBy,
    /// Of a partitioned DAG.
    pub partition: Option<Partition>,
    pub triggering_user: Option<String>,
    /// How often it was queued again because it was cleared after its end.
    pub clear_number: u32,
    /// The backfill that it belongs to, and the ordinal of its slot there.
    pub backfill: Option<(i64, u32)>,
    /// Counts the changes from outside ([`crate::driving::Driving::intervene`]), of its driver, and of its state. What was decided
    /// under another epoch is not applied.
    pub epoch: i64,
}

impl RunRow {
    /// What its timetable goes on from: the data that it covers, or else its date, or else when it was due.
    pub fn span(&self) -> DataInterval {
        let moment = self.logical_date.unwrap_or(self.run_after);
        self.data_interval.unwrap_or((moment, moment))
    }
}

/// What a run machine knows of its run. The first run of a backfill has nothing before it that it could wait for.
impl From<&RunRow> for airlock_core::run::RunFacts {
    fn from(run: &RunRow) -> Self {
        let ignores_past = run.backfill.is_some_and(|(_, ordinal)| ordinal == 1);
        Self { logical_date: run.logical_date, started_at: run.started_at, ignores_past }
    }
}

/// A run on its way in. It starts as `queued`.
#[derive(Clone, Debug)]
pub struct NewRun {
    pub tenant: TenantId,
    pub dag_id: String,
    pub run_id: String,
    pub run_type: RunType,
    pub logical_date: Option<DateTime<Utc>>,
    pub data_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub run_after: DateTime<Utc>,
    pub conf: Map<String, Value>,
    pub note: Option<String>,
    pub triggered_by: TriggeredBy,
    pub partition: Option<Partition>,
    pub triggering_user: Option<String>,
    pub now: DateTime<Utc>,
}

/// A span of time; both ends inclusive as `gte`/`lte`, exclusive as `gt`/`lt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub gte: Option<DateTime<Utc>>,
    pub gt: Option<DateTime<Utc>>,
    pub lte: Option<DateTime<Utc>>,
    pub lt: Option<DateTime<Utc>>,
}

impl Span {
    /// Whether an instant lies within. Without one, only where nothing is asked for.
    pub fn contains(&self, instant: Option<DateTime<Utc>>) -> bool {
        let Some(instant) = instant else { return *self == Self::default() };
        self.gte.is_none_or(|bound| instant >= bound)
            && self.gt.is_none_or(|bound| instant > bound)
            && self.lte.is_none_or(|bound| instant <= bound)
            && self.lt.is_none_or(|bound| instant < bound)
    }
}

/// A span of lengths of time, in seconds, with ends as those of [`Span`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Range {
    pub gte: Option<f64>,
    pub gt: Option<f64>,
    pub lte: Option<f64>,
    pub lt: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFilter {
    /// None: of all DAGs (`~` in paths).
    pub dag_id: Option<String>,
    /// Any of these; an empty list fits nothing.
    pub dag_ids: Option<Vec<String>>,
    pub dag_id_pattern: Pattern,
    pub run_id_pattern: Pattern,
    pub states: Vec<RunState>,
    pub run_types: Vec<RunType>,
    pub dag_versions: Vec<u32>,
    pub triggering_user_pattern: Pattern,
    pub logical_date: Span,
    pub run_after: Span,
    pub started_at: Span,
    pub ended_at: Span,
    pub updated_at: Span,
    /// From its start to its end; of an unfinished run there is none.
    pub duration: Range,
    /// A part of the configuration's JSON, case-insensitive.
    pub conf_pattern: Pattern,
    /// That followed from an event of an asset with this in its name or URI, case-insensitive.
    pub consumed_asset: Option<String>,
    pub partition_key: Option<String>,
    pub partition_key_pattern: Pattern,
    pub partition_date: Span,
}

#[async_trait]
pub trait Runs: Send + Sync {
    /// Adds a run of the DAG's newest version. [`crate::StoreError::AlreadyExists`] if the run id, or a logical date that is
    /// not null, is taken.
    async fn create_run(&self, run: &NewRun) -> StoreResult<RunRow>;
    async fn run(&self, tenant: TenantId, dag_id: &str, run_id: &str) -> StoreResult<Option<RunRow>>;
    /// Orders by `id` (default), `dag_id`, `run_id`, `state`, `logical_date`, `run_after`, `start_date`, `end_date`, `updated_at`.
    async fn list_runs(&self, tenant: TenantId, filter: &RunFilter, page: &Page) -> StoreResult<Paged<RunRow>>;
    async fn set_run_note(&self, key: RunKey, note: Option<&str>, user: Option<&str>) -> StoreResult<bool>;
    /// With its instances, tries and XComs. Refused with `Conflict` while it is running.
    async fn delete_run(&self, tenant: TenantId, dag_id: &str, run_id: &str) -> StoreResult<bool>;
    /// The scheduled or backfilled run with the latest logical date: what a timetable goes on from.
    async fn last_automated_run(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Option<RunRow>>;
    /// Takes from runs what they say of their partition: they are of none from then on. Answers how many said something.
    async fn forget_partitions(&self, tenant: TenantId, runs: &[RunKey]) -> StoreResult<u64>;
    /// How many runs of this DAG are in each state.
    async fn count_runs(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Vec<(RunState, u64)>>;
}
