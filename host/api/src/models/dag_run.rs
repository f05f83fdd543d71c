//! DAG runs.

use airlock_core::state::{RunState, RunType, TriggeredBy};
use airlock_store::dags::DagVersion;
use airlock_store::runs::RunRow;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{DagVersionResponse, display_name, duration};
use crate::extract::{Durations, Instant, Spans};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGRunResponse)]
pub struct DagRunResponse {
    dag_run_id: String,
    dag_id: String,
    logical_date: Option<DateTime<Utc>>,
    queued_at: Option<DateTime<Utc>>,
    start_date: Option<DateTime<Utc>>,
    end_date: Option<DateTime<Utc>>,
    duration: Option<f64>,
    data_interval_start: Option<DateTime<Utc>>,
    data_interval_end: Option<DateTime<Utc>>,
    run_after: DateTime<Utc>,
    last_scheduling_decision: Option<DateTime<Utc>>,
    #[schema(value_type = String)]
    run_type: RunType,
    #[schema(value_type = String)]
    state: RunState,
    #[schema(value_type = Option<String>)]
    triggered_by: Option<TriggeredBy>,
    triggering_user_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    conf: Option<Map<String, Value>>,
    note: Option<String>,
    dag_versions: Vec<DagVersionResponse>,
    bundle_version: Option<String>,
    dag_display_name: String,
    partition_key: Option<String>,
    partition_date: Option<DateTime<Utc>>,
}

impl DagRunResponse {
    /// `version` is the one that the run is of.
    pub fn new(row: RunRow, version: Option<&DagVersion>) -> Self {
        Self {
            dag_display_name: version.map_or_else(|| row.dag_id.clone(), |version| display_name(&version.dag)),
            dag_versions: version.into_iter().map(Into::into).collect(),
            duration: duration(row.started_at, row.ended_at),
            dag_run_id: row.run_id,
            dag_id: row.dag_id,
            logical_date: row.logical_date,
            queued_at: Some(row.queued_at),
            start_date: row.started_at,
            end_date: row.ended_at,
            data_interval_start: row.data_interval.map(|(start, _)| start),
            data_interval_end: row.data_interval.map(|(_, end)| end),
            run_after: row.run_after,
            last_scheduling_decision: row.last_scheduling_decision,
            run_type: row.run_type,
            state: row.state,
            triggered_by: Some(row.triggered_by),
            triggering_user_name: row.triggering_user,
            conf: Some(row.conf),
            note: row.note,
            bundle_version: None,
            partition_date: row.partition.as_ref().and_then(|partition| partition.date),
            partition_key: row.partition.map(|partition| partition.key),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGRunCollectionResponse)]
pub struct DagRunCollection {
    pub dag_runs: Vec<DagRunResponse>,
    #[serde(flatten)]
    pub entries: Entries,
}

/// How many there are, and where the neighbouring pages begin.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Entries {
    pub total_entries: Option<u64>,
    pub total_entries_limit: Option<u64>,
    pub next_cursor: Option<String>,
    pub previous_cursor: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TriggerDAGRunPostBody)]
#[serde(deny_unknown_fields)]
pub struct TriggerBody {
    #[serde(default)]
    pub dag_run_id: Option<String>,
    #[serde(default)]
    pub data_interval_start: Option<Instant>,
    #[serde(default)]
    pub data_interval_end: Option<Instant>,
    /// May be null, and has to be said.
    #[serde(deserialize_with = "nullable")]
    pub logical_date: Option<Instant>,
    #[serde(default)]
    pub run_after: Option<Instant>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub conf: Option<Map<String, Value>>,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub partition_key: Option<String>,
}

/// A member that may be null but not missing: serde takes the one for the other unless the field has a function of its own.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DAGRunsBatchBody)]
pub struct DagRunsBatchBody {
    #[serde(default)]
    pub order_by: Option<String>,
    #[serde(default)]
    pub page_offset: u32,
    #[serde(default = "batch_limit")]
    pub page_limit: u32,
    #[serde(default)]
    pub dag_ids: Option<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub states: Option<Vec<Option<RunState>>>,
    /// A part of the configuration, as JSON.
    #[serde(default)]
    pub conf_contains: Option<String>,
    #[serde(flatten)]
    pub spans: Spans,
    #[serde(flatten)]
    pub durations: Durations,
    /// What is no member of the body, or none that is supported; refused.
    #[serde(flatten)]
    #[schema(ignore)]
    pub rest: Map<String, Value>,
}

pub const fn batch_limit() -> u32 {
    100
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DAGRunPatchBody)]
#[serde(deny_unknown_fields)]
pub struct DagRunPatchBody {
    #[serde(default)]
    pub state: Option<MutableRunState>,
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DagRunMutableStates)]
pub enum MutableRunState {
    Queued,
    Success,
    Failed,
}
