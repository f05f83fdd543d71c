//! DAGs.

use std::collections::BTreeSet;

use airlock_core::dag::{Dag, Schedule};
use airlock_core::state::{RunState, RunType};
use airlock_core::timetable::is_periodic;
use airlock_store::dags::{DagRow, DagVersion};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{DagVersionResponse, iso_duration, schedule_description, schedule_summary};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGResponse)]
pub struct DagResponse {
    dag_id: String,
    dag_display_name: String,
    is_paused: bool,
    is_stale: bool,
    last_parsed_time: Option<DateTime<Utc>>,
    last_parse_duration: Option<f64>,
    last_expired: Option<DateTime<Utc>>,
    bundle_name: Option<String>,
    bundle_version: Option<String>,
    relative_fileloc: Option<String>,
    /// Where the document can be fetched.
    fileloc: String,
    description: Option<String>,
    timetable_summary: Option<String>,
    timetable_description: Option<String>,
    timetable_partitioned: bool,
    timetable_periodic: bool,
    tags: Vec<DagTagResponse>,
    max_active_tasks: u32,
    max_active_runs: Option<u32>,
    max_consecutive_failed_dag_runs: u32,
    has_task_concurrency_limits: bool,
    has_import_errors: bool,
    next_dagrun_logical_date: Option<DateTime<Utc>>,
    next_dagrun_data_interval_start: Option<DateTime<Utc>>,
    next_dagrun_data_interval_end: Option<DateTime<Utc>>,
    next_dagrun_run_after: Option<DateTime<Utc>>,
    #[schema(value_type = Option<Vec<String>>)]
    allowed_run_types: Option<Vec<RunType>>,
    owners: Vec<String>,
    is_backfillable: bool,
    file_token: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DagTagResponse {
    name: String,
    dag_id: String,
    dag_display_name: String,
}

/// What people call a DAG.
pub fn display_name(dag: &Dag) -> String {
    dag.dag_display_name.clone().unwrap_or_else(|| dag.dag_id.clone())
}

impl From<&DagRow> for DagResponse {
    fn from(row: &DagRow) -> Self {
        let dag = &row.dag;
        let next = row.next_run.as_ref();
        let interval = next.and_then(|next| next.data_interval);
        let mut tags: Vec<&String> = dag.tags.iter().collect();
        tags.sort();
        Self {
            dag_id: row.dag_id.clone(),
            dag_display_name: display_name(dag),
            is_paused: row.is_paused,
            is_stale: false,
            last_parsed_time: Some(row.updated_at),
            last_parse_duration: None,
            last_expired: None,
            bundle_name: None,
            bundle_version: None,
            relative_fileloc: None,
            fileloc: format!("/api/v2/dags/{}/source", row.dag_id),
            description: dag.description.clone(),
            timetable_summary: schedule_summary(&dag.schedule),
            timetable_description: Some(schedule_description(dag)),
            timetable_partitioned: matches!(dag.schedule, Schedule::CronPartition { .. }),
            timetable_periodic: is_periodic(&dag.schedule),
            tags: tags
                .into_iter()
                .map(|name| DagTagResponse {
                    name: name.clone(),
                    dag_id: row.dag_id.clone(),
                    dag_display_name: display_name(dag),
                })
                .collect(),
            max_active_tasks: dag.max_active_tasks,
            max_active_runs: Some(dag.max_active_runs),
            max_consecutive_failed_dag_runs: dag.max_consecutive_failed_dag_runs,
            has_task_concurrency_limits: dag
                .tasks
                .iter()
                .any(|task| task.max_active_tis_per_dag.is_some() || task.max_active_tis_per_dagrun.is_some()),
            has_import_errors: false,
            next_dagrun_logical_date: next.and_then(|next| next.logical_date),
            next_dagrun_data_interval_start: interval.map(|(start, _)| start),
            next_dagrun_data_interval_end: interval.map(|(_, end)| end),
            next_dagrun_run_after: next.map(|next| next.run_after),
            allowed_run_types: None,
            owners: owners(dag),
            is_backfillable: is_periodic(&dag.schedule),
            file_token: row.version_id.to_string(),
        }
    }
}

/// Of the DAG's tasks, as in Airflow, and of the DAG itself where it has none.
fn owners(dag: &Dag) -> Vec<String> {
    let mut owners: BTreeSet<&str> = dag.tasks.iter().map(|task| task.owner.as_str()).collect();
    if owners.is_empty() {
        owners.insert(&dag.owner);
    }
    owners.into_iter().map(str::to_owned).collect()
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGCollectionResponse)]
pub struct DagCollection {
    pub dags: Vec<DagResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGDetailsResponse)]
pub struct DagDetailsResponse {
    #[serde(flatten)]
    dag: DagResponse,
    catchup: bool,
    dag_run_timeout: Option<String>,
    asset_expression: Option<Value>,
    doc_md: Option<String>,
    start_date: Option<DateTime<Utc>>,
    end_date: Option<DateTime<Utc>>,
    is_paused_upon_creation: Option<bool>,
    params: Value,
    render_template_as_native_obj: bool,
    template_search_path: Option<Vec<String>>,
    timezone: Option<String>,
    last_parsed: Option<DateTime<Utc>>,
    default_args: Value,
    rerun_with_latest_version: Option<bool>,
    owner_links: Option<Value>,
    is_favorite: bool,
    active_runs_count: u64,
    concurrency: u32,
    latest_dag_version: Option<DagVersionResponse>,
}

