use airlock_core::state::RunState;
use serde_json::{Map, Value};

use super::{instant, moment};
use crate::bindings::airlock::operator::dag_runs::{
    Dag, DagRun, DagRunError, DagTask, Host, Request, RunState as WitState, TaskInstance,
};
use crate::bindings::airlock::operator::types::Instant;
use crate::capability::dag_runs::{self as capability, RunInfo, TriggerRequest};
use crate::limit::{Limit, LimitReached};
use crate::run::state::CallState;

/// Dates or tasks that one call may ask for.
const MOST: usize = 1_000;

impl From<capability::DagRunError> for DagRunError {
    fn from(error: capability::DagRunError) -> Self {
        match error {
            capability::DagRunError::NotFound(text) => Self::NotFound(text),
            capability::DagRunError::AlreadyExists(run_id) => Self::AlreadyExists(run_id),
            capability::DagRunError::Invalid(text) => Self::Invalid(text),
            capability::DagRunError::Other(text) => Self::Other(text),
        }
    }
}

impl From<RunInfo> for DagRun {
    fn from(run: RunInfo) -> Self {
        Self {
            dag_id: run.dag_id,
            run_id: run.run_id,
            run_type: run.run_type,
            state: match run.state {
                RunState::Queued => WitState::Queued,
                RunState::Running => WitState::Running,
                RunState::Success => WitState::Success,
                RunState::Failed => WitState::Failed,
            },
            logical_date: run.logical_date.map(instant),
            run_after: instant(run.run_after),
            started_at: run.started_at.map(instant),
            ended_at: run.ended_at.map(instant),
        }
    }
}

fn invalid_moment() -> DagRunError {
    DagRunError::Invalid("a moment is beyond the calendar, or its fraction beyond a second".to_owned())
}

fn bounded(count: usize, what: &str) -> Result<(), DagRunError> {
    if count <= MOST {
        Ok(())
    } else {
        Err(DagRunError::Invalid(format!("{count} {what} in one call; at most {MOST} may be asked for")))
    }
}

fn conf(text: Option<&str>) -> Result<Map<String, Value>, DagRunError> {
    let Some(text) = text else { return Ok(Map::new()) };
    match serde_json::from_str(text) {
        Ok(Value::Object(conf)) => Ok(conf),
        Ok(_) => Err(DagRunError::Invalid("`conf` is no JSON object".to_owned())),
        Err(error) => Err(DagRunError::Invalid(format!("`conf` is not JSON: {error}"))),
    }
}

impl CallState {
    fn require_dag(&mut self, access: &str, dag_id: &str) -> Result<(), DagRunError> {
        self.host_calls += 1;
        self.caller.require(&format!("dag-runs:{access}:{dag_id}")).map_err(DagRunError::Denied)
    }

    async fn requested(&mut self, request: Request) -> Result<DagRun, DagRunError> {
        self.require_dag("trigger", &request.dag_id)?;
        let at = |given: Option<Instant>| given.map(|at| moment(at).ok_or_else(invalid_moment)).transpose();
        let request = TriggerRequest {
            logical_date: at(request.logical_date)?,
            run_after: at(request.run_after)?,
            conf: conf(request.conf.as_deref())?,
            dag_id: request.dag_id,
            run_id: request.run_id,
            note: request.note,
        };
        Ok(self.capabilities.dag_runs.trigger(request).await?.into())
    }

    async fn runs_at(&mut self, dag_id: &str, dates: Vec<Instant>) -> Result<Vec<DagRun>, DagRunError> {
        self.require_dag("read", dag_id)?;
        bounded(dates.len(), "logical dates")?;
        let dates: Option<Vec<_>> = dates.into_iter().map(moment).collect();
        let runs = self.capabilities.dag_runs.runs_at(dag_id, &dates.ok_or_else(invalid_moment)?).await?;
        Ok(runs.into_iter().map(Into::into).collect())
    }

