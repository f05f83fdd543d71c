use std::time::SystemTime;

use airlock_core::access::{Action, Resource};
use airlock_core::dag::{Dag, RequestError, RunRequest, Schedule, requested_run};
use airlock_core::state::{RunType, TriggeredBy};
use airlock_core::timetable::{DataInterval, LONGEST_KEY, Partition};
use airlock_store::runs::NewRun;
use airlock_telemetry::trace::RunTrace;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};

use super::response;
use crate::extract::{Path, Principal, ValidJson};
use crate::lookup;
use crate::models::{DagRunResponse, TriggerBody};
use crate::note::check_note;
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

/// Makes a run of a DAG's newest version.
#[utoipa::path(post, path = "/dags/{dag_id}/dagRuns", tag = "DagRun", operation_id = "trigger_dag_run",
    params(("dag_id" = String, Path)), request_body = TriggerBody,
    responses((status = 200, body = DagRunResponse),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn trigger_dag_run(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    headers: HeaderMap,
    ValidJson(body): ValidJson<TriggerBody>,
) -> Answer<Json<DagRunResponse>> {
    let began = SystemTime::now();
    principal.may(Action::Create, Resource::DagRun)?;
    let store = &*state.store;
    let row = lookup::dag(store, principal.tenant, &dag_id).await?;
    let triggered_by = if headers.contains_key(header::REFERER) { TriggeredBy::Ui } else { TriggeredBy::RestApi };
    let run = new_run(&principal, &row.dag, (RunType::Manual, triggered_by), body, state.now())?;
    let created = store.create_run(&run).await?;
    if let Some(trace) = RunTrace::of(created.key, &created.dag_id, &created.run_id) {
        trace.triggered(began, &[("airflow.dag_id", dag_id), ("airflow.run_id", created.run_id.clone())]);
    }
    state.wake.runs().raise();
    response(store, principal.tenant, created).await.map(Json)
}

/// What the body asks for, with what it leaves to us filled in. A run is of a type, and triggered by a program.
pub(crate) fn new_run(
    principal: &Principal,
    dag: &Dag,
    (run_type, triggered_by): (RunType, TriggeredBy),
    body: TriggerBody,
    now: DateTime<Utc>,
) -> Answer<NewRun> {
    check_note(body.note.as_deref())?;
    let request = RunRequest {
        data_interval: given_interval(&body)?,
        run_id: body.dag_run_id,
        logical_date: body.logical_date.map(|instant| instant.0),
        run_after: body.run_after.map(|instant| instant.0),
        conf: body.conf.unwrap_or_default(),
    };
    let run = requested_run(dag, run_type, request, &distinct()?, now).map_err(refused)?;
    Ok(NewRun {
        tenant: principal.tenant,
        dag_id: dag.dag_id.clone(),
        run_id: run.run_id,
        run_type,
        logical_date: run.logical_date,
        data_interval: run.data_interval,
        run_after: run.run_after,
        conf: run.conf,
        note: body.note,
        partition: partition(dag, body.partition_key)?,
        triggered_by,
        triggering_user: Some(principal.username.clone()),
        now,
    })
}

/// The partition that somebody names. Its date is not known.
fn partition(dag: &Dag, key: Option<String>) -> Answer<Option<Partition>> {
    let Some(key) = key else { return Ok(None) };
    if !matches!(dag.schedule, Schedule::CronPartition { .. }) {
        return Err(Problem::bad_request(format!(
            "Dag `{}` is not partitioned: there is no partition_key",
            dag.dag_id
        )));
    }
    if key.is_empty() || key.chars().count() > LONGEST_KEY {
        return Err(Problem::invalid("/partition_key", format!("expected 1 to {LONGEST_KEY} characters")));
    }
    Ok(Some(Partition { key, date: None }))
}

fn given_interval(body: &TriggerBody) -> Answer<Option<DataInterval>> {
    match (body.data_interval_start, body.data_interval_end) {
        (Some(start), Some(end)) => Ok(Some((start.0, end.0))),
        (None, None) => Ok(None),
        _ => {
            let detail = "Either both data_interval_start and data_interval_end must be provided or both must be None";
            Err(Problem::invalid("", detail))
        }
    }
}

/// 400 and not 422, as in Airflow.
fn refused(error: RequestError) -> Problem {
    let detail = error.to_string();
    match error {
        RequestError::Conf(mut faults) => {
            for fault in &mut faults.0 {
                fault.pointer.insert_str(0, "/conf");
            }
            Problem { faults: faults.0.clone(), ..Problem::bad_request(faults.to_string()) }
        }
        RequestError::Timetable(error) => Problem::internal(error),
        RequestError::RunId(_) | RequestError::ReservedRunId { .. } => Problem::bad_request(detail),
    }
}

/// Eight letters, so that two runs of one moment have two names.
fn distinct() -> Answer<String> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(Problem::internal)?;
    Ok(hex::encode(random))
}
