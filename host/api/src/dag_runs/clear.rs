use std::collections::HashSet;

use airlock_core::access::{Action, Resource};
use airlock_core::clear::ClearSelection;
use airlock_core::id::RunKey;
use airlock_store::dags::DagRow;
use airlock_store::runs::RunRow;
use axum::Json;
use axum::extract::State;

use super::bulk::{RunName, run_name};
use super::partitions::Partitions;
use super::{response, responses};
use crate::clearing::{ClearRequest, Target};
use crate::extract::{Path, Principal, ValidJson};
use crate::lookup;
use crate::models::{
    BulkDagRunClearBody, ClearTaskInstanceCollectionResponse, ClearedDagRun, ClearedDagRuns, ClearedTask,
    DagRunClearBody, DagRunCollection, Entries,
};
use crate::note::check_note;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;
use crate::task_instances;

/// Runs of one request.
pub const MOST_RUNS: usize = 1000;

/// Lets a run's tasks run again, or makes those that the newest version has added; by default only says which.
#[utoipa::path(post, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/clear", tag = "DagRun", operation_id = "clear_dag_run",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)), request_body = DagRunClearBody,
    responses((status = 200, body = ClearedDagRun), Refusals))]
pub async fn clear_dag_run(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
    ValidJson(body): ValidJson<DagRunClearBody>,
) -> Answer<Json<ClearedDagRun>> {
    let (store, tenant) = (&*state.store, principal.tenant);
    let options = Options {
        only_failed: body.only_failed,
        only_new: body.only_new,
        on_latest_version: body.run_on_latest_version,
        note: body.note.as_deref(),
    };
    let request = options.request(&state, &principal)?;
    let run = lookup::run(store, tenant, &dag_id, &run_id).await?;
    let key = run.key;
    let runs = vec![(lookup::dag(store, tenant, &dag_id).await?, run)];
    let targets = request.targets(runs, &options.selection()).await?;
    if body.dry_run {
        return Ok(Json(ClearedDagRun::DryRun(dry_run(&request, &targets).await?)));
    }
    clear(&request, &targets, &[key], body.note.as_deref()).await?;
    let run = lookup::run(store, tenant, &dag_id, &run_id).await?;
    Ok(Json(ClearedDagRun::Done(Box::new(response(store, tenant, run).await?))))
}

/// As for one run, of several; `~` for all DAGs, which each run then names.
#[utoipa::path(post, path = "/dags/{dag_id}/clearDagRuns", tag = "DagRun", operation_id = "clear_dag_runs",
    params(("dag_id" = String, Path)), request_body = BulkDagRunClearBody,
    responses((status = 200, body = ClearedDagRuns), Refusals))]
pub async fn clear_dag_runs(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    ValidJson(body): ValidJson<BulkDagRunClearBody>,
) -> Answer<Json<ClearedDagRuns>> {
    let options = Options {
        only_failed: body.only_failed,
        only_new: body.only_new,
        on_latest_version: body.run_on_latest_version,
        note: body.note.as_deref(),
    };
    let request = options.request(&state, &principal)?;
    let runs = named_runs(&state, &principal, &dag_id, &body).await?;
    let named: Vec<RunRow> = runs.iter().map(|(_, run)| run.clone()).collect();
    let targets = request.targets(runs, &options.selection()).await?;
    if body.dry_run {
        return Ok(Json(ClearedDagRuns::DryRun(dry_run(&request, &targets).await?)));
    }
    let keys: Vec<RunKey> = named.iter().map(|run| run.key).collect();
    clear(&request, &targets, &keys, body.note.as_deref()).await?;
    let mut rows = Vec::with_capacity(named.len());
    for run in &named {
        rows.push(lookup::run(&*state.store, principal.tenant, &run.dag_id, &run.run_id).await?);
    }
    let entries = Entries { total_entries: Some(rows.len() as u64), ..Entries::default() };
    let dag_runs = responses(&*state.store, principal.tenant, rows).await?;
    Ok(Json(ClearedDagRuns::Done(DagRunCollection { dag_runs, entries })))
}

