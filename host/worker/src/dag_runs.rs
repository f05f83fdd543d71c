//! What a try may see of the tenant's DAGs and runs, and what it may ask of them.

use airlock_core::clear::{ClearSelection, Clearing, clear_instances};
use airlock_core::dag::{Dag, LONGEST_NOTE, RequestError, RunRequest, TaskGroup, requested_run};
use airlock_core::run::{Instance, Plan, RunChange};
use airlock_core::state::{RunType, TriggeredBy};
use airlock_sandbox::capability::dag_runs::{
    DagInfo, DagRunError, DagRuns, DagTask, InstanceInfo, RunInfo, TriggerRequest,
};
use airlock_store::dags::DagRow;
use airlock_store::driving::LoadedRun;
use airlock_store::instances::InstanceFilter;
use airlock_store::runs::{NewRun, RunFilter, RunRow, Span};
use airlock_store::{Page, StoreError};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::services::TryServices;

/// How often a decision is made anew because the run had moved on meanwhile.
const ATTEMPTS: usize = 20;

/// Instances of one answer.
const MOST_INSTANCES: u32 = 10_000;

fn store_failed(error: StoreError) -> DagRunError {
    tracing::error!(%error, "the store failed a running task");
    DagRunError::Other("the host cannot reach its database".to_owned())
}

fn no_dag(dag_id: &str) -> DagRunError {
    DagRunError::NotFound(format!("there is no DAG `{dag_id}`"))
}

fn no_run(dag_id: &str, run_id: &str) -> DagRunError {
    DagRunError::NotFound(format!("the DAG `{dag_id}` has no run `{run_id}`"))
}

fn refused(error: RequestError) -> DagRunError {
    DagRunError::Invalid(match error {
        RequestError::Conf(faults) => format!("`conf` does not fit the DAG's params: {faults}"),
        other => other.to_string(),
    })
}

/// The whole run, undecided again.
fn cleared(loaded: LoadedRun, by: &str, now: DateTime<Utc>) -> RunChange {
    let instances: Vec<Instance> = loaded.instances.into_iter().map(Instance::from).collect();
    let selection = ClearSelection::default();
    let clearing = Clearing { selection: &selection, reset_run: true, to_version: None, by };
    clear_instances(&Plan::new(loaded.dag), loaded.run.state, &instances, &clearing, Uuid::now_v7, now)
}

fn info(run: RunRow) -> RunInfo {
    RunInfo {
        dag_id: run.dag_id,
        run_id: run.run_id,
        run_type: run.run_type.as_str().to_owned(),
        state: run.state,
        logical_date: run.logical_date,
        run_after: run.run_after,
        started_at: run.started_at,
        ended_at: run.ended_at,
    }
}

/// The ids of the groups around a task, the innermost first.
fn groups_around(groups: &[TaskGroup], innermost: Option<&str>) -> Vec<String> {
    let parent = |id: &str| groups.iter().find(|group| group.group_id == id)?.parent.as_deref();
    std::iter::successors(innermost, |id| parent(id)).map(str::to_owned).collect()
}

fn tasks(dag: &Dag) -> Vec<DagTask> {
    let task = |task: &airlock_core::dag::Task| DagTask {
        task_id: task.task_id.clone(),
        task_groups: groups_around(&dag.task_groups, task.task_group.as_deref()),
    };
    dag.tasks.iter().map(task).collect()
}

impl TryServices {
    async fn dag_row(&self, dag_id: &str) -> Result<DagRow, DagRunError> {
        let found = self.store().dag(self.tenant(), dag_id).await.map_err(store_failed)?;
        found.ok_or_else(|| no_dag(dag_id))
    }

    /// The run that stands in the way of another.
    async fn standing_in_the_way(&self, new: &NewRun) -> Result<DagRunError, DagRunError> {
        let store = self.store();
        if store.run(new.tenant, &new.dag_id, &new.run_id).await.map_err(store_failed)?.is_some() {
            return Ok(DagRunError::AlreadyExists(new.run_id.clone()));
        }
        let dates: Vec<DateTime<Utc>> = new.logical_date.into_iter().collect();
        let same_date = self.runs_at(&new.dag_id, &dates).await?;
        let run_id = same_date.into_iter().next().map_or_else(|| new.run_id.clone(), |run| run.run_id);
        Ok(DagRunError::AlreadyExists(run_id))
    }
}

#[async_trait]
impl DagRuns for TryServices {
    async fn dag(&self, dag_id: &str) -> Result<Option<DagInfo>, DagRunError> {
        let found = self.store().dag(self.tenant(), dag_id).await.map_err(store_failed)?;
        Ok(found.map(|row| DagInfo { tasks: tasks(&row.dag), dag_id: row.dag_id, is_paused: row.is_paused }))
    }

