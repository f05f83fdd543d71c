use std::time::SystemTime;

use super::current;
use crate::dag_runs::{Dag, DagRun, DagRunError, Request, RunState, TaskInstance};

fn no_run(dag_id: &str, run_id: &str) -> DagRunError {
    DagRunError::NotFound(format!("the DAG `{dag_id}` has no run `{run_id}`"))
}

pub fn find_dag(dag_id: &str) -> Result<Option<Dag>, DagRunError> {
    Ok(current().dags.lock().get(dag_id).cloned())
}

pub fn find(dag_id: &str, run_id: &str) -> Result<Option<DagRun>, DagRunError> {
    let host = current();
    let runs = host.dag_runs.lock();
    Ok(runs.iter().find(|(run, _)| run.dag_id == dag_id && run.run_id == run_id).map(|(run, _)| run.clone()))
}

pub fn find_by_logical_dates(dag_id: &str, logical_dates: &[SystemTime]) -> Result<Vec<DagRun>, DagRunError> {
    let host = current();
    let runs = host.dag_runs.lock();
    let is_meant =
        |run: &DagRun| run.dag_id == dag_id && run.logical_date.is_some_and(|date| logical_dates.contains(&date));
    Ok(runs.iter().map(|(run, _)| run).filter(|run| is_meant(run)).cloned().collect())
}

pub fn task_instances(dag_id: &str, run_id: &str, task_ids: &[String]) -> Result<Vec<TaskInstance>, DagRunError> {
    let host = current();
    let runs = host.dag_runs.lock();
    let (_, instances) = runs
        .iter()
        .find(|(run, _)| run.dag_id == dag_id && run.run_id == run_id)
        .ok_or_else(|| no_run(dag_id, run_id))?;
    Ok(instances.iter().filter(|instance| task_ids.contains(&instance.task_id)).cloned().collect())
}

pub fn trigger(request: &Request) -> Result<DagRun, DagRunError> {
    let host = current();
    if !host.dags.lock().contains_key(&request.dag_id) {
        return Err(DagRunError::NotFound(format!("there is no DAG `{}`", request.dag_id)));
    }
    let mut runs = host.dag_runs.lock();
    let run_id = request.run_id.clone().unwrap_or_else(|| format!("operator_triggered__{}", runs.len() + 1));
    let is_same = |run: &DagRun| {
        run.dag_id == request.dag_id
            && (run.run_id == run_id || (run.logical_date.is_some() && run.logical_date == request.logical_date))
    };
    if let Some((run, _)) = runs.iter().find(|(run, _)| is_same(run)) {
        return Err(DagRunError::AlreadyExists(run.run_id.clone()));
    }
    let run = DagRun {
        dag_id: request.dag_id.clone(),
        run_id,
        run_type: "operator_triggered".into(),
        state: RunState::Queued,
        logical_date: request.logical_date,
        run_after: request.run_after.unwrap_or_else(SystemTime::now),
        started_at: None,
        ended_at: None,
    };
    runs.push((run.clone(), Vec::new()));
    host.triggered.lock().push(request.clone());
    Ok(run)
}

pub fn clear(dag_id: &str, run_id: &str) -> Result<DagRun, DagRunError> {
    let host = current();
    let mut runs = host.dag_runs.lock();
    let (run, instances) = runs
        .iter_mut()
        .find(|(run, _)| run.dag_id == dag_id && run.run_id == run_id)
        .ok_or_else(|| no_run(dag_id, run_id))?;
    (run.state, run.started_at, run.ended_at) = (RunState::Queued, None, None);
    instances.iter_mut().for_each(|instance| instance.state = None);
    Ok(run.clone())
}
