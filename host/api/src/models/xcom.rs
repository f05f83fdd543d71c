//! XComs.

use airlock_core::dag::Dag;
use airlock_store::xcoms::XComRow;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{display_name, task_display_name, task_of};

#[derive(Debug, Serialize, ToSchema)]
pub struct XComResponse {
    key: String,
    timestamp: DateTime<Utc>,
    logical_date: Option<DateTime<Utc>>,
    map_index: i32,
    task_id: String,
    dag_id: String,
    run_id: String,
    dag_display_name: String,
    task_display_name: String,
    run_after: DateTime<Utc>,
}

impl XComResponse {
    pub fn new(row: &XComRow, dag: Option<&Dag>) -> Self {
        Self {
            key: row.key.clone(),
            timestamp: row.pushed_at,
            logical_date: row.logical_date,
            map_index: row.map_index,
            task_id: row.task_id.clone(),
            dag_id: row.dag_id.clone(),
            run_id: row.run_id.clone(),
            dag_display_name: dag.map_or_else(|| row.dag_id.clone(), display_name),
            task_display_name: dag
                .and_then(|dag| task_of(dag, &row.task_id))
                .map_or_else(|| row.task_id.clone(), task_display_name),
            run_after: row.run_after,
        }
    }
}

/// With the value: any JSON.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = XComResponseNative)]
pub struct XComValueResponse {
    #[serde(flatten)]
    pub about: XComResponse,
    pub value: Value,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = XComCollectionResponse)]
pub struct XComCollection {
    pub xcom_entries: Vec<XComResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct XComCreateBody {
    pub key: String,
    pub value: Value,
    #[serde(default = "unmapped")]
    pub map_index: i32,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct XComUpdateBody {
    pub value: Value,
    #[serde(default = "unmapped")]
    pub map_index: i32,
}

pub const fn unmapped() -> i32 {
    airlock_core::id::UNMAPPED
}
