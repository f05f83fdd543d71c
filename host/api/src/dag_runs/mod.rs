//! `/dags/{dag_id}/dagRuns`.

pub mod bulk;
pub mod clear;
pub mod delete;
pub mod get;
pub mod list;
pub mod list_batch;
pub mod partitions;
pub mod patch;
pub mod trigger;
pub mod wait;

use airlock_core::id::TenantId;
use airlock_store::Store;
use airlock_store::runs::RunRow;

use crate::extract::Order;
use crate::lookup::Versions;
use crate::models::DagRunResponse;
use crate::problem::Answer;

const ORDER: &Order = &[
    ("id", "id"),
    ("state", "state"),
    ("dag_id", "dag_id"),
    ("run_id", "run_id"),
    ("dag_run_id", "run_id"),
    ("logical_date", "logical_date"),
    ("run_after", "run_after"),
    ("start_date", "start_date"),
    ("end_date", "end_date"),
    ("updated_at", "updated_at"),
    ("conf", "conf"),
    ("duration", "duration"),
    ("partition_date", "partition_date"),
];

pub(crate) async fn response(store: &dyn Store, tenant: TenantId, row: RunRow) -> Answer<DagRunResponse> {
    let version = store.dag_version(tenant, &row.dag_id, row.dag_version).await?;
    Ok(DagRunResponse::new(row, version.as_ref()))
}

async fn responses(store: &dyn Store, tenant: TenantId, rows: Vec<RunRow>) -> Answer<Vec<DagRunResponse>> {
    let mut versions = Versions::new(store, tenant);
    let mut responses = Vec::with_capacity(rows.len());
    for row in rows {
        let version = versions.get(&row.dag_id, row.dag_version).await?;
        responses.push(DagRunResponse::new(row, version.as_deref()));
    }
    Ok(responses)
}
