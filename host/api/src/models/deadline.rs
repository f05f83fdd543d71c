//! Deadlines, in Airflow's shapes.

use airlock_store::deadlines::{DeadlineAlertRow, DeadlineRow};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Serialize, ToSchema)]
pub struct DeadlineResponse {
    id: Uuid,
    deadline_time: DateTime<Utc>,
    missed: bool,
    created_at: DateTime<Utc>,
    dag_id: String,
    dag_run_id: String,
    alert_id: Option<Uuid>,
    alert_name: Option<String>,
}

impl From<DeadlineRow> for DeadlineResponse {
    fn from(row: DeadlineRow) -> Self {
        Self {
            id: row.id,
            deadline_time: row.deadline_time,
            missed: row.missed,
            created_at: row.created_at,
            dag_id: row.dag_id,
            dag_run_id: row.run_id,
            alert_id: Some(row.alert_id),
            alert_name: row.alert_name,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadlineCollectionResponse)]
pub struct DeadlineCollection {
    pub deadlines: Vec<DeadlineResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DeadlineAlertResponse {
    id: Uuid,
    name: Option<String>,
    reference_type: String,
    /// From the reference to the deadline, in seconds.
    interval: Option<f64>,
    created_at: DateTime<Utc>,
}

impl From<DeadlineAlertRow> for DeadlineAlertResponse {
    fn from(row: DeadlineAlertRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            reference_type: row.reference_type,
            interval: Some(row.interval),
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadlineAlertCollectionResponse)]
pub struct DeadlineAlertCollection {
    pub deadline_alerts: Vec<DeadlineAlertResponse>,
    pub total_entries: u64,
}