    async fn run(&self, dag_id: &str, run_id: &str) -> Result<Option<RunInfo>, DagRunError> {
        Ok(self.store().run(self.tenant(), dag_id, run_id).await.map_err(store_failed)?.map(info))
    }

    async fn runs_at(&self, dag_id: &str, logical_dates: &[DateTime<Utc>]) -> Result<Vec<RunInfo>, DagRunError> {
        let mut found = Vec::new();
        for date in logical_dates {
            let filter = RunFilter {
                dag_id: Some(dag_id.to_owned()),
                logical_date: Span { gte: Some(*date), lte: Some(*date), ..Span::default() },
                ..RunFilter::default()
            };
            let page = Page { limit: 1, ..Page::default() };
            let runs = self.store().list_runs(self.tenant(), &filter, &page).await.map_err(store_failed)?;
            found.extend(runs.items.into_iter().map(info));
        }
        Ok(found)
    }

    async fn instances(
        &self,
        dag_id: &str,
        run_id: &str,
        task_ids: &[String],
    ) -> Result<Vec<InstanceInfo>, DagRunError> {
        if self.run(dag_id, run_id).await?.is_none() {
            return Err(no_run(dag_id, run_id));
        }
        if task_ids.is_empty() {
            return Ok(Vec::new());
        }
        let filter = InstanceFilter {
            dag_id: Some(dag_id.to_owned()),
            run_id: Some(run_id.to_owned()),
            task_ids: task_ids.to_vec(),
            ..InstanceFilter::default()
        };
        let page = Page { limit: MOST_INSTANCES, ..Page::default() };
        let found = self.store().list_instances(self.tenant(), &filter, &page).await.map_err(store_failed)?;
        if found.total > u64::from(MOST_INSTANCES) {
            return Err(DagRunError::Other(format!("the tasks have {} instances; name fewer tasks", found.total)));
        }
        let instance = |row: airlock_store::instances::InstanceRow| InstanceInfo {
            task_id: row.task_id,
            map_index: row.map_index,
            state: row.state.map(|state| state.as_str().to_owned()),
        };
        Ok(found.items.into_iter().map(instance).collect())
    }

    async fn trigger(&self, request: TriggerRequest) -> Result<RunInfo, DagRunError> {
        if request.note.as_ref().is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
            return Err(DagRunError::Invalid(format!("a note has at most {LONGEST_NOTE} characters")));
        }
        let row = self.dag_row(&request.dag_id).await?;
        let now = self.now();
        let wanted = RunRequest {
            run_id: request.run_id,
            logical_date: request.logical_date,
            data_interval: None,
            run_after: request.run_after,
            conf: request.conf,
        };
        let distinct = Uuid::new_v4().simple().to_string();
        let run_type = RunType::OperatorTriggered;
        let run = requested_run(&row.dag, run_type, wanted, &distinct[..8], now).map_err(refused)?;
        let new = NewRun {
            tenant: self.tenant(),
            dag_id: row.dag_id,
            run_id: run.run_id,
            run_type,
            logical_date: run.logical_date,
            data_interval: run.data_interval,
            run_after: run.run_after,
            conf: run.conf,
            note: request.note,
            triggered_by: TriggeredBy::Operator,
            partition: None,
            triggering_user: None,
            now,
        };
        match self.store().create_run(&new).await {
            Ok(created) => {
                self.wake().runs().raise();
                Ok(info(created))
            }
            Err(StoreError::AlreadyExists { .. }) => Err(self.standing_in_the_way(&new).await?),
            Err(StoreError::NotFound { .. }) => Err(no_dag(&new.dag_id)),
            Err(error) => Err(store_failed(error)),
        }
    }

    async fn clear(&self, dag_id: &str, run_id: &str) -> Result<RunInfo, DagRunError> {
        for _ in 0..ATTEMPTS {
            let found = self.store().run(self.tenant(), dag_id, run_id).await.map_err(store_failed)?;
            let run = found.ok_or_else(|| no_run(dag_id, run_id))?;
            let found = self.store().load_run(run.key).await.map_err(store_failed)?;
            let loaded = found.ok_or_else(|| no_run(dag_id, run_id))?;
            let epoch = loaded.run.epoch;
            let change = cleared(loaded, &self.name(), self.now());
            let nothing = change.moves.is_empty() && change.run_state.is_none();
            if nothing || self.store().intervene(run.key, epoch, &change).await.map_err(store_failed)? {
                self.wake().runs().raise();
                let now = self.run(dag_id, run_id).await?;
                return now.ok_or_else(|| no_run(dag_id, run_id));
            }
        }
        Err(DagRunError::Other(format!("the run `{run_id}` is changing faster than it can be cleared")))
    }
}
