//! Runs and tasks of the tenant that are waited for.

use airlock_core::state::TaskState;
use airlock_core::trigger::{RunSelector, TasksTrigger};
use airlock_sandbox::capability::dag_runs::{DagRunError, DagRuns, RunInfo};

use super::Fault;
use crate::services::TryServices;

/// The run, if it is there.
pub(super) async fn run(services: &TryServices, dag_id: &str, run: &RunSelector) -> Result<Option<RunInfo>, Fault> {
    match run {
        RunSelector::RunId(run_id) => services.run(dag_id, run_id).await.map_err(fault),
        RunSelector::LogicalDate(date) => Ok(services.runs_at(dag_id, &[*date]).await.map_err(fault)?.pop()),
    }
}

type Instances = Vec<(String, Option<TaskState>)>;

/// The run's id and the instances of its tasks, if it is there.
pub(super) async fn tasks(services: &TryServices, of: &TasksTrigger) -> Result<Option<(String, Instances)>, Fault> {
    let Some(found) = run(services, &of.dag_id, &of.run).await? else { return Ok(None) };
    let instances = services.instances(&of.dag_id, &found.run_id, &of.task_ids).await;
    let instances = match instances {
        // It was removed between the two look-ups.
        Err(DagRunError::NotFound(_)) => return Ok(None),
        instances => instances.map_err(fault)?,
    };
    let instance = |info: airlock_sandbox::capability::dag_runs::InstanceInfo| {
        (info.task_id, info.state.and_then(|state| state.parse().ok()))
    };
    Ok(Some((found.run_id, instances.into_iter().map(instance).collect())))
}

fn fault(error: DagRunError) -> Fault {
    Fault::Trouble(error.to_string())
}
