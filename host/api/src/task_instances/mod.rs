//! `/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances`.

pub mod bulk;
pub mod clear;
pub mod delete;
pub mod dependencies;
pub mod get;
pub mod links;
pub mod list;
pub mod list_batch;
pub mod list_mapped;
pub mod logs;
pub(crate) mod marking;
pub mod patch;
pub mod tries;

use std::collections::HashMap;

use airlock_core::id::TenantId;
use airlock_core::state::TaskState;
use airlock_store::Store;
use airlock_store::instances::InstanceRow;
use airlock_store::triggers::TriggerRow;
use uuid::Uuid;

use crate::extract::Order;
use crate::lookup::Versions;
use crate::models::TaskInstanceResponse;
use crate::problem::{Answer, Problem};

const ORDER: &Order = &[
    ("id", "id"),
    ("state", "state"),
    ("duration", "duration"),
    ("start_date", "start_date"),
    ("end_date", "end_date"),
    ("map_index", "map_index"),
    ("rendered_map_index", "rendered_map_index"),
    ("task_id", "task_id"),
    ("queued_when", "queued_when"),
    ("logical_date", "logical_date"),
    ("run_after", "run_after"),
    ("try_number", "try_number"),
    ("data_interval_start", "data_interval_start"),
    ("data_interval_end", "data_interval_end"),
    ("operator", "operator"),
];

async fn response(store: &dyn Store, tenant: TenantId, row: &InstanceRow) -> Answer<TaskInstanceResponse> {
    let version = store.dag_version(tenant, &row.dag_id, row.dag_version).await?;
    let triggers = triggers(store, tenant, std::slice::from_ref(row)).await?;
    Ok(TaskInstanceResponse::new(row, version.as_ref(), triggers.get(&row.id)))
}

pub(crate) async fn responses(
    store: &dyn Store,
    tenant: TenantId,
    rows: &[InstanceRow],
) -> Answer<Vec<TaskInstanceResponse>> {
    let mut versions = Versions::new(store, tenant);
    let triggers = triggers(store, tenant, rows).await?;
    let mut responses = Vec::with_capacity(rows.len());
    for row in rows {
        let version = versions.get(&row.dag_id, row.dag_version).await?;
        responses.push(TaskInstanceResponse::new(row, version.as_deref(), triggers.get(&row.id)));
    }
    Ok(responses)
}

/// What those of the instances wait for that are deferred.
async fn triggers(store: &dyn Store, tenant: TenantId, rows: &[InstanceRow]) -> Answer<HashMap<Uuid, TriggerRow>> {
    let deferred = rows.iter().filter(|row| row.state == Some(TaskState::Deferred));
    let deferred: Vec<Uuid> = deferred.map(|row| row.id).collect();
    let found = store.triggers_of(tenant, &deferred).await?;
    Ok(found.into_iter().map(|trigger| (trigger.instance, trigger)).collect())
}

/// The states of a filter; `no_status` is Airflow's word for none.
fn states(names: &[String]) -> Answer<Vec<Option<TaskState>>> {
    let state = |name: &String| match name.as_str() {
        "no_status" | "none" => Ok(None),
        name => name.parse().map(Some).map_err(|error| Problem::invalid("", format!("the parameter `state`: {error}"))),
    };
    names.iter().map(state).collect()
}
