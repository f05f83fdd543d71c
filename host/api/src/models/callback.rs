//! Callbacks.

use airlock_core::callback::{CallbackEvent, CallbackState, definition};
use airlock_store::callbacks::CallbackRow;
use airlock_store::dags::DagVersion;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Serialize, ToSchema)]
pub struct CallbackResponse {
    pub id: Uuid,
    pub dag_id: String,
    pub dag_run_id: String,
    /// Null: it is about the run.
    pub task_id: Option<String>,
    pub map_index: Option<i32>,
    pub try_number: Option<u32>,
    /// `on_execute`, `on_success`, `on_failure`, `on_retry`, `on_skipped` or `deadline`.
    #[schema(value_type = String)]
    pub event: CallbackEvent,
    /// Its place among the callbacks for this, or among the DAG's deadlines, from 0.
    pub place: u32,
    pub operator: Option<String>,
    /// `queued`, `running`, `success` or `failed`.
    #[schema(value_type = String)]
    pub state: CallbackState,
    /// How often it has been begun.
    pub attempts: u32,
    pub queue: String,
    pub hostname: Option<String>,
    pub created_at: DateTime<Utc>,
    pub start_date: Option<DateTime<Utc>>,
    pub end_date: Option<DateTime<Utc>>,
    /// Why it failed, or is called again.
    pub message: Option<String>,
    /// Why a run ended as it did, in Airflow's words, or why a task skipped itself.
    pub reason: Option<String>,
    /// The failure that it tells of.
    pub exception: Option<String>,
    /// The deadline that was missed.
    pub deadline_id: Option<Uuid>,
}

impl From<(CallbackRow, Option<&DagVersion>)> for CallbackResponse {
    fn from((row, version): (CallbackRow, Option<&DagVersion>)) -> Self {
        let task_id = row.subject.as_ref().map(|subject| subject.task_id.clone());
        let defined = version.and_then(|version| definition(&version.dag, row.event, task_id.as_deref(), row.place));
        Self {
            id: row.id,
            dag_id: row.dag_id,
            dag_run_id: row.run_id,
            operator: defined.map(|callback| callback.operator.clone()),
            task_id,
            map_index: row.subject.as_ref().map(|subject| subject.map_index),
            try_number: row.subject.as_ref().map(|subject| subject.try_number),
            event: row.event,
            place: row.place,
            state: row.state,
            attempts: row.attempts,
            queue: row.queue,
            hostname: row.hostname,
            created_at: row.created_at,
            start_date: row.started_at,
            end_date: row.ended_at,
            message: row.message,
            reason: row.about.reason,
            exception: row.about.exception,
            deadline_id: row.about.deadline.map(|deadline| deadline.id),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallbackCollectionResponse)]
pub struct CallbackCollection {
    pub callbacks: Vec<CallbackResponse>,
    pub total_entries: u64,
}
