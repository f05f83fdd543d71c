//! What was done.

use airlock_store::audit::AuditRow;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct EventLogResponse {
    event_log_id: i64,
    when: DateTime<Utc>,
    dag_id: Option<String>,
    task_id: Option<String>,
    run_id: Option<String>,
    map_index: Option<i32>,
    try_number: Option<u32>,
    /// The name of the operation, such as `trigger_dag_run`.
    event: String,
    logical_date: Option<DateTime<Utc>>,
    /// The user.
    owner: Option<String>,
    /// More of the request, as JSON.
    extra: Option<String>,
    dag_display_name: Option<String>,
    task_display_name: Option<String>,
}

impl From<AuditRow> for EventLogResponse {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, entry } = row;
        Self {
            event_log_id: id,
            when: entry.at,
            dag_display_name: entry.dag_id.clone(),
            dag_id: entry.dag_id,
            task_display_name: entry.task_id.clone(),
            task_id: entry.task_id,
            run_id: entry.run_id,
            map_index: entry.map_index,
            try_number: entry.try_number,
            event: entry.event,
            logical_date: None,
            owner: Some(entry.owner),
            extra: entry.extra,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventLogCollectionResponse)]
pub struct EventLogCollection {
    pub event_logs: Vec<EventLogResponse>,
    pub total_entries: u64,
}
