//! The capabilities of a module that is only asked what it is: none. No grant reaches them, so most are never called; what
//! needs no grant is refused here.

use std::sync::Arc;

use airlock_core::asset::AssetOrAlias;
use airlock_core::id::TenantId;
use airlock_core::limits::{Egress, Grants};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::capability::assets::{AssetEventInfo, Assets, EventPage};
use crate::capability::dag_runs::{DagInfo, DagRunError, DagRuns, InstanceInfo, RunInfo, TriggerRequest};
use crate::capability::http::{HttpError, HttpHook, HttpRequest, HttpResponse};
use crate::capability::object_store::{Bucket, ObjectError, ObjectStoreHook};
use crate::capability::sql::{SqlError, SqlHook, SqlSession};
use crate::capability::task::{
    Connection, LogRecord, TaskContext, TaskServiceError, TaskServices, XComEntry, XComSelection,
};
use crate::capability::{Caller, Capabilities};

const REFUSED: &str = "`describe` must depend on nothing but the module";

struct Nothing;

fn refused() -> TaskServiceError {
    TaskServiceError::Other(REFUSED.to_owned())
}

#[async_trait]
impl TaskServices for Nothing {
    async fn push_xcom(&self, _: &str, _: Value) -> Result<(), TaskServiceError> {
        Err(refused())
    }
    async fn pull_xcoms(&self, _: &XComSelection) -> Result<Vec<XComEntry>, TaskServiceError> {
        Err(refused())
    }
    async fn variable(&self, _: &str) -> Result<Option<String>, TaskServiceError> {
        Err(refused())
    }
    async fn set_variable(&self, _: &str, _: &str) -> Result<(), TaskServiceError> {
        Err(refused())
    }
    async fn delete_variable(&self, _: &str) -> Result<bool, TaskServiceError> {
        Err(refused())
    }
    async fn connection(&self, _: &str) -> Result<Connection, TaskServiceError> {
        Err(refused())
    }
    fn log(&self, record: LogRecord) {
        tracing::debug!("a module says while it describes itself: {}", record.message);
    }
}

fn no_runs() -> DagRunError {
    DagRunError::Other(REFUSED.to_owned())
}

#[async_trait]
impl DagRuns for Nothing {
    async fn dag(&self, _: &str) -> Result<Option<DagInfo>, DagRunError> {
        Err(no_runs())
    }
    async fn run(&self, _: &str, _: &str) -> Result<Option<RunInfo>, DagRunError> {
        Err(no_runs())
    }
    async fn runs_at(&self, _: &str, _: &[DateTime<Utc>]) -> Result<Vec<RunInfo>, DagRunError> {
        Err(no_runs())
    }
    async fn instances(&self, _: &str, _: &str, _: &[String]) -> Result<Vec<InstanceInfo>, DagRunError> {
        Err(no_runs())
    }
    async fn trigger(&self, _: TriggerRequest) -> Result<RunInfo, DagRunError> {
        Err(no_runs())
    }
    async fn clear(&self, _: &str, _: &str) -> Result<RunInfo, DagRunError> {
        Err(no_runs())
    }
}

#[async_trait]
impl Assets for Nothing {
    fn outlets(&self) -> &[AssetOrAlias] {
        &[]
    }
    fn inlets(&self) -> &[AssetOrAlias] {
        &[]
    }
    async fn events(&self, _: &AssetOrAlias, _: &EventPage) -> Result<Vec<AssetEventInfo>, String> {
        Err(REFUSED.to_owned())
    }
}

#[async_trait]
impl HttpHook for Nothing {
    async fn send(&self, _: &Caller, _: HttpRequest) -> Result<Box<dyn HttpResponse>, HttpError> {
        Err(HttpError::Denied(REFUSED.to_owned()))
    }
}

#[async_trait]
impl SqlHook for Nothing {
    async fn open(&self, _: &Caller, _: &str) -> Result<Box<dyn SqlSession>, SqlError> {
        Err(SqlError::Denied(REFUSED.to_owned()))
    }
}

#[async_trait]
impl ObjectStoreHook for Nothing {
    async fn open(&self, _: &Caller, _: &str, _: Option<&str>) -> Result<Arc<dyn Bucket>, ObjectError> {
        Err(ObjectError::Denied(REFUSED.to_owned()))
    }
}

pub(crate) fn capabilities() -> Capabilities {
    let nothing = Arc::new(Nothing);
    Capabilities {
        task: nothing.clone(),
        dag_runs: nothing.clone(),
        assets: nothing.clone(),
        http: nothing.clone(),
        sql: nothing.clone(),
        object_store: nothing,
    }
}

pub(crate) fn caller(tenant: TenantId) -> Caller {
    let none = Arc::new(Grants([].into()));
    Caller {
        tenant,
        egress: Arc::new(Egress::default()),
        host_folders: Arc::new(Vec::new()),
        tenant_grants: none.clone(),
        task_grants: none,
    }
}

/// The context of no task.
pub(crate) fn context() -> TaskContext {
    TaskContext {
        tenant: String::new(),
        dag_id: String::new(),
        dag_version: 0,
        run_id: String::new(),
        run_type: String::new(),
        logical_date: None,
        data_interval: None,
        run_after: DateTime::UNIX_EPOCH,
        next_run_after: None,
        task_id: String::new(),
        map_index: airlock_core::id::UNMAPPED,
        try_number: 0,
        max_tries: 0,
        first_started_at: DateTime::UNIX_EPOCH,
        params: Map::new(),
        conf: Map::new(),
        idempotency_key: String::new(),
    }
}
