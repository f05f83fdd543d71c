use airlock_core::access::{Action, Resource};
use airlock_core::dag::Dag;
use airlock_core::id::TenantId;
use airlock_core::timetable;
use airlock_store::Store;
use airlock_store::dags::NextRun;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Path, Principal, Query};
use crate::lookup;
use crate::models::{NextRunResponse, NextRunsResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

const MOST: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CountQuery {
    /// At most 100.
    #[serde(default = "five")]
    count: usize,
}

const fn five() -> usize {
    5
}

/// When the next runs of a DAG are due, in UTC and in the DAG's own time zone.
#[utoipa::path(get, path = "/dags/{dag_id}/nextRuns", tag = "DAG", operation_id = "get_next_runs",
    params(("dag_id" = String, Path), CountQuery),
    responses((status = 200, body = NextRunsResponse), Refusals))]
pub async fn get_next_runs(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(query): Query<CountQuery>,
) -> Answer<Json<NextRunsResponse>> {
    principal.may(Action::Read, Resource::Dag)?;
    let (store, tenant) = (&*state.store, principal.tenant);
    let row = lookup::dag(store, tenant, &dag_id).await?;
    let runs = following(store, tenant, &row.dag, state.now(), query.count.min(MOST)).await?;
    let zone: Tz = row.dag.timezone.parse().map_err(Problem::internal)?;
    Ok(Json(NextRunsResponse {
        dag_id,
        timezone: row.dag.timezone.clone(),
        runs: runs.iter().map(|run| next_run(&row.dag, run, zone)).collect::<Answer<_>>()?,
    }))
}

fn next_run(dag: &Dag, run: &NextRun, zone: Tz) -> Answer<NextRunResponse> {
    let partition = timetable::partition(dag, run.run_after).map_err(Problem::internal)?;
    let local = |at: DateTime<Utc>| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::AutoSi, false);
    Ok(NextRunResponse {
        run_after: run.run_after,
        run_after_local: local(run.run_after),
        logical_date: run.logical_date,
        logical_date_local: run.logical_date.map(local),
        data_interval_start: run.data_interval.map(|(start, _)| start),
        data_interval_end: run.data_interval.map(|(_, end)| end),
        partition_date: partition.as_ref().and_then(|partition| partition.date),
        partition_key: partition.map(|partition| partition.key),
    })
}

/// The runs that follow the newest one that the DAG's timetable made.
pub async fn following(
    store: &dyn Store,
    tenant: TenantId,
    dag: &Dag,
    now: DateTime<Utc>,
    count: usize,
) -> Answer<Vec<NextRun>> {
    let last = store.last_automated_run(tenant, &dag.dag_id).await?.map(|run| run.span());
    // A document whose schedule cannot be followed is refused when it is sent.
    timetable::next_runs(dag, last, now, count).map_err(Problem::internal)
}
