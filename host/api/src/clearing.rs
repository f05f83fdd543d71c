//! Clears runs as a request says, one after the other, each wholly or not at all.

use std::collections::HashSet;
use std::sync::Arc;

use airlock_core::clear::{ClearSelection, Clearing, clear_instances, selected};
use airlock_core::dag::Dag;
use airlock_core::id::RunKey;
use airlock_core::run::{Plan, RunChange};
use airlock_core::state::TaskState;
use airlock_store::dags::DagRow;
use airlock_store::instances::InstanceRow;
use airlock_store::runs::RunRow;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::extract::Principal;
use crate::intervene::{Standing, intervene, standing};
use crate::models::{NewTaskResponse, task_display_name, task_of};
use crate::problem::{Answer, Problem};
use crate::state::ApiState;

/// A run, and what of it is to be cleared.
pub struct Target {
    /// The run's DAG, as it is now.
    pub dag: DagRow,
    pub run: RunRow,
    pub selection: ClearSelection,
}

/// How runs are to be cleared.
pub struct ClearRequest<'a> {
    pub state: &'a ApiState,
    pub principal: &'a Principal,
    pub reset_runs: bool,
    /// None: as the DAG says, which by default goes on with the version that the run had.
    pub on_latest_version: Option<bool>,
    /// Refuses to clear what runs.
    pub prevent_running: bool,
}

/// What clearing a run means for its tasks.
pub struct Cleared {
    /// What the run goes on with.
    pub dag: Arc<Dag>,
    /// Those that are selected, as they stand.
    pub instances: Vec<InstanceRow>,
    /// Those that the run does not have yet, where it changes its version.
    pub new_tasks: Vec<NewTaskResponse>,
}

impl ClearRequest<'_> {
    /// What would be cleared of a run.
    ///
    /// # Errors
    /// 404 if the run is gone.
    pub async fn dry_run(&self, target: &Target) -> Answer<Cleared> {
        let standing = standing(self.state, target.run.key).await?;
        let plan = self.plan(target, &standing);
        let change = self.decide(target, &plan, &standing, self.state.now());
        let chosen: HashSet<Uuid> =
            selected(&plan, &standing.instances, &target.selection).into_iter().map(|instance| instance.id).collect();
        let instances =
            standing.loaded.instances.into_iter().filter(|instance| chosen.contains(&instance.id)).collect();
        let new_tasks = change.create.iter().map(|new| NewTaskResponse {
            task_display_name: task_of(plan.dag(), &new.task_id).map_or_else(|| new.task_id.clone(), task_display_name),
            task_id: new.task_id.clone(),
        });
        Ok(Cleared { instances, new_tasks: new_tasks.collect(), dag: Arc::clone(plan.dag()) })
    }

    /// Clears a run, and answers the instances that were.
    ///
    /// # Errors
    /// 404 if the run is gone; 409 if something runs that must not be cleared, or if the run will not hold still.
    pub async fn clear(&self, target: &Target) -> Answer<Vec<InstanceRow>> {
        let now = self.state.now();
        let decide = |standing: &Standing| {
            let plan = self.plan(target, standing);
            self.protect(target, &plan, standing)?;
            Ok(self.decide(target, &plan, standing, now))
        };
        let change = intervene(self.state, target.run.key, decide).await?;
        let cleared: HashSet<Uuid> = change
            .moves
            .iter()
            .filter(|moved| matches!(moved.to, None | Some(TaskState::Restarting)))
            .map(|moved| moved.instance)
            .collect();
        instances(self.state, target.run.key, &cleared).await
    }

    /// Clears many runs. Nothing is begun if something in any of them must not be cleared; a run that cannot be cleared later on
    /// ends the request, and the refusal says what has been done.
    pub async fn clear_all(&self, targets: &[Target]) -> Answer<Vec<InstanceRow>> {
        if self.prevent_running {
            for target in targets {
                let standing = standing(self.state, target.run.key).await?;
                self.protect(target, &self.plan(target, &standing), &standing)?;
            }
        }
        let mut cleared = Vec::new();
        for (place, target) in targets.iter().enumerate() {
            let told = |problem| after(problem, place, targets.len(), &target.run);
            cleared.extend(self.clear(target).await.map_err(told)?);
        }
        Ok(cleared)
    }

    /// Refuses to clear what runs, if it is not to be.
    fn protect(&self, target: &Target, plan: &Plan, run: &Standing) -> Answer<()> {
        let running = selected(plan, &run.instances, &target.selection)
            .into_iter()
            .find(|instance| self.prevent_running && instance.state == Some(TaskState::Running));
        let Some(running) = running else { return Ok(()) };
        Err(Problem::conflict(format!(
            "the task `{}` of run `{}` is running, and `prevent_running_task` is set: wait until it has ended, or clear it \
             without",
            running.task_id, run.loaded.run.run_id
        )))
    }

    fn decide(&self, target: &Target, plan: &Plan, run: &Standing, now: DateTime<Utc>) -> RunChange {
        let clearing = Clearing {
            selection: &target.selection,
            reset_run: self.reset_runs,
            to_version: self.changes_version(target, run).then_some(target.dag.version),
            by: &self.principal.username,
        };
        clear_instances(plan, run.state, &run.instances, &clearing, Uuid::now_v7, now)
    }

    fn changes_version(&self, target: &Target, run: &Standing) -> bool {
        let says = self.on_latest_version.or(target.dag.dag.rerun_with_latest_version);
        (says.unwrap_or(false) || target.selection.only_new) && run.loaded.run.dag_version != target.dag.version
    }

    /// The plan that the run goes on with.
    fn plan(&self, target: &Target, run: &Standing) -> Plan {
        let content: &Arc<Dag> = if self.changes_version(target, run) { &target.dag.dag } else { &run.loaded.dag };
        Plan::new(Arc::clone(content))
    }
}

fn after(problem: Problem, done: usize, of: usize, run: &RunRow) -> Problem {
    if of == 1 {
        return problem;
    }
    let detail = format!(
        "{done} of {of} runs have been cleared; run `{}` and what comes after it has not: {}",
        run.run_id, problem.detail
    );
    Problem { detail, ..problem }
}

/// These instances of a run, as they stand.
async fn instances(state: &ApiState, key: RunKey, ids: &HashSet<Uuid>) -> Answer<Vec<InstanceRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let loaded = standing(state, key).await?.loaded;
    Ok(loaded.instances.into_iter().filter(|instance| ids.contains(&instance.id)).collect())
}
