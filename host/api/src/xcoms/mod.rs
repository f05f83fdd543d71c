//! `.../taskInstances/{task_id}/xcomEntries`.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod update;

use airlock_core::id::TenantId;
use airlock_store::Store;
use airlock_store::xcoms::{XComOwner, XComRow};

use crate::lookup;
use crate::models::{XComResponse, XComValueResponse};
use crate::problem::{Answer, Problem};

/// The part of a path that leads to a task's XComs: DAG, run and task.
pub type TaskPath = (String, String, String);

async fn find(
    store: &dyn Store,
    tenant: TenantId,
    (dag_id, run_id, task_id): &TaskPath,
    map_index: i32,
    key: &str,
) -> Answer<Option<XComRow>> {
    Ok(store.xcom(tenant, dag_id, run_id, task_id, map_index, key).await?)
}

/// The task instance that XComs belong to.
async fn owner(store: &dyn Store, tenant: TenantId, path: &TaskPath, map_index: i32) -> Answer<XComOwner> {
    let (dag_id, run_id, task_id) = path;
    let instance = lookup::instance(store, tenant, dag_id, run_id, task_id, map_index).await?;
    Ok(XComOwner { run: instance.run, task_id: instance.task_id, map_index })
}

async fn response(store: &dyn Store, tenant: TenantId, row: XComRow) -> Answer<XComValueResponse> {
    let dag = store.dag(tenant, &row.dag_id).await?;
    let about = XComResponse::new(&row, dag.as_ref().map(|dag| &*dag.dag));
    Ok(XComValueResponse { about, value: row.value })
}

fn absent(key: &str) -> Problem {
    Problem::not_found(format!("XCom entry with key: `{key}` not found"))
}
