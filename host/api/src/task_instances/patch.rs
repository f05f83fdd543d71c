use airlock_core::access::{Action, Resource};
use airlock_core::id::RunKey;
use airlock_core::mark::{Selection, TaskMark, mark_instances};
use airlock_core::run::{Plan, RunChange};
use airlock_core::state::TaskState;
use airlock_store::Page;
use airlock_store::instances::{InstanceFilter, InstanceRow};
use airlock_store::runs::{RunFilter, RunRow, Span};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::responses;
use crate::extract::{Patch, Path, Principal, Query, UpdateMask};
use crate::intervene::{Standing, intervene, standing};
use crate::lookup;
use crate::models::{Entries, PatchTaskInstanceBody, TaskInstanceCollection};
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

const LONGEST_NOTE: usize = 1000;
/// Runs before or after the one that is named, of one request.
const MOST_RUNS: u32 = 1000;
/// Instances of one answer.
const MOST_INSTANCES: u32 = 10_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct MapIndexQuery {
    /// All instances of the task, if none is given.
    map_index: Option<i32>,
}

type TaskPath = (String, String, String);
type IndexPath = (String, String, String, i32);

/// Declares a task to have succeeded, failed or been skipped, or notes something on it.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}", tag = "Task Instance",
    operation_id = "patch_task_instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), MapIndexQuery,
        UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn patch_task_instance(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<TaskPath>,
    Query(index): Query<MapIndexQuery>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let path = (dag_id, run_id, task_id);
    Request::new(&state, &principal, path, index.map_index, patch, &mask).await?.apply().await.map(Json)
}

/// As for a task, of one instance of a mapped one.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}",
    tag = "Task Instance", operation_id = "patch_task_instance_by_map_index",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("map_index" = i32, Path), UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn patch_task_instance_by_map_index(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, map_index)): Path<IndexPath>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let path = (dag_id, run_id, task_id);
    Request::new(&state, &principal, path, Some(map_index), patch, &mask).await?.apply().await.map(Json)
}

/// Which instances a change of a task's state would change.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dry_run",
    tag = "Task Instance", operation_id = "patch_task_instance_dry_run",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), MapIndexQuery,
        UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
pub async fn patch_task_instance_dry_run(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id)): Path<TaskPath>,
    Query(index): Query<MapIndexQuery>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let path = (dag_id, run_id, task_id);
    Request::new(&state, &principal, path, index.map_index, patch, &mask).await?.dry_run().await.map(Json)
}

/// As for a task, of one instance of a mapped one.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/dry_run",
    tag = "Task Instance", operation_id = "patch_task_instance_dry_run_by_map_index",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path),
        ("map_index" = i32, Path), UpdateMask),
    request_body = PatchTaskInstanceBody,
    responses((status = 200, body = TaskInstanceCollection), Refusals))]
pub async fn patch_task_instance_dry_run_by_map_index(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id, task_id, map_index)): Path<IndexPath>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PatchTaskInstanceBody>,
) -> Answer<Json<TaskInstanceCollection>> {
    let path = (dag_id, run_id, task_id);
    Request::new(&state, &principal, path, Some(map_index), patch, &mask).await?.dry_run().await.map(Json)
}

/// A request that was found to make sense.
struct Request<'a> {
    state: &'a ApiState,
    principal: &'a Principal,
    run: RunRow,
    selection: Selection,
    mark: Option<TaskMark>,
    /// The note, if there is one to be set; none inside removes it.
    note: Option<Option<String>>,
    past: bool,
    future: bool,
}

impl<'a> Request<'a> {
    async fn new(
        state: &'a ApiState,
        principal: &'a Principal,
        (dag_id, run_id, task_id): TaskPath,
        map_index: Option<i32>,
        patch: Patch<PatchTaskInstanceBody>,
        mask: &UpdateMask,
    ) -> Answer<Self> {
        principal.may(Action::Update, Resource::TaskInstance)?;
        let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
        let mask = &mask.update_mask;
        let body = &patch.body;
        let mark = body.new_state.filter(|_| patch.changes("new_state", mask)).map(mark_of).transpose()?;
        let note = patch.changes("note", mask).then(|| body.note.clone());
        if note.iter().flatten().any(|note| note.chars().count() > LONGEST_NOTE) {
            return Err(Problem::invalid("/note", format!("a note has at most {LONGEST_NOTE} characters")));
        }
        let selection =
            Selection { task_id, map_index, upstream: body.include_upstream, downstream: body.include_downstream };
        let request =
            Self { state, principal, run, selection, mark, note, past: body.include_past, future: body.include_future };
        if request.named().await?.is_empty() {
            let index = map_index.map_or_else(String::new, |index| format!(" and map_index: `{index}`"));
            return Err(Problem::not_found(format!(
                "The Task Instance with dag_id: `{dag_id}`, run_id: `{run_id}`, task_id: `{}`{index} was not found",
                request.selection.task_id
            )));
        }
        Ok(request)
    }

