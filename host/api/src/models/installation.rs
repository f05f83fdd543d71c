//! What Airflow tells of its installation: jobs, providers, plugins, configuration, warnings, import errors.

use airlock_store::health::ProcessRow;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// A process that takes part.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobResponse {
    pub id: u64,
    pub dag_id: Option<String>,
    pub state: Option<&'static str>,
    pub job_type: Option<String>,
    pub start_date: Option<DateTime<Utc>>,
    pub end_date: Option<DateTime<Utc>>,
    pub latest_heartbeat: Option<DateTime<Utc>>,
    pub executor_class: Option<String>,
    pub hostname: Option<String>,
    pub unixname: Option<String>,
    pub dag_display_name: Option<String>,
}

impl JobResponse {
    /// A process that has said nothing for too long, and did not say that it stops, has failed.
    pub fn new(process: ProcessRow, is_silent: bool) -> Self {
        let state = match (process.stopped_at, is_silent) {
            (Some(_), _) => "success",
            (None, true) => "failed",
            (None, false) => "running",
        };
        Self {
            id: number(process.id),
            dag_id: None,
            state: Some(state),
            job_type: Some(job_type(&process.role)),
            start_date: Some(process.started_at),
            end_date: process.stopped_at,
            latest_heartbeat: Some(process.heartbeat_at),
            executor_class: None,
            hostname: Some(process.hostname),
            unixname: None,
            dag_display_name: None,
        }
    }
}

/// As many bits of a random id as a JSON number holds for sure.
fn number(id: Uuid) -> u64 {
    id.as_u64_pair().1 & ((1 << 53) - 1)
}

/// `SchedulerJob`, as in Airflow.
fn job_type(role: &str) -> String {
    let mut letters = role.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default() + "Job"
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobCollectionResponse)]
pub struct JobCollection {
    pub jobs: Vec<JobResponse>,
    pub total_entries: u64,
}

/// What brings operators: here, an uploaded operator.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderResponse {
    pub package_name: String,
    pub description: String,
    pub version: String,
    pub documentation_url: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderCollectionResponse)]
pub struct ProviderCollection {
    pub providers: Vec<ProviderResponse>,
    pub total_entries: u64,
}

/// Nothing is plugged into the server: what extends Airlock runs in the sandbox, as an operator.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = PluginCollectionResponse)]
pub struct PluginCollection {
    #[schema(value_type = Vec<Object>)]
    pub plugins: Vec<Value>,
    pub total_entries: u64,
}

/// What could not be imported: plugins, of which there are none, or documents, which are refused when they are sent.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ImportErrorCollectionResponse)]
pub struct ImportErrorCollection {
    #[schema(value_type = Vec<Object>)]
    pub import_errors: Vec<Value>,
    pub total_entries: u64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Config)]
pub struct ConfigResponse {
    pub sections: Vec<ConfigSection>,
}

/// A part of the configuration as it may be shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConfigSection {
    pub name: String,
    pub options: Vec<ConfigOption>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConfigOption {
    pub key: String,
    /// `< hidden >` for what is secret.
    pub value: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGWarningResponse)]
pub struct DagWarningResponse {
    pub dag_id: String,
    pub warning_type: &'static str,
    pub message: String,
    pub timestamp: DateTime<Utc>,
    pub dag_display_name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGWarningCollectionResponse)]
pub struct DagWarningCollection {
    pub dag_warnings: Vec<DagWarningResponse>,
    pub total_entries: u64,
}

/// Links that an operator gives its task instances, by name.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ExtraLinkCollectionResponse)]
pub struct ExtraLinkCollection {
    #[schema(value_type = Object)]
    pub extra_links: Map<String, Value>,
    pub total_entries: u64,
}
