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

/// What is to be cleared, in whatever runs.
pub struct ClearRequest<'a> {
    pub state: &'a ApiState,
    pub principal: &'a Principal,
    pub selection: ClearSelection,
    pub reset_runs: bool,
    pub on_latest_version: bool,
    /// Refuses to clear what runs.
    pub prevent_running: bool,
}

/// What clearing a run means for its tasks.
#[derive(Default)]
pub struct Cleared {
    /// Those that are selected, as they stand.
    pub instances: Vec<InstanceRow>,
    /// Those that the run does not have yet, where it changes its version.
    pub new_tasks: Vec<NewTaskResponse>,
}

impl ClearRequest<'_> {
    /// What would be cleared of a run. `dag` is the run's DAG.
    ///
    /// # Errors
    /// 404 if the run is gone.
    pub async fn dry_run(&self, dag: &DagRow, run: &RunRow) -> Answer<Cleared> {
        let standing = standing(self.state, run.key).await?;
        let plan = self.plan(dag, &standing);
        let change = self.decide(dag, &plan, &standing, self.state.now());
        let chosen = self.chosen(&plan, &standing);
        let instances =
            standing.loaded.instances.into_iter().filter(|instance| chosen.contains(&instance.id)).collect();
        let new_tasks = change.create.iter().map(|new| NewTaskResponse {
            task_display_name: task_of(plan.dag(), &new.task_id).map_or_else(|| new.task_id.clone(), task_display_name),
            task_id: new.task_id.clone(),
        });
        Ok(Cleared { instances, new_tasks: new_tasks.collect() })
    }

    /// Clears a run, and answers the instances that were.
    ///
    /// # Errors
    /// 404 if the run is gone; 409 if something runs that must not be cleared, or if the run will not hold still.
    pub async fn clear(&self, dag: &DagRow, run: &RunRow) -> Answer<Vec<InstanceRow>> {
        let now = self.state.now();
        let decide = |standing: &Standing| {
            let plan = self.plan(dag, standing);
            self.protect(&plan, standing)?;
            Ok(self.decide(dag, &plan, standing, now))
        };
        let change = intervene(self.state, run.key, decide).await?;
        let cleared: HashSet<Uuid> = change
            .moves
            .iter()
            .filter(|moved| matches!(moved.to, None | Some(TaskState::Restarting)))
            .map(|moved| moved.instance)
            .collect();
        instances(self.state, run.key, &cleared).await
    }

    /// Clears many runs. Nothing is begun if something in any of them must not be cleared; a run that cannot be cleared later on
    /// ends the request, and the refusal says what has been done.
    pub async fn clear_all(&self, runs: &[(DagRow, RunRow)]) -> Answer<Vec<InstanceRow>> {
        if self.prevent_running {
            for (dag, run) in runs {
                let standing = standing(self.state, run.key).await?;
                self.protect(&self.plan(dag, &standing), &standing)?;
            }
        }
        let mut cleared = Vec::new();
        for (place, (dag, run)) in runs.iter().enumerate() {
            cleared.extend(self.clear(dag, run).await.map_err(|problem| after(problem, place, runs.len(), run))?);
        }
        Ok(cleared)
    }

    /// Refuses to clear what runs, if it is not to be.
    fn protect(&self, plan: &Plan, run: &Standing) -> Answer<()> {
        let running = selected(plan, &run.instances, &self.selection)
            .into_iter()
            .find(|instance| self.prevent_running && instance.state == Some(TaskState::Running));
        let Some(running) = running else { return Ok(()) };
        Err(Problem::conflict(format!(
            "the task `{}` of run `{}` is running, and `prevent_running_task` is set: wait until it has ended, or clear it \
             without",
            running.task_id, run.loaded.run.run_id
        )))
    }

    fn decide(&self, dag: &DagRow, plan: &Plan, run: &Standing, now: DateTime<Utc>) -> RunChange {
        let clearing = Clearing {
            selection: &self.selection,
            reset_run: self.reset_runs,
            to_version: self.changes_version(dag, run).then_some(dag.version),
            by: &self.principal.username,
        };
        clear_instances(plan, run.state, &run.instances, &clearing, Uuid::now_v7, now)
    }

    fn chosen(&self, plan: &Plan, run: &Standing) -> HashSet<Uuid> {
        selected(plan, &run.instances, &self.selection).into_iter().map(|instance| instance.id).collect()
    }

    fn changes_version(&self, dag: &DagRow, run: &Standing) -> bool {
        (self.on_latest_version || self.selection.only_new) && run.loaded.run.dag_version != dag.version
    }

    /// The plan that the run goes on with.
    fn plan(&self, dag: &DagRow, run: &Standing) -> Plan {
        let content: &Arc<Dag> = if self.changes_version(dag, run) { &dag.dag } else { &run.loaded.dag };
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
