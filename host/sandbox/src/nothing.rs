//! The capabilities of a module that is only asked what it is: none. No grant reaches them, so most are never called; what
//! needs no grant is refused here.

use std::sync::Arc;

use airlock_core::id::TenantId;
use airlock_core::limits::{Egress, Grants};
use async_trait::async_trait;
use chrono::DateTime;
use serde_json::{Map, Value};

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
    Capabilities { task: nothing.clone(), http: nothing.clone(), sql: nothing.clone(), object_store: nothing }
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