    async fn instances_of(
        &mut self,
        dag_id: &str,
        run_id: &str,
        task_ids: &[String],
    ) -> Result<Vec<TaskInstance>, DagRunError> {
        self.require_dag("read", dag_id)?;
        bounded(task_ids.len(), "tasks")?;
        let found = self.capabilities.dag_runs.instances(dag_id, run_id, task_ids).await?;
        let instances = found.into_iter().map(|instance| TaskInstance {
            task_id: instance.task_id,
            map_index: instance.map_index,
            state: instance.state,
        });
        Ok(instances.collect())
    }

    /// What goes to the guest is bounded like everything else that a host call hands over.
    fn fits(&self, bytes: usize, what: &'static str) -> wasmtime::Result<Result<(), DagRunError>> {
        let limit = self.limits.host_call_bytes;
        if bytes as u64 <= limit {
            return Ok(Ok(()));
        }
        self.note(&LimitReached::new(Limit::HostCall, limit, bytes as u64, what))?;
        Ok(Err(DagRunError::Other(format!("the answer is larger than {limit} bytes, the limit of one host call"))))
    }
}

impl Host for CallState {
    async fn find_dag(&mut self, dag_id: String) -> wasmtime::Result<Result<Option<Dag>, DagRunError>> {
        if let Err(denied) = self.require_dag("read", &dag_id) {
            return Ok(Err(denied));
        }
        let dag = match self.capabilities.dag_runs.dag(&dag_id).await {
            Ok(Some(dag)) => dag,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error.into())),
        };
        let names =
            |task: &capability::DagTask| task.task_id.len() + task.task_groups.iter().map(String::len).sum::<usize>();
        if let Err(error) = self.fits(dag.tasks.iter().map(names).sum(), "looking up a DAG")? {
            return Ok(Err(error));
        }
        let tasks = dag.tasks.into_iter().map(|task| DagTask { task_id: task.task_id, task_groups: task.task_groups });
        Ok(Ok(Some(Dag { dag_id: dag.dag_id, is_paused: dag.is_paused, tasks: tasks.collect() })))
    }

    async fn find(&mut self, dag_id: String, run_id: String) -> wasmtime::Result<Result<Option<DagRun>, DagRunError>> {
        if let Err(denied) = self.require_dag("read", &dag_id) {
            return Ok(Err(denied));
        }
        let found = self.capabilities.dag_runs.run(&dag_id, &run_id).await;
        Ok(found.map(|run| run.map(Into::into)).map_err(Into::into))
    }

    async fn find_by_logical_dates(
        &mut self,
        dag_id: String,
        logical_dates: Vec<Instant>,
    ) -> wasmtime::Result<Result<Vec<DagRun>, DagRunError>> {
        Ok(self.runs_at(&dag_id, logical_dates).await)
    }

    async fn task_instances(
        &mut self,
        dag_id: String,
        run_id: String,
        task_ids: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<TaskInstance>, DagRunError>> {
        let instances = match self.instances_of(&dag_id, &run_id, &task_ids).await {
            Ok(instances) => instances,
            Err(error) => return Ok(Err(error)),
        };
        let bytes = instances.iter().map(|instance| instance.task_id.len() + size_of::<TaskInstance>()).sum();
        Ok(self.fits(bytes, "looking up task instances")?.map(|()| instances))
    }

    async fn trigger(&mut self, request: Request) -> wasmtime::Result<Result<DagRun, DagRunError>> {
        Ok(self.requested(request).await)
    }

    async fn clear(&mut self, dag_id: String, run_id: String) -> wasmtime::Result<Result<DagRun, DagRunError>> {
        if let Err(denied) = self.require_dag("trigger", &dag_id) {
            return Ok(Err(denied));
        }
        Ok(self.capabilities.dag_runs.clear(&dag_id, &run_id).await.map(Into::into).map_err(Into::into))
    }
}
