use std::sync::Arc;

use airlock_core::access::{Action, Resource};
use airlock_core::id::{TenantId, UNMAPPED};
use airlock_core::run::{Instance, Plan, RunFacts, RunMachine};
use airlock_core::state::{RunState, RunType, TaskState};
use airlock_core::trigger::Trigger;
use airlock_core::why::{
    BackfillSituation, PastSituation, RunSituation, Situation, TriggerSituation, Unmet, WorkerSituation,
    why_not_running,
};
use airlock_store::Page;
use airlock_store::dags::DagRow;
use airlock_store::driving::UsageQuery;
use airlock_store::runs::{RunFilter, RunRow, Span};
use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use super::tries::MapIndexQuery;
use crate::extract::{Path, Principal, Query};
use crate::intervene::{Standing, standing};
use crate::lookup;
use crate::models::{TaskDependencyCollectionResponse, TaskDependencyResponse, task_of};
use crate::monitor::HEALTHY_FOR;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Tries that hold a pool's slots, of one answer.
const MOST_HOLDERS: u32 = 100;
/// Runs that are looked at to find out whether a limit is reached.
const MOST_RUNNING: u32 = 10_000;

/// Why a task instance does not run: every condition that is not met.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dependencies",
    tag = "Task Instance", operation_id = "get_task_instance_dependencies",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), MapIndexQuery),
    responses((status = 200, body = TaskDependencyCollectionResponse), Refusals))]
pub async fn get_task_instance_dependencies(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    Query(query): Query<MapIndexQuery>,
) -> Answer<Json<TaskDependencyCollectionResponse>> {
    dependencies(&state, &principal, (dag_id, run_id, task_id, query.map_index)).await
}

/// As for a task, of one instance of a mapped one.
#[utoipa::path(get, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/dependencies",
    tag = "Task Instance", operation_id = "get_task_instance_dependencies_by_map_index",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("map_index" = i32, Path)),
    responses((status = 200, body = TaskDependencyCollectionResponse), Refusals))]
pub async fn get_task_instance_dependencies_by_map_index(
    State(state): State<ApiState>,
    principal: Principal,
    Path(path): Path<(String, String, String, i32)>,
) -> Answer<Json<TaskDependencyCollectionResponse>> {
    dependencies(&state, &principal, path).await
}

async fn dependencies(
    state: &ApiState,
    principal: &Principal,
    (dag_id, run_id, task_id, map_index): (String, String, String, i32),
) -> Answer<Json<TaskDependencyCollectionResponse>> {
    principal.may(Action::Read, Resource::TaskInstance)?;
    let tenant = principal.tenant;
    let run = lookup::run(&*state.store, tenant, &dag_id, &run_id).await?;
    let dag = lookup::dag(&*state.store, tenant, &dag_id).await?;
    let standing = standing(state, run.key).await?;
    let instance = instance(&standing, &task_id, map_index).ok_or_else(|| {
        Problem::not_found(format!("Task Instance not found for dag_id={dag_id}, run_id={run_id}, task_id={task_id}"))
    })?;
    let unmet = why(state, tenant, &dag, &standing, &instance).await?;
    let response = |unmet: Unmet| TaskDependencyResponse { name: unmet.name, reason: unmet.reason };
    Ok(Json(TaskDependencyCollectionResponse { dependencies: unmet.into_iter().map(response).collect() }))
}

/// The instance, or, in a run that has not begun and so has none, what it will be.
fn instance(run: &Standing, task_id: &str, map_index: i32) -> Option<Instance> {
    let found = run.instances.iter().find(|one| one.task_id == task_id && one.map_index == map_index);
    let to_come = || {
        let task = task_of(&run.loaded.dag, task_id)?;
        (run.instances.is_empty() && map_index == UNMAPPED).then(|| Instance {
            id: Uuid::nil(),
            task_id: task_id.to_owned(),
            map_index,
            state: None,
            try_number: 0,
            max_tries: task.retries,
            first_started_at: None,
            wake_at: None,
            reschedules: 0,
            resume_state: None,
            skips: Vec::new(),
            map_length: None,
        })
    };
    found.cloned().or_else(to_come)
}

