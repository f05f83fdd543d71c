use airlock_core::access::{Action, Resource};
use airlock_core::clear::{ClearSelection, ClearTarget};
use airlock_core::near::nearest;
use airlock_store::Page;
use airlock_store::dags::DagRow;
use airlock_store::instances::InstanceFilter;
use airlock_store::runs::{RunRow, Span};
use axum::Json;
use axum::extract::State;

use super::responses;
use crate::clearing::ClearRequest;
use crate::extract::{Path, Principal, ValidJson};
use crate::models::{ClearTaskInstancesBody, Entries, TaskIdOrInstance, TaskInstanceCollection, task_of};
use crate::note::check_note;
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;
use crate::{lookup, runs_of};

/// Lets task instances run again; by default only says which.
#[utoipa::path(post, path = "/dags/{dag_id}/clearTaskInstances", tag = "Task Instance",
    operation_id = "post_clear_task_instances", params(("dag_id" = String, Path)), request_body = ClearTaskInstancesBody,
    responses((status = 200, body = TaskInstanceCollection),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn post_clear_task_instances(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    ValidJson(body): ValidJson<ClearTaskInstancesBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    principal.may(Action::Update, Resource::TaskInstance)?;
    check_note(body.note.as_deref())?;
    let dag = lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    let runs = runs(&state, &principal, &dag_id, &body).await?;
    let tasks = match body.task_ids.clone() {
        Some(named) => Some(targets(&state, &principal, &dag, named).await?),
        None => None,
    };
    let selection = ClearSelection {
        tasks,
        upstream: body.include_upstream,
        downstream: body.include_downstream,
        only_failed: body.only_failed,
        only_running: body.only_running,
        only_new: false,
    };
    let request = ClearRequest {
        state: &state,
        principal: &principal,
        reset_runs: body.reset_dag_runs,
        on_latest_version: body.run_on_latest_version,
        prevent_running: body.prevent_running_task,
    };
    let runs = runs.into_iter().map(|run| (dag.clone(), run)).collect();
    let targets = request.targets(runs, &selection).await?;
    let mut cleared = Vec::new();
    if body.dry_run {
        for target in &targets {
            cleared.extend(request.dry_run(target).await?.instances);
        }
    } else {
        cleared = request.clear_all(&targets).await?;
        if let Some(note) = &body.note {
            let note = Some(note).filter(|note| !note.is_empty());
            for row in &mut cleared {
                state.store.set_instance_note(principal.tenant, row.id, note.map(String::as_str)).await?;
                row.note = note.cloned();
            }
        }
    }
    let entries = Entries { total_entries: Some(cleared.len() as u64), ..Entries::default() };
    let task_instances = responses(&*state.store, principal.tenant, &cleared).await?;
    Ok(Json(TaskInstanceCollection { task_instances, entries }))
}

/// The run that the body names, with those before and after it where it asks for them; or those between its dates.
async fn runs(
    state: &ApiState,
    principal: &Principal,
    dag_id: &str,
    body: &ClearTaskInstancesBody,
) -> Answer<Vec<RunRow>> {
    let (past, future) = (body.include_past, body.include_future);
    let mut span = Span {
        gte: body.start_date.map(|instant| instant.0),
        lte: body.end_date.map(|instant| instant.0),
        ..Span::default()
    };
    if let Some(run_id) = &body.dag_run_id {
        let run = state.store.run(principal.tenant, dag_id, run_id).await?;
        let run = run.ok_or_else(|| Problem::not_found(format!("Dag Run id {run_id} not found in dag {dag_id}")))?;
        if !past && !future {
            return Ok(vec![run]);
        }
        if run.logical_date.is_none() {
            return Err(Problem::bad_request(
                "Cannot use include_past or include_future with no logical_date(e.g. manually or asset-triggered).",
            ));
        }
        (span.gte, span.lte) = (run.logical_date, run.logical_date);
    }
    if past {
        span.gte = None;
    }
    if future {
        span.lte = None;
    }
    runs_of::within(&*state.store, principal.tenant, dag_id, span).await
}

/// A task that neither the DAG nor any of its runs has is a mistake, and not nothing to do.
async fn targets(
    state: &ApiState,
    principal: &Principal,
    dag: &DagRow,
    named: Vec<TaskIdOrInstance>,
) -> Answer<Vec<ClearTarget>> {
    let targets: Vec<ClearTarget> = named.into_iter().map(TaskIdOrInstance::target).collect();
    for ClearTarget { task_id, .. } in &targets {
        if task_of(&dag.dag, task_id).is_some() {
            continue;
        }
        let filter = InstanceFilter {
            dag_id: Some(dag.dag_id.clone()),
            task_ids: vec![task_id.clone()],
            ..InstanceFilter::default()
        };
        let page = Page { limit: 1, ..Page::default() };
        if state.store.list_instances(principal.tenant, &filter, &page).await?.total == 0 {
            let near = nearest(task_id, dag.dag.tasks.iter().map(|task| task.task_id.as_str()));
            let near = near.first().map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
            return Err(Problem::not_found(format!("the DAG `{}` has no task `{task_id}`{near}", dag.dag_id)));
        }
    }
    Ok(targets)
}
