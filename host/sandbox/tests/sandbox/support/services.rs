//! What stands behind the capabilities in these tests: values in memory, kept so that a test can look at them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use airlock_core::asset::{Asset, AssetAlias, AssetOrAlias};
use airlock_sandbox::capability::assets::{AssetEventInfo, Assets, EventPage};
use airlock_sandbox::capability::dag_runs::{DagInfo, DagRunError, DagRuns, InstanceInfo, RunInfo, TriggerRequest};
use airlock_sandbox::capability::http::{HttpError, HttpHook, HttpRequest, HttpResponse};
use airlock_sandbox::capability::object_store::{
    Bucket, ListOptions, ObjectError, ObjectMeta, ObjectReader, ObjectStoreHook, ObjectWriter, PutOptions,
};
use airlock_sandbox::capability::sql::{SqlError, SqlHook, SqlSession};
use airlock_sandbox::capability::task::{
    Connection, LogRecord, LogSource, TaskServiceError, TaskServices, XComEntry, XComSelection,
};
use airlock_sandbox::capability::{Caller, Capabilities};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

pub struct Services {
    declared: [AssetOrAlias; 2],
    pub xcoms: Mutex<BTreeMap<String, Value>>,
    pub log: Mutex<Vec<LogRecord>>,
}

impl Default for Services {
    fn default() -> Self {
        let (group, extra) = (Asset::GROUP.to_owned(), Map::new());
        let sales = Asset { name: "sales".to_owned(), uri: "s3://lake/sales".to_owned(), group: group.clone(), extra };
        let alias = AssetAlias { name: "exports".to_owned(), group };
        Self { declared: [sales.into(), alias.into()], xcoms: Mutex::default(), log: Mutex::default() }
    }
}

impl Services {
    pub fn capabilities(self: &Arc<Self>) -> Capabilities {
        Capabilities {
            task: self.clone(),
            dag_runs: self.clone(),
            assets: self.clone(),
            http: self.clone(),
            sql: self.clone(),
            object_store: self.clone(),
        }
    }

    /// The lines from one source.
    pub fn lines(&self, source: LogSource) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|record| record.source == source).map(|record| record.message.clone()).collect()
    }
}

fn not_here() -> TaskServiceError {
    TaskServiceError::NotFound("these tests have no connections and no variables".to_owned())
}

#[async_trait]
impl TaskServices for Services {
    async fn push_xcom(&self, key: &str, value: Value) -> Result<(), TaskServiceError> {
        self.xcoms.lock().unwrap().insert(key.to_owned(), value);
        Ok(())
    }
    async fn pull_xcoms(&self, selection: &XComSelection) -> Result<Vec<XComEntry>, TaskServiceError> {
        let xcoms = self.xcoms.lock().unwrap();
        let value = xcoms.get(&selection.key).cloned();
        Ok(value.into_iter().map(|value| XComEntry { task_id: "other".to_owned(), map_index: -1, value }).collect())
    }
    async fn variable(&self, _: &str) -> Result<Option<String>, TaskServiceError> {
        Ok(None)
    }
    async fn set_variable(&self, _: &str, _: &str) -> Result<(), TaskServiceError> {
        Err(not_here())
    }
    async fn delete_variable(&self, _: &str) -> Result<bool, TaskServiceError> {
        Err(not_here())
    }
    async fn connection(&self, _: &str) -> Result<Connection, TaskServiceError> {
        Err(not_here())
    }
    fn log(&self, record: LogRecord) {
        self.log.lock().unwrap().push(record);
    }
}

#[async_trait]
impl DagRuns for Services {
    async fn dag(&self, _: &str) -> Result<Option<DagInfo>, DagRunError> {
        Ok(None)
    }
    async fn run(&self, _: &str, _: &str) -> Result<Option<RunInfo>, DagRunError> {
        Ok(None)
    }
    async fn runs_at(&self, _: &str, _: &[DateTime<Utc>]) -> Result<Vec<RunInfo>, DagRunError> {
        Ok(Vec::new())
    }
    async fn instances(&self, _: &str, run_id: &str, _: &[String]) -> Result<Vec<InstanceInfo>, DagRunError> {
        Err(DagRunError::NotFound(run_id.to_owned()))
    }
    async fn trigger(&self, request: TriggerRequest) -> Result<RunInfo, DagRunError> {
        Err(DagRunError::NotFound(request.dag_id))
    }
    async fn clear(&self, _: &str, run_id: &str) -> Result<RunInfo, DagRunError> {
        Err(DagRunError::NotFound(run_id.to_owned()))
    }
}

/// The outlets and inlets are one asset and one alias.
#[async_trait]
impl Assets for Services {
    fn outlets(&self) -> &[AssetOrAlias] {
        &self.declared
    }
    fn inlets(&self) -> &[AssetOrAlias] {
        &self.declared
    }
    async fn events(&self, inlet: &AssetOrAlias, page: &EventPage) -> Result<Vec<AssetEventInfo>, String> {
        let event = |number: u32| AssetEventInfo {
            name: "sales".to_owned(),
            uri: "s3://lake/sales".to_owned(),
            group: "asset".to_owned(),
            extra: Map::from_iter([("number".to_owned(), number.into())]),
            timestamp: super::at(i64::from(number)),
            source: None,
            source_aliases: inlet.alias().map(|alias| alias.name.clone()).into_iter().collect(),
            partition_key: None,
        };
        Ok((page.offset..page.offset + page.limit).map(event).collect())
    }
}

#[async_trait]
impl HttpHook for Services {
    async fn send(&self, _: &Caller, _: HttpRequest) -> Result<Box<dyn HttpResponse>, HttpError> {
        Err(HttpError::Other("these tests have no HTTP hook".to_owned()))
    }
}

#[async_trait]
impl SqlHook for Services {
    async fn open(&self, _: &Caller, conn_id: &str) -> Result<Box<dyn SqlSession>, SqlError> {
        Err(SqlError::ConnectionNotFound(conn_id.to_owned()))
    }
}

/// A bucket with nothing in it.
struct Empty;

#[async_trait]
impl Bucket for Empty {
    async fn head(&self, _: &str) -> Result<Option<ObjectMeta>, ObjectError> {
        Ok(None)
    }
    async fn list(&self, _: ListOptions) -> Result<Vec<ObjectMeta>, ObjectError> {
        Ok(Vec::new())
    }
    async fn get(&self, key: &str, _: u64, _: Option<u64>) -> Result<Box<dyn ObjectReader>, ObjectError> {
        Err(ObjectError::NotFound(key.to_owned()))
    }
    async fn put(&self, key: &str, _: PutOptions) -> Result<Box<dyn ObjectWriter>, ObjectError> {
        Err(ObjectError::Invalid(key.to_owned()))
    }
    async fn copy(&self, from: &str, _: &str) -> Result<(), ObjectError> {
        Err(ObjectError::NotFound(from.to_owned()))
    }
    async fn delete(&self, _: &str) -> Result<(), ObjectError> {
        Ok(())
    }
}

#[async_trait]
impl ObjectStoreHook for Services {
    async fn open(&self, _: &Caller, _: &str, _: Option<&str>) -> Result<Arc<dyn Bucket>, ObjectError> {
        Ok(Arc::new(Empty))
    }
}
