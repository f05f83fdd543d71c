//! Declares the state of task instances, and notes things on them.

use std::collections::HashSet;

use airlock_core::access::{Action, Resource};
use airlock_core::id::RunKey;
use airlock_core::mark::{Selection, TaskMark, mark_all};
use airlock_core::run::{Plan, RunChange};
use airlock_core::state::{TaskState, UnknownName};
use airlock_store::Page;
use airlock_store::instances::{InstanceFilter, InstanceRow};
use airlock_store::runs::{RunRow, Span};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::responses;
use crate::extract::{Patch, Principal};
use crate::intervene::{Standing, intervene, standing};
use crate::models::{Entries, PatchTaskInstanceBody, TaskInstanceCollection};
use crate::note::check_note;
use crate::problem::{Answer, Problem};
use crate::state::ApiState;
use crate::{lookup, runs_of};

/// Instances of one answer.
const MOST_INSTANCES: u32 = 10_000;

/// What is marked in a run.
#[derive(Clone, Debug)]
pub enum Target {
    /// A task, with all its instances or one.
    Task(String, Option<i32>),
    /// All tasks of a group.
    Group(String),
}

/// A request that was found to make sense.
pub struct Marking<'a> {
    state: &'a ApiState,
    principal: &'a Principal,
    run: RunRow,
    target: Target,
    /// Of the run of the path.
    selections: Vec<Selection>,
    mark: Option<TaskMark>,
    /// The note, if there is one to be set; none inside removes it.
    note: Option<Option<String>>,
    past: bool,
    future: bool,
}

impl<'a> Marking<'a> {
    /// # Errors
    /// 403 without the right; 404 if the run, the group or every instance is missing; 422 for a state that nothing can be
    /// marked as.
    pub async fn new(
        state: &'a ApiState,
        principal: &'a Principal,
        (dag_id, run_id): (&str, &str),
        target: Target,
        patch: &Patch<PatchTaskInstanceBody>,
        mask: &[String],
    ) -> Answer<Self> {
        principal.may(Action::Update, Resource::TaskInstance)?;
        let run = lookup::run(&*state.store, principal.tenant, dag_id, run_id).await?;
        let body = &patch.body;
        let mark = body.new_state.filter(|_| patch.changes("new_state", mask)).map(mark_of).transpose()?;
        let note = patch.changes("note", mask).then(|| body.note.clone());
        check_note(note.as_ref().and_then(Option::as_deref))?;
        let plan = Plan::new(standing(state, run.key).await?.loaded.dag);
        let selections = selections(&plan, &target, body).ok_or_else(|| absent(&run, &target))?;
        let (past, future) = (body.include_past, body.include_future);
        let marking = Self { state, principal, run, target, selections, mark, note, past, future };
        if marking.named().await?.is_empty() {
            return Err(absent(&marking.run, &marking.target));
        }
        Ok(marking)
    }

    pub async fn apply(self) -> Answer<TaskInstanceCollection> {
        let mut changed = Vec::new();
        if let Some(mark) = self.mark {
            let now = self.state.now();
            for run in self.runs().await? {
                let change = intervene(self.state, run.key, |run| Ok(self.decide(run, mark, now))).await?;
                changed.extend(self.marked(run.key, &change, mark).await?);
            }
            if changed.is_empty() {
                return Err(Problem::conflict(self.already(mark)));
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

    pub async fn dry_run(self) -> Answer<TaskInstanceCollection> {
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

    fn already(&self, mark: TaskMark) -> String {
        match &self.target {
            Target::Task(task_id, _) => format!("Task id {task_id} is already in {mark} state"),
            Target::Group(_) => format!("All task instances in the group are already in {mark} state"),
        }
    }

    fn decide(&self, run: &Standing, mark: TaskMark, now: DateTime<Utc>) -> RunChange {
        let plan = Plan::new(run.loaded.dag.clone());
        let by = &self.principal.username;
        mark_all(&plan, run.state, &run.instances, &self.selections, mark, by, now)
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
                let store = &*self.state.store;
                runs.extend(runs_of::within(store, self.principal.tenant, &self.run.dag_id, logical_date).await?);
            }
        }
        Ok(runs)
    }

    /// The instances that the path names.
    async fn named(&self) -> Answer<Vec<InstanceRow>> {
        let filter = InstanceFilter {
            dag_id: Some(self.run.dag_id.clone()),
            run_id: Some(self.run.run_id.clone()),
            task_ids: self.selections.iter().map(|selection| selection.task_id.clone()).collect(),
            map_indexes: match self.target {
                Target::Task(_, map_index) => map_index,
                Target::Group(_) => None,
            }
            .into_iter()
            .collect(),
            ..InstanceFilter::default()
        };
        let page = Page { limit: MOST_INSTANCES, ..Page::default() };
        Ok(self.state.store.list_instances(self.principal.tenant, &filter, &page).await?.items)
    }

    /// The instances that a change declares to be in the state, as they stand. What it clears is not among them.
    async fn marked(&self, key: RunKey, change: &RunChange, mark: TaskMark) -> Answer<Vec<InstanceRow>> {
        let ids: HashSet<Uuid> =
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

/// None if there is no such group. An empty group has no tasks, and no instances either.
fn selections(plan: &Plan, target: &Target, body: &PatchTaskInstanceBody) -> Option<Vec<Selection>> {
    let (tasks, map_index) = match target {
        Target::Task(task_id, map_index) => (vec![task_id.as_str()], *map_index),
        Target::Group(group_id) => (plan.group_tasks(group_id).filter(|tasks| !tasks.is_empty())?, None),
    };
    let (upstream, downstream) = (body.include_upstream, body.include_downstream);
    let selection = |task_id: &str| Selection { task_id: task_id.to_owned(), map_index, upstream, downstream };
    Some(tasks.into_iter().map(selection).collect())
}

fn absent(run: &RunRow, target: &Target) -> Problem {
    let (dag_id, run_id) = (&run.dag_id, &run.run_id);
    Problem::not_found(match target {
        Target::Task(task_id, map_index) => {
            let index = map_index.map_or_else(String::new, |index| format!(" and map_index: `{index}`"));
            format!(
                "The Task Instance with dag_id: `{dag_id}`, run_id: `{run_id}`, task_id: `{task_id}`{index} was not found"
            )
        }
        Target::Group(group_id) => {
            format!("run `{run_id}` of `{dag_id}` has no task instances of a task group `{group_id}`")
        }
    })
}

fn mark_of(state: TaskState) -> Answer<TaskMark> {
    state.as_str().parse().map_err(|error: UnknownName| Problem::invalid("/new_state", error.to_string()))
}
