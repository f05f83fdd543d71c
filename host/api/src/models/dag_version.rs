//! Versions of DAGs.

use airlock_core::dag::Difference;
use airlock_store::dags::DagVersion;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::display_name;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DagVersionResponse {
    id: Uuid,
    version_number: u32,
    dag_id: String,
    bundle_name: Option<String>,
    bundle_version: Option<String>,
    created_at: DateTime<Utc>,
    dag_display_name: String,
    bundle_url: Option<String>,
}

impl From<&DagVersion> for DagVersionResponse {
    fn from(version: &DagVersion) -> Self {
        Self {
            id: version.id,
            version_number: version.version,
            dag_id: version.dag_id.clone(),
            bundle_name: None,
            bundle_version: None,
            created_at: version.created_at,
            dag_display_name: display_name(&version.dag),
            bundle_url: None,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGVersionCollectionResponse)]
pub struct DagVersionCollection {
    pub dag_versions: Vec<DagVersionResponse>,
    pub total_entries: u64,
}

/// What has changed between two versions of a DAG.
#[derive(Debug, Serialize, ToSchema)]
pub struct DagVersionDifference {
    pub dag_id: String,
    pub from: u32,
    pub to: u32,
    /// `settings`: a list of changes, each with `pointer`, `before` and `after`. `tasks`, `task_groups`, `edge_labels`: the ids that
    /// were `added` and `removed`, and what has `changed`, each with `id` and `changes`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub difference: Difference,
}
