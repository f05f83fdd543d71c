//! Backfills.

use airlock_core::backfill::ReprocessBehavior;
use airlock_store::backfills::BackfillRow;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::extract::Instant;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BackfillPostBody)]
#[serde(deny_unknown_fields)]
pub struct BackfillBody {
    pub dag_id: String,
    /// Bounds of the data interval starts, both inclusive.
    pub from_date: Instant,
    pub to_date: Instant,
    /// The latest first.
    #[serde(default)]
    pub run_backwards: bool,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub dag_run_conf: Option<Map<String, Value>>,
    /// `none`, `failed` or `completed`: which runs that exist already are made anew.
    #[serde(default = "none")]
    #[schema(value_type = String)]
    pub reprocess_behavior: ReprocessBehavior,
    #[serde(default = "ten")]
    pub max_active_runs: u32,
    /// Whether runs that are made anew become runs of the DAG's newest version; by default they do.
    #[serde(default)]
    pub run_on_latest_version: Option<bool>,
}

const fn none() -> ReprocessBehavior {
    ReprocessBehavior::None
}

const fn ten() -> u32 {
    10
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BackfillResponse {
    id: i64,
    dag_id: String,
    from_date: DateTime<Utc>,
    to_date: DateTime<Utc>,
    #[schema(value_type = Option<Object>)]
    dag_run_conf: Option<Map<String, Value>>,
    is_paused: bool,
    #[schema(value_type = String)]
    reprocess_behavior: ReprocessBehavior,
    max_active_runs: u32,
    created_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    dag_display_name: String,
}

impl BackfillResponse {
    pub fn new(row: BackfillRow, dag_display_name: String) -> Self {
        Self {
            id: row.id,
            dag_id: row.dag_id,
            from_date: row.from,
            to_date: row.to,
            dag_run_conf: row.conf,
            is_paused: row.is_paused,
            reprocess_behavior: row.reprocess,
            max_active_runs: row.max_active_runs,
            created_at: row.created_at,
            completed_at: row.completed_at,
            updated_at: row.updated_at,
            dag_display_name,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackfillCollectionResponse)]
pub struct BackfillCollection {
    pub backfills: Vec<BackfillResponse>,
    pub total_entries: u64,
}

/// A run that a backfill would make, or make anew.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DryRunBackfillResponse)]
pub struct DryRunBackfill {
    pub logical_date: Option<DateTime<Utc>>,
    pub partition_key: Option<String>,
    pub partition_date: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DryRunBackfillCollectionResponse)]
pub struct DryRunBackfillCollection {
    pub backfills: Vec<DryRunBackfill>,
    pub total_entries: usize,
}