    async fn apply(self) -> Answer<TaskInstanceCollection> {
        let mut changed = Vec::new();
        if let Some(mark) = self.mark {
            let now = self.state.now();
            for run in self.runs().await? {
                let change = intervene(self.state, run.key, |run| self.decide(run, mark, now)).await?;
                changed.extend(self.marked(run.key, &change, mark).await?);
            }
            if changed.is_empty() {
                let detail = format!("Task id {} is already in {mark} state", self.selection.task_id);
                return Err(Problem::conflict(detail));
            }
        }
        if let Some(note) = &self.note {
            for row in self.named().await? {
                self.state.store.set_instance_note(self.principal.tenant, row.id, note.as_deref()).await?;
            }
        }
        // As it stands now: the notes are in it.
        let shown = if self.mark.is_some() { self.reread(changed).await? } else { self.named().await? };
        self.collection(&shown).await
    }

    async fn dry_run(self) -> Answer<TaskInstanceCollection> {
        let mut shown = Vec::new();
        if let Some(mark) = self.mark {
            let now = self.state.now();
            for run in self.runs().await? {
                let change = self.decide(&standing(self.state, run.key).await?, mark, now);
                shown.extend(self.marked(run.key, &change, mark).await?);
            }
        }
        self.collection(&shown).await
    }

    fn decide(&self, run: &Standing, mark: TaskMark, now: chrono::DateTime<chrono::Utc>) -> RunChange {
        let plan = Plan::new(run.loaded.dag.clone());
        let by = &self.principal.username;
        mark_instances(&plan, run.state, &run.instances, &self.selection, mark, by, now)
    }

    /// The run of the path, and those before and after it where the body asks for them.
    async fn runs(&self) -> Answer<Vec<RunRow>> {
        let mut runs = vec![self.run.clone()];
        let spans = [
            (self.past, Span { lt: self.run.logical_date, ..Span::default() }),
            (self.future, Span { gt: self.run.logical_date, ..Span::default() }),
        ];
        for (wanted, logical_date) in spans {
            // A run without a logical date has neither past nor future.
            if wanted && self.run.logical_date.is_some() {
                let filter = RunFilter { dag_id: Some(self.run.dag_id.clone()), logical_date, ..RunFilter::default() };
                let page = Page { limit: MOST_RUNS, ..Page::default() };
                runs.extend(self.state.store.list_runs(self.principal.tenant, &filter, &page).await?.items);
            }
        }
        Ok(runs)
    }

    async fn instances(&self, filter: InstanceFilter) -> Answer<Vec<InstanceRow>> {
        let page = Page { limit: MOST_INSTANCES, ..Page::default() };
        Ok(self.state.store.list_instances(self.principal.tenant, &filter, &page).await?.items)
    }

    /// The instances that the path names.
    async fn named(&self) -> Answer<Vec<InstanceRow>> {
        self.instances(InstanceFilter {
            dag_id: Some(self.run.dag_id.clone()),
            run_id: Some(self.run.run_id.clone()),
            task_ids: vec![self.selection.task_id.clone()],
            map_index: self.selection.map_index,
            ..InstanceFilter::default()
        })
        .await
    }

    /// The instances that a change declares to be in the state, as they stand. What it clears is not among them.
    async fn marked(&self, key: RunKey, change: &RunChange, mark: TaskMark) -> Answer<Vec<InstanceRow>> {
        let ids: Vec<Uuid> =
            change.moves.iter().filter(|moved| moved.to == Some(mark.state())).map(|moved| moved.instance).collect();
        let loaded = standing(self.state, key).await?.loaded;
        Ok(loaded.instances.into_iter().filter(|instance| ids.contains(&instance.id)).collect())
    }

    async fn reread(&self, rows: Vec<InstanceRow>) -> Answer<Vec<InstanceRow>> {
        let mut reread = Vec::with_capacity(rows.len());
        for row in rows {
            let store = &self.state.store;
            let now = store.instance(self.principal.tenant, &row.dag_id, &row.run_id, &row.task_id, row.map_index);
            reread.extend(now.await?);
        }
        Ok(reread)
    }

    async fn collection(&self, rows: &[InstanceRow]) -> Answer<TaskInstanceCollection> {
        let task_instances = responses(&*self.state.store, self.principal.tenant, rows).await?;
        let entries = Entries { total_entries: Some(rows.len() as u64), ..Entries::default() };
        Ok(TaskInstanceCollection { task_instances, entries })
    }
}

fn mark_of(state: TaskState) -> Answer<TaskMark> {
    state
        .as_str()
        .parse()
        .map_err(|error: airlock_core::state::UnknownName| Problem::invalid("/new_state", error.to_string()))
}