/// Gathers everything that decides on the instance, and asks the core.
async fn why(
    state: &ApiState,
    tenant: TenantId,
    dag: &DagRow,
    standing: &Standing,
    instance: &Instance,
) -> Answer<Vec<Unmet>> {
    let (store, run, now) = (&*state.store, &standing.loaded.run, state.now());
    let plan = Arc::new(Plan::new(Arc::clone(&standing.loaded.dag)));
    let machine = RunMachine::new(plan, RunFacts::from(run), standing.instances.clone());
    let pool = task_of(&standing.loaded.dag, &instance.task_id).map(|task| task.pool.clone()).unwrap_or_default();
    let tasks = vec![(tenant, run.dag_id.clone(), instance.task_id.clone())];
    let usage = store.usage(&UsageQuery { tenants: vec![tenant], tasks }).await?;
    let processes = store.list_processes().await?;
    let live = processes.iter().filter(|one| one.stopped_at.is_none() && now - one.heartbeat_at <= HEALTHY_FOR);
    let (workers, others): (Vec<_>, Vec<_>) = live.partition(|one| one.role == "worker");
    let worker = |row: &airlock_store::health::ProcessRow| WorkerSituation {
        hostname: row.hostname.clone(),
        queues: row.queues.clone(),
    };
    let backfill = backfill(state, tenant, run).await?;
    let situation = RunSituation {
        state: run.state,
        run_after: run.run_after,
        is_paused: dag.is_paused,
        running_runs: running_beside(state, tenant, run, backfill.is_some()).await?,
        backfill,
        scheduler_lives: others.iter().any(|one| one.role == "scheduler"),
    };
    Ok(why_not_running(&Situation {
        run: &situation,
        machine: &machine,
        instance,
        past: past(state, tenant, standing, &instance.task_id).await?.as_ref(),
        trigger: trigger(state, tenant, instance).await?.as_ref(),
        tenant,
        tenant_limit: standing.loaded.policy.max_active_tasks,
        usage: &(&usage).into(),
        holders: &store.pool_holders(tenant, &pool, MOST_HOLDERS).await?,
        workers: &workers.into_iter().map(worker).collect::<Vec<_>>(),
        now,
    }))
}

/// What the instance waits for, if it is deferred.
async fn trigger(state: &ApiState, tenant: TenantId, instance: &Instance) -> Answer<Option<TriggerSituation>> {
    if instance.state != Some(TaskState::Deferred) {
        return Ok(None);
    }
    let row = state.store.triggers_of(tenant, &[instance.id]).await?.pop();
    Ok(row.map(|row| TriggerSituation {
        what: serde_json::from_value::<Trigger>(row.trigger)
            .map_or_else(|_| "for what another version of Airlock knows".to_owned(), |trigger| trigger.describe()),
        last_look: row.last_look.map(|look| (look.at, look.hostname, look.saw)),
        next_look_at: row.next_look_at,
    }))
}

/// The backfill of a run, unless it is over.
async fn backfill(state: &ApiState, tenant: TenantId, run: &RunRow) -> Answer<Option<BackfillSituation>> {
    let Some((id, _)) = run.backfill else { return Ok(None) };
    let backfill = state.store.backfill(tenant, id).await?.filter(|backfill| backfill.completed_at.is_none());
    Ok(backfill.map(|row| BackfillSituation { is_paused: row.is_paused, max_active_runs: row.max_active_runs }))
}

/// How many runs are running that count for the same limit as this one. Those of a backfill count for it alone.
async fn running_beside(state: &ApiState, tenant: TenantId, run: &RunRow, in_backfill: bool) -> Answer<u64> {
    let filter =
        RunFilter { dag_id: Some(run.dag_id.clone()), states: vec![RunState::Running], ..RunFilter::default() };
    let running = state.store.list_runs(tenant, &filter, &Page { limit: MOST_RUNNING, ..Page::default() }).await?.items;
    let beside = |other: &&RunRow| match in_backfill {
        true => other.backfill.map(|(id, _)| id) == run.backfill.map(|(id, _)| id),
        false => other.backfill.is_none(),
    };
    Ok(running.iter().filter(beside).count() as u64)
}

/// The run before this one, where the task asks for it.
async fn past(state: &ApiState, tenant: TenantId, standing: &Standing, task_id: &str) -> Answer<Option<PastSituation>> {
    let (run, dag) = (&standing.loaded.run, &standing.loaded.dag);
    let looks_back = task_of(dag, task_id).is_some_and(|task| task.depends_on_past || task.wait_for_downstream);
    let Some(before) = run.logical_date.filter(|_| looks_back) else { return Ok(None) };
    let run_types = if dag.catchup {
        RunType::ALL.iter().copied().filter(|run_type| *run_type != RunType::Manual).collect()
    } else {
        Vec::new()
    };
    let filter = RunFilter {
        dag_id: Some(run.dag_id.clone()),
        run_types,
        logical_date: Span { lt: Some(before), ..Span::default() },
        ..RunFilter::default()
    };
    let page = Page { limit: 1, offset: 0, order_by: vec![("logical_date".to_owned(), true)] };
    let Some(RunRow { run_id, .. }) = state.store.list_runs(tenant, &filter, &page).await?.items.pop() else {
        return Ok(None);
    };
    let tasks: Vec<String> = dag.tasks.iter().map(|task| task.task_id.clone()).collect();
    Ok(Some(PastSituation { run_id, past: state.store.past_of(run.key, dag.catchup, &tasks).await? }))
}
