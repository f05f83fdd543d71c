//! `/backfills`.

pub mod cancel;
pub mod create;
pub mod dry_run;
pub mod get;
pub mod list;
pub mod pause;

use std::sync::Arc;

use airlock_core::backfill::{Refusal, Request, slots};
use airlock_core::dag::Dag;
use airlock_core::id::TenantId;
use airlock_core::timetable::NextRun;
use airlock_store::Store;
use airlock_store::backfills::BackfillRow;
use airlock_store::dags::DagRow;
use chrono::{DateTime, Utc};

use crate::models::{BackfillBody, BackfillResponse, display_name};
use crate::problem::{Answer, Problem};

fn request(body: &BackfillBody) -> Request {
    Request {
        from: body.from_date.0,
        to: body.to_date.0,
        run_backwards: body.run_backwards,
        reprocess: body.reprocess_behavior,
        conf: body.dag_run_conf.clone(),
    }
}

/// The runs of a backfill, reckoned off the threads that serve requests: those of years by the minute take their time.
async fn planned(dag: &Arc<Dag>, request: &Request, now: DateTime<Utc>) -> Answer<Result<Vec<NextRun>, Refusal>> {
    let (dag, request) = (Arc::clone(dag), request.clone());
    tokio::task::spawn_blocking(move || slots(&dag, &request, now)).await.map_err(Problem::internal)
}

/// 422, as in Airflow.
fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Conf(mut faults) => {
            for fault in &mut faults.0 {
                fault.pointer.insert_str(0, "/dag_run_conf");
            }
            Problem::faulty(faults)
        }
        // A document whose schedule cannot be followed is refused when it is sent.
        Refusal::Schedule(error) => Problem::internal(error),
        other => Problem::invalid("", other.to_string()),
    }
}

async fn dag_of(store: &dyn Store, tenant: TenantId, dag_id: &str) -> Answer<DagRow> {
    let row = store.dag(tenant, dag_id).await?;
    row.ok_or_else(|| Problem::not_found(format!("Could not find dag {dag_id}")))
}

async fn find(store: &dyn Store, tenant: TenantId, id: i64) -> Answer<BackfillRow> {
    store.backfill(tenant, id).await?.ok_or_else(|| Problem::not_found("Backfill not found"))
}

/// A backfill that is there and not completed.
async fn active(store: &dyn Store, tenant: TenantId, id: i64) -> Answer<BackfillRow> {
    let row = find(store, tenant, id).await?;
    if row.completed_at.is_some() { Err(Problem::conflict("Backfill is already completed.")) } else { Ok(row) }
}

async fn response(store: &dyn Store, row: BackfillRow) -> Answer<BackfillResponse> {
    let dag = store.dag(row.tenant, &row.dag_id).await?;
    let name = dag.map_or_else(|| row.dag_id.clone(), |dag| display_name(&dag.dag));
    Ok(BackfillResponse::new(row, name))
}
