use std::time::SystemTime;

use super::instant::{from_wit, to_wit};
use super::wit::dag_runs as wit;
use crate::dag_runs::{Dag, DagRun, DagRunError, DagTask, Request, RunState, TaskInstance};

fn error(error: wit::DagRunError) -> DagRunError {
    match error {
        wit::DagRunError::Denied(text) => DagRunError::Denied(text),
        wit::DagRunError::NotFound(text) => DagRunError::NotFound(text),
        wit::DagRunError::AlreadyExists(run_id) => DagRunError::AlreadyExists(run_id),
        wit::DagRunError::Invalid(text) => DagRunError::Invalid(text),
        wit::DagRunError::Other(text) => DagRunError::Other(text),
    }
}

fn run(run: wit::DagRun) -> DagRun {
    DagRun {
        dag_id: run.dag_id,
        run_id: run.run_id,
        run_type: run.run_type,
        state: match run.state {
            wit::RunState::Queued => RunState::Queued,
            wit::RunState::Running => RunState::Running,
            wit::RunState::Success => RunState::Success,
            wit::RunState::Failed => RunState::Failed,
        },
        logical_date: run.logical_date.map(from_wit),
        run_after: from_wit(run.run_after),
        started_at: run.started_at.map(from_wit),
        ended_at: run.ended_at.map(from_wit),
    }
}

pub fn find_dag(dag_id: &str) -> Result<Option<Dag>, DagRunError> {
    let task = |task: wit::DagTask| DagTask { task_id: task.task_id, task_groups: task.task_groups };
    let found = wit::find_dag(dag_id).map_err(error)?;
    Ok(found.map(|dag| Dag {
        dag_id: dag.dag_id,
        is_paused: dag.is_paused,
        tasks: dag.tasks.into_iter().map(task).collect(),
    }))
}

pub fn find(dag_id: &str, run_id: &str) -> Result<Option<DagRun>, DagRunError> {
    wit::find(dag_id, run_id).map(|found| found.map(run)).map_err(error)
}

pub fn find_by_logical_dates(dag_id: &str, logical_dates: &[SystemTime]) -> Result<Vec<DagRun>, DagRunError> {
    let dates: Vec<_> = logical_dates.iter().copied().map(to_wit).collect();
    let found = wit::find_by_logical_dates(dag_id, &dates).map_err(error)?;
    Ok(found.into_iter().map(run).collect())
}

pub fn task_instances(dag_id: &str, run_id: &str, task_ids: &[String]) -> Result<Vec<TaskInstance>, DagRunError> {
    let found = wit::task_instances(dag_id, run_id, task_ids).map_err(error)?;
    let instance = |instance: wit::TaskInstance| TaskInstance {
        task_id: instance.task_id,
        map_index: instance.map_index,
        state: instance.state,
    };
    Ok(found.into_iter().map(instance).collect())
}

pub fn trigger(request: &Request) -> Result<DagRun, DagRunError> {
    let conf = serde_json::to_string(&request.conf).map_err(|error| DagRunError::Invalid(error.to_string()))?;
    let request = wit::Request {
        dag_id: request.dag_id.clone(),
        run_id: request.run_id.clone(),
        logical_date: request.logical_date.map(to_wit),
        run_after: request.run_after.map(to_wit),
        conf: Some(conf),
        note: request.note.clone(),
    };
    wit::trigger(&request).map(run).map_err(error)
}

pub fn clear(dag_id: &str, run_id: &str) -> Result<DagRun, DagRunError> {
    wit::clear(dag_id, run_id).map(run).map_err(error)
}
