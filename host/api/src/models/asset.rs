//! Assets, their events, and what is queued for DAGs.

use airlock_core::asset::{AssetRole, Graph};
use airlock_core::state::RunState;
use airlock_store::assets::{AliasRow, AssetEventRow, AssetRow};
use airlock_store::runs::RunRow;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::extract::Instant;

#[derive(Debug, Serialize, ToSchema)]
pub struct AssetResponse {
    id: i64,
    name: String,
    uri: String,
    group: String,
    #[schema(value_type = Option<Object>)]
    extra: Map<String, Value>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    scheduled_dags: Vec<DagScheduleAssetReference>,
    producing_tasks: Vec<TaskAssetReference>,
    consuming_tasks: Vec<TaskAssetReference>,
    aliases: Vec<AssetAliasResponse>,
    /// Airflow's watchers; there are none.
    #[schema(value_type = Vec<Object>)]
    watchers: [(); 0],
    last_asset_event: LastAssetEventResponse,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DagScheduleAssetReference {
    dag_id: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TaskAssetReference {
    dag_id: String,
    task_id: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LastAssetEventResponse {
    id: Option<i64>,
    timestamp: Option<DateTime<Utc>>,
}

impl From<AssetRow> for AssetResponse {
    fn from(row: AssetRow) -> Self {
        let tasks = |role: AssetRole| {
            let references = row.references.iter().filter(|reference| reference.role == role);
            references
                .map(|reference| TaskAssetReference {
                    dag_id: reference.dag_id.clone(),
                    task_id: reference.task_id.clone(),
                    created_at: reference.created_at,
                    updated_at: reference.updated_at,
                })
                .collect()
        };
        let schedules = row.references.iter().filter(|reference| reference.role == AssetRole::Schedule);
        let scheduled_dags = schedules.map(|reference| DagScheduleAssetReference {
            dag_id: reference.dag_id.clone(),
            created_at: reference.created_at,
            updated_at: reference.updated_at,
        });
        Self {
            scheduled_dags: scheduled_dags.collect(),
            producing_tasks: tasks(AssetRole::Outlet),
            consuming_tasks: tasks(AssetRole::Inlet),
            id: row.id,
            name: row.name,
            uri: row.uri,
            group: row.group,
            extra: row.extra,
            created_at: row.created_at,
            updated_at: row.updated_at,
            aliases: row.aliases.into_iter().map(Into::into).collect(),
            watchers: [],
            last_asset_event: LastAssetEventResponse {
                id: row.last_event.map(|(id, _)| id),
                timestamp: row.last_event.map(|(_, at)| at),
            },
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AssetCollectionResponse)]
pub struct AssetCollection {
    pub assets: Vec<AssetResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AssetAliasResponse {
    id: i64,
    name: String,
    group: String,
}

impl From<AliasRow> for AssetAliasResponse {
    fn from(row: AliasRow) -> Self {
        Self { id: row.id, name: row.name, group: row.group }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AssetAliasCollectionResponse)]
pub struct AssetAliasCollection {
    pub asset_aliases: Vec<AssetAliasResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AssetEventResponse {
    id: i64,
    asset_id: i64,
    uri: String,
    name: String,
    group: String,
    #[schema(value_type = Option<Object>)]
    extra: Map<String, Value>,
    source_task_id: Option<String>,
    source_dag_id: Option<String>,
    source_run_id: Option<String>,
    source_map_index: i32,
    created_dagruns: Vec<DagRunAssetReference>,
    timestamp: DateTime<Utc>,
    partition_key: Option<String>,
}

/// A run that followed from an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct DagRunAssetReference {
    run_id: String,
    dag_id: String,
    logical_date: Option<DateTime<Utc>>,
    start_date: DateTime<Utc>,
    end_date: Option<DateTime<Utc>>,
    #[schema(value_type = String)]
    state: RunState,
    data_interval_start: Option<DateTime<Utc>>,
    data_interval_end: Option<DateTime<Utc>>,
    partition_key: Option<String>,
    triggering: bool,
}

impl From<(RunRow, bool)> for DagRunAssetReference {
    fn from((run, triggering): (RunRow, bool)) -> Self {
        Self {
            run_id: run.run_id,
            dag_id: run.dag_id,
            logical_date: run.logical_date,
            // Never null in Airflow's answers.
            start_date: run.started_at.unwrap_or(run.queued_at),
            end_date: run.ended_at,
            state: run.state,
            data_interval_start: run.data_interval.map(|(start, _)| start),
            data_interval_end: run.data_interval.map(|(_, end)| end),
            partition_key: run.partition.map(|partition| partition.key),
            triggering,
        }
    }
}

impl From<AssetEventRow> for AssetEventResponse {
    fn from(row: AssetEventRow) -> Self {
        Self {
            id: row.id,
            asset_id: row.asset_id,
            uri: row.uri,
            name: row.name,
            group: row.group,
            extra: row.extra,
            source_task_id: row.source_task_id,
            source_dag_id: row.source_dag_id,
            source_run_id: row.source_run_id,
            source_map_index: row.source_map_index,
            created_dagruns: row.created_runs.into_iter().map(Into::into).collect(),
            timestamp: row.timestamp,
            partition_key: row.partition_key,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AssetEventCollectionResponse)]
pub struct AssetEventCollection {
    pub asset_events: Vec<AssetEventResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateAssetEventsBody)]
#[serde(deny_unknown_fields)]
pub struct AssetEventBody {
    pub asset_id: i64,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub extra: Map<String, Value>,
    #[serde(default)]
    pub partition_key: Option<String>,
    /// Airflow's teams; a tenant has none.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub access_control: Option<Map<String, Value>>,
}

/// As for triggering a run, but that nothing has to be said.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = MaterializeAssetBody)]
#[serde(default, deny_unknown_fields)]
pub struct MaterializeBody {
    pub dag_run_id: Option<String>,
    pub data_interval_start: Option<Instant>,
    pub data_interval_end: Option<Instant>,
    pub logical_date: Option<Instant>,
    pub run_after: Option<Instant>,
    #[schema(value_type = Option<Object>)]
    pub conf: Option<Map<String, Value>>,
    pub note: Option<String>,
    pub partition_key: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedEventResponse {
    pub dag_id: String,
    pub asset_id: i64,
    pub created_at: DateTime<Utc>,
    pub dag_display_name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueuedEventCollectionResponse)]
pub struct QueuedEventCollection {
    pub queued_events: Vec<QueuedEventResponse>,
    pub total_entries: usize,
}

/// What DAGs have to do with each other, as Airflow's web interface asks for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BaseGraphResponse)]
pub struct GraphResponse {
    nodes: Vec<NodeResponse>,
    edges: Vec<EdgeResponse>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BaseNodeResponse)]
pub struct NodeResponse {
    id: String,
    label: String,
    r#type: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BaseEdgeResponse)]
pub struct EdgeResponse {
    source_id: String,
    target_id: String,
}

impl From<Graph> for GraphResponse {
    fn from(graph: Graph) -> Self {
        let node = |node: airlock_core::asset::Node| NodeResponse { id: node.id, label: node.label, r#type: node.kind };
        let edge = |edge: airlock_core::asset::Edge| EdgeResponse { source_id: edge.source, target_id: edge.target };
        Self { nodes: graph.nodes.into_iter().map(node).collect(), edges: graph.edges.into_iter().map(edge).collect() }
    }
}