impl DagDetailsResponse {
    pub fn new(
        row: &DagRow,
        latest: Option<&DagVersion>,
        source: Option<&str>,
        runs: &[(RunState, u64)],
        is_favorite: bool,
    ) -> Self {
        let dag = &row.dag;
        let default_args = source
            .and_then(|source| serde_json::from_str::<Map<String, Value>>(source).ok())
            .and_then(|mut document| document.remove("default_args"))
            .unwrap_or_else(|| json!({}));
        Self {
            dag: row.into(),
            catchup: dag.catchup,
            dag_run_timeout: dag.dagrun_timeout.map(iso_duration),
            asset_expression: match &dag.schedule {
                Schedule::Assets { condition } => Some(condition.expression()),
                _ => None,
            },
            doc_md: dag.doc_md.clone(),
            start_date: dag.start_date,
            end_date: dag.end_date,
            is_paused_upon_creation: Some(dag.is_paused_upon_creation),
            params: params(&dag.params),
            render_template_as_native_obj: dag.render_template_as_native_obj,
            template_search_path: None,
            timezone: Some(dag.timezone.clone()),
            last_parsed: Some(row.updated_at),
            default_args,
            rerun_with_latest_version: dag.rerun_with_latest_version,
            owner_links: None,
            is_favorite,
            active_runs_count: runs
                .iter()
                .filter(|(state, _)| *state == RunState::Running)
                .map(|(_, count)| count)
                .sum(),
            concurrency: dag.max_active_tasks,
            latest_dag_version: latest.map(Into::into),
        }
    }
}

/// Params as Airflow dumps them: value, description and schema apart.
pub fn params(params: &Map<String, Value>) -> Value {
    let dump = |schema: &Value| {
        let mut schema = schema.as_object().cloned().unwrap_or_default();
        let value = schema.shift_remove("default").unwrap_or(Value::Null);
        let description = schema.get("description").cloned().unwrap_or(Value::Null);
        json!({ "value": value, "description": description, "schema": schema })
    };
    Value::Object(params.iter().map(|(name, schema)| (name.clone(), dump(schema))).collect())
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DAGPatchBody)]
#[serde(deny_unknown_fields)]
pub struct DagPatchBody {
    pub is_paused: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGSourceResponse)]
pub struct DagSourceResponse {
    pub content: Option<String>,
    pub dag_id: String,
    pub version_number: Option<u32>,
    pub dag_display_name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGTagCollectionResponse)]
pub struct DagTagCollection {
    pub tags: Vec<String>,
    pub total_entries: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DagStatsCollectionResponse)]
pub struct DagStatsCollection {
    pub dags: Vec<DagStats>,
    pub total_entries: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DagStatsResponse)]
pub struct DagStats {
    pub dag_id: String,
    pub dag_display_name: String,
    pub stats: Vec<DagStatsState>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DagStatsStateResponse)]
pub struct DagStatsState {
    #[schema(value_type = String)]
    pub state: RunState,
    pub count: u64,
}

/// What a PUT of a DAG came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct PutDagResponse {
    /// `created`, `changed` or `unchanged`; of a dry run, what it would come to.
    pub result: &'static str,
    pub dag_id: String,
    /// The DAG's newest version; of a dry run, the one that it would be.
    pub version_number: u32,
    /// When its next run is due.
    pub next_dagrun_run_after: Option<DateTime<Utc>>,
    pub dry_run: bool,
}

/// What a check of a document came to: faulty ones are refused instead.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValidateDagResponse {
    pub valid: bool,
    pub dag_id: String,
    pub tasks: usize,
    /// The module that each operator reference stands for now.
    pub operators: Vec<ResolvedOperatorResponse>,
}

impl ValidateDagResponse {
    pub fn new(dag: &Dag) -> Self {
        let mut operators: Vec<ResolvedOperatorResponse> = Vec::new();
        for task in &dag.tasks {
            if operators.iter().all(|known| known.reference != task.operator) {
                operators.push(ResolvedOperatorResponse {
                    reference: task.operator.clone(),
                    name: task.resolved.name.clone(),
                    version: task.resolved.version.clone(),
                    digest: task.resolved.digest.clone(),
                });
            }
        }
        Self { valid: true, dag_id: dag.dag_id.clone(), tasks: dag.tasks.len(), operators }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ResolvedOperatorResponse {
    pub reference: String,
    pub name: String,
    pub version: String,
    pub digest: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NextRunsResponse {
    pub dag_id: String,
    /// The zone of the local times.
    pub timezone: String,
    pub runs: Vec<NextRunResponse>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NextRunResponse {
    pub run_after: DateTime<Utc>,
    pub run_after_local: String,
    pub logical_date: Option<DateTime<Utc>>,
    pub logical_date_local: Option<String>,
    pub data_interval_start: Option<DateTime<Utc>>,
    pub data_interval_end: Option<DateTime<Utc>>,
    /// Of a partitioned DAG.
    pub partition_key: Option<String>,
    pub partition_date: Option<DateTime<Utc>>,
}
