use airlock_core::access::{Action, Resource};
use airlock_core::dag::{Dag, params};
use airlock_core::id::MAXIMUM_ID_LENGTH;
use airlock_core::state::RunType;
use airlock_core::timetable::{DataInterval, manual_data_interval, run_id, run_type_of};
use airlock_store::runs::NewRun;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

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
    principal.may(Action::Create, Resource::DagRun)?;
    let store = &*state.store;
    let row = lookup::dag(store, principal.tenant, &dag_id).await?;
    let triggered_by = if headers.contains_key(header::REFERER) { "ui" } else { "rest_api" };
    let run = new_run(&principal, &row.dag, triggered_by, body, state.now())?;
    let created = store.create_run(&run).await?;
    state.wake.runs().raise();
    response(store, principal.tenant, created).await.map(Json)
}

/// What the body asks for, with what it leaves to us filled in.
fn new_run(
    principal: &Principal,
    dag: &Dag,
    triggered_by: &str,
    body: TriggerBody,
    now: DateTime<Utc>,
) -> Answer<NewRun> {
    if body.partition_key.is_some() {
        return Err(Problem::bad_request(format!(
            "Dag `{}` is not partitioned: there is no partition_key",
            dag.dag_id
        )));
    }
    check_note(body.note.as_deref())?;
    let given = given_interval(&body)?;
    let logical_date = body.logical_date.map(|instant| instant.0);
    let run_after = body.run_after.map_or(now, |instant| instant.0);
    // As in Airflow: a run without a logical date covers no data.
    let data_interval = match (logical_date, given) {
        (Some(_), Some(given)) => Some(given),
        (Some(logical_date), None) => Some(manual_data_interval(dag, logical_date).map_err(Problem::internal)?),
        (None, _) => None,
    };
    let conf = body.conf.unwrap_or_default();
    check_conf(dag, &conf)?;
    let run_id = match body.dag_run_id {
        Some(run_id) => checked(run_id)?,
        None => run_id(RunType::Manual, run_after, Some(&distinct()?)),
    };
    Ok(NewRun {
        tenant: principal.tenant,
        dag_id: dag.dag_id.clone(),
        run_id,
        run_type: RunType::Manual,
        logical_date,
        data_interval,
        run_after,
        conf,
        note: body.note,
        triggered_by: triggered_by.to_owned(),
        triggering_user: Some(principal.username.clone()),
        now,
    })
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
fn check_conf(dag: &Dag, conf: &Map<String, Value>) -> Answer<()> {
    let Err(mut faults) = params::for_run(dag, conf) else { return Ok(()) };
    for fault in &mut faults.0 {
        fault.pointer.insert_str(0, "/conf");
    }
    Err(Problem { faults: faults.0.clone(), ..Problem::bad_request(faults.to_string()) })
}

/// Airflow's `allowed_run_id_pattern`, and names that are not another type's.
fn checked(run_id: String) -> Answer<String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.~:+-".contains(letter);
    if run_id.is_empty() || run_id.chars().count() > MAXIMUM_ID_LENGTH || !run_id.chars().all(allowed) {
        return Err(Problem::bad_request(format!(
            "the run id `{run_id}` is not valid: 1 to {MAXIMUM_ID_LENGTH} of letters, digits and `_.~:+-` are"
        )));
    }
    let named = run_type_of(&run_id);
    if named != RunType::Manual {
        return Err(Problem::bad_request(format!(
            "A manual Dag run cannot use ID '{run_id}' since it is reserved for {named} runs"
        )));
    }
    Ok(run_id)
}

/// Eight letters, so that two runs of one moment have two names.
fn distinct() -> Answer<String> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(Problem::internal)?;
    Ok(hex::encode(random))
}