/// What both bodies have in common.
struct Options<'a> {
    only_failed: bool,
    only_new: bool,
    on_latest_version: Option<bool>,
    note: Option<&'a str>,
}

impl Options<'_> {
    fn selection(&self) -> ClearSelection {
        ClearSelection { only_failed: self.only_failed, only_new: self.only_new, ..ClearSelection::default() }
    }

    fn request<'a>(&self, state: &'a ApiState, principal: &'a Principal) -> Answer<ClearRequest<'a>> {
        principal.may(Action::Update, Resource::DagRun)?;
        check_note(self.note)?;
        if self.only_new && self.only_failed {
            return Err(Problem::invalid("/only_new", "only_new and only_failed are mutually exclusive"));
        }
        Ok(ClearRequest {
            state,
            principal,
            reset_runs: true,
            on_latest_version: self.on_latest_version,
            prevent_running: false,
        })
    }
}

async fn named_runs(
    state: &ApiState,
    principal: &Principal,
    path: &str,
    body: &BulkDagRunClearBody,
) -> Answer<Vec<(DagRow, RunRow)>> {
    let named = body.dag_runs.as_deref().unwrap_or_default();
    let BulkDagRunClearBody { partition_key, partition_date_start, partition_date_end, .. } = body;
    let partitions = Partitions::read(partition_key.clone(), *partition_date_start, *partition_date_end)?;
    if let Some(partitions) = partitions {
        if !named.is_empty() {
            return Err(Problem::invalid("/dag_runs", "dag_runs and the partition selectors exclude each other"));
        }
        if path == "~" {
            return Err(Problem::bad_request("partitions are those of one DAG: name it in the path"));
        }
        let dag = lookup::dag(&*state.store, principal.tenant, path).await?;
        let runs = partitions.runs(state, principal, path).await?;
        return Ok(runs.into_iter().map(|run| (dag.clone(), run)).collect());
    }
    if named.is_empty() {
        return Err(Problem::invalid("/dag_runs", "name the runs, or the partitions, that are to be cleared"));
    }
    if named.len() > MOST_RUNS {
        return Err(Problem::invalid(
            "/dag_runs",
            format!("{} runs, and one request may name {MOST_RUNS}", named.len()),
        ));
    }
    let mut seen = HashSet::new();
    let mut runs = Vec::with_capacity(named.len());
    for entity in named {
        let name = run_name(path, entity.dag_id.as_deref(), &entity.dag_run_id)?;
        if seen.insert(name.to_string()) {
            let RunName { dag_id, run_id } = name;
            let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
            runs.push((lookup::dag(&*state.store, principal.tenant, &dag_id).await?, run));
        }
    }
    Ok(runs)
}

async fn dry_run(request: &ClearRequest<'_>, targets: &[Target]) -> Answer<ClearTaskInstanceCollectionResponse> {
    let mut tasks = Vec::new();
    for target in targets {
        let cleared = request.dry_run(target).await?;
        let store = &*request.state.store;
        let instances = task_instances::responses(store, request.principal.tenant, &cleared.instances).await?;
        tasks.extend(instances.into_iter().map(|instance| ClearedTask::Instance(Box::new(instance))));
        tasks.extend(cleared.new_tasks.into_iter().map(ClearedTask::New));
    }
    Ok(ClearTaskInstanceCollectionResponse { total_entries: tasks.len() as u64, task_instances: tasks })
}

/// The note is for the runs that the request names.
async fn clear(request: &ClearRequest<'_>, targets: &[Target], named: &[RunKey], note: Option<&str>) -> Answer<()> {
    request.clear_all(targets).await?;
    if let Some(note) = note {
        let note = Some(note).filter(|note| !note.is_empty());
        for run in named {
            request.state.store.set_run_note(*run, note, Some(&request.principal.username)).await?;
        }
    }
    Ok(())
}
