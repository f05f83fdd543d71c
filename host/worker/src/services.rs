//! What one try, or one callback, reaches through the worker: its XComs, the tenant's variables and connections, and its log.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use airlock_blobs::{LogKey, LogLine, LogSink};
use airlock_core::dag::Task;
use airlock_core::id::{TenantId, UNMAPPED};
use airlock_core::mask::{self, Masker};
use airlock_core::outcome::TryResult;
use airlock_sandbox::capability::task::{
    Connection, ConnectionSource, LogLevel, LogRecord, LogSource, TaskServiceError, TaskServices, XComEntry,
    XComSelection,
};
use airlock_store::Store;
use airlock_store::callbacks::CallbackRow;
use airlock_store::clock::Clock;
use airlock_store::queue::ClaimedTry;
use airlock_store::settings::VariableRow;
use airlock_store::triggers::ClaimedTrigger;
use airlock_store::wake::Wake;
use airlock_store::xcoms::{XComOwner, XComPull, XComRow};
use airlock_vault::Vault;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::assets::Declared;
use crate::claim::Shared;
use crate::connections::{VaultConnections, open_variable, seal_variable};

pub(crate) struct TryServices {
    store: Arc<dyn Store>,
    wake: Wake,
    vault: Arc<Vault>,
    connections: VaultConnections,
    clock: Clock,
    logs: LogSink,
    log_key: LogKey,
    owner: XComOwner,
    role: Role,
    logged: AtomicBool,
    masker: Mutex<Masker>,
    /// The tasks of the mapped group that the task is in.
    group: OnceLock<Arc<HashSet<String>>>,
    /// None for what is no task's.
    declared: OnceLock<Declared>,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Task,
    /// It speaks for nobody: the task that it is about has ended, or is at work itself.
    Callback,
}

impl TryServices {
    pub fn of_try(shared: &Shared, claimed: &ClaimedTry) -> Self {
        let log_key = LogKey { run: claimed.run, instance: claimed.instance, try_number: claimed.try_number };
        let owner = XComOwner { run: claimed.run, task_id: claimed.task_id.clone(), map_index: claimed.map_index };
        Self::new(shared, log_key, owner, Role::Task)
    }

    /// Each attempt has a log of its own.
    pub fn of_callback(shared: &Shared, row: &CallbackRow) -> Self {
        let log_key = LogKey { run: row.run, instance: row.id, try_number: row.attempts };
        let (task_id, map_index) = match &row.subject {
            Some(subject) => (subject.task_id.clone(), subject.map_index),
            None => (String::new(), UNMAPPED),
        };
        Self::new(shared, log_key, XComOwner { run: row.run, task_id, map_index }, Role::Callback)
    }

    /// What is seen on behalf of a try that waits.
    pub fn of_trigger(shared: &Shared, claimed: &ClaimedTrigger) -> Self {
        let log_key = LogKey { run: claimed.run, instance: claimed.instance, try_number: claimed.try_number };
        let owner = XComOwner { run: claimed.run, task_id: claimed.task_id.clone(), map_index: claimed.map_index };
        Self::new(shared, log_key, owner, Role::Task)
    }

    fn new(shared: &Shared, log_key: LogKey, owner: XComOwner, role: Role) -> Self {
        Self {
            store: shared.parts.store.clone(),
            wake: shared.parts.wake.clone(),
            vault: shared.parts.vault.clone(),
            connections: VaultConnections::new(shared.parts.store.clone(), shared.parts.vault.clone()),
            clock: shared.parts.clock.clone(),
            logs: shared.logs.clone(),
            log_key,
            owner,
            role,
            logged: AtomicBool::new(false),
            masker: Mutex::default(),
            group: OnceLock::new(),
            declared: OnceLock::new(),
        }
    }

    /// The task is in a mapped group: of what the tasks of the group pushed, those with its own map index concern it.
    pub fn belong_to(&self, group: Arc<HashSet<String>>) {
        // What a try belongs to does not change.
        _ = self.group.set(group);
    }

    /// The assets that the task's document names are those that it reaches.
    pub fn declare(&self, task: &Task) {
        _ = self.declared.set(Declared::of(task));
    }

    pub fn declared(&self) -> Option<&Declared> {
        self.declared.get()
    }

    pub fn is_in_group(&self, task_id: &str) -> bool {
        self.group.get().is_some_and(|group| group.contains(task_id))
    }

    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Says that the call has written all that it writes.
    pub async fn end_log(&self) {
        if self.logged.load(Ordering::Acquire) {
            self.logs.end(self.log_key).await;
        }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub fn wake(&self) -> &Wake {
        &self.wake
    }

    pub fn tenant(&self) -> TenantId {
        self.owner.run.tenant
    }

    /// Who is at work, for the records of others.
    pub fn name(&self) -> String {
        match self.role {
            Role::Task => format!("the task {} of run {}", self.owner.task_id, self.owner.run.id),
            Role::Callback => format!("a callback of run {}", self.owner.run.id),
        }
    }

    fn masker(&self) -> std::sync::MutexGuard<'_, Masker> {
        self.masker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A result without the secrets that this try has seen.
    pub fn masked(&self, result: TryResult) -> TryResult {
        let masker = self.masker();
        match result {
            TryResult::Failure(mut failure) => {
                failure.message = masker.mask(&failure.message).into_owned();
                failure.backtrace = failure.backtrace.map(|text| masker.mask(&text).into_owned());
                TryResult::Failure(failure)
            }
            TryResult::Skip { reason } => {
                TryResult::Skip { reason: reason.map(|text| masker.mask(&text).into_owned()) }
            }
            other => other,
        }
    }

    /// Lets the log know the secrets of a connection, if it is there.
    pub async fn mask_connection(&self, conn_id: &str) {
        // What is wrong with a connection, its hook says better.
        let _ = self.connection(conn_id).await;
    }

    /// A text as people may see it.
    pub fn masked_text(&self, text: &str) -> String {
        self.masker().mask(text).into_owned()
    }

    /// Rendered fields as people may see them.
    pub fn masked_fields(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let masker = self.masker();
        fields.iter().map(|(name, value)| (name.clone(), mask_value(&masker, value))).collect()
    }
}

fn mask_value(masker: &Masker, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(masker.mask(text).into_owned()),
        Value::Array(items) => items.iter().map(|item| mask_value(masker, item)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), mask_value(masker, member)))
            .collect::<Map<_, _>>()
            .into(),
        plain => plain.clone(),
    }
}

fn store_failed(error: airlock_store::StoreError) -> TaskServiceError {
    tracing::error!(%error, "the store failed a running task");
    TaskServiceError::Other("the host cannot reach its database".to_owned())
}

#[async_trait]
impl TaskServices for TryServices {
    async fn push_xcom(&self, key: &str, value: Value) -> Result<(), TaskServiceError> {
        if self.role == Role::Callback {
            return Err(TaskServiceError::Other("a callback cannot push XComs: it is no task of the run".to_owned()));
        }
        self.store.push_xcom(&self.owner, key, &value, self.now()).await.map_err(store_failed)
    }

    async fn pull_xcoms(&self, selection: &XComSelection) -> Result<Vec<XComEntry>, TaskServiceError> {
        // Unless it is said which instances are meant, those of the mapped group are the ones with the own index.
        let own_index = self.owner.map_index;
        let unsaid = matches!(selection.map_indexes.as_deref(), None | Some([UNMAPPED]));
        let map_indexes = match selection.task_ids.as_deref() {
            Some([task_id]) if unsaid && self.is_in_group(task_id) => Some(std::slice::from_ref(&own_index)),
            _ => selection.map_indexes.as_deref(),
        };
        let is_meant =
            |row: &XComRow| map_indexes.is_some() || !self.is_in_group(&row.task_id) || row.map_index == own_index;
        let pull = XComPull {
            run: self.owner.run,
            task_ids: selection.task_ids.as_deref(),
            key: &selection.key,
            map_indexes,
            include_prior_dates: selection.include_prior_dates,
        };
        let rows = self.store.pull_xcoms(&pull).await.map_err(store_failed)?;
        Ok(rows
            .into_iter()
            .filter(is_meant)
            .map(|row| XComEntry { task_id: row.task_id, map_index: row.map_index, value: row.value })
            .collect())
    }

    async fn variable(&self, key: &str) -> Result<Option<String>, TaskServiceError> {
        let Some(row) = self.store.variable(self.tenant(), key).await.map_err(store_failed)? else { return Ok(None) };
        let value = open_variable(&self.vault, self.tenant(), &row)?;
        if mask::is_sensitive_name(key) {
            self.masker().add(&value);
        }
        Ok(Some(value))
    }

    async fn set_variable(&self, key: &str, value: &str) -> Result<(), TaskServiceError> {
        let earlier = self.store.variable(self.tenant(), key).await.map_err(store_failed)?;
        let sealed = seal_variable(&self.vault, self.tenant(), key, value)?;
        let description = earlier.and_then(|row| row.description);
        let row = VariableRow { key: key.to_owned(), value: sealed, description };
        self.store.put_variable(self.tenant(), &row).await.map_err(store_failed)
    }

    async fn delete_variable(&self, key: &str) -> Result<bool, TaskServiceError> {
        self.store.delete_variable(self.tenant(), key).await.map_err(store_failed)
    }

    async fn connection(&self, conn_id: &str) -> Result<Connection, TaskServiceError> {
        let connection = self.connections.connection(self.tenant(), conn_id).await?;
        let mut masker = self.masker();
        if let Some(password) = &connection.password {
            masker.add(password);
        }
        for secret in mask::sensitive_values(&connection.extra) {
            masker.add(&secret);
        }
        drop(masker);
        Ok(connection)
    }

    fn log(&self, record: LogRecord) {
        self.logged.store(true, Ordering::Release);
        let masker = self.masker();
        let line = LogLine {
            timestamp: record.at,
            level: level_name(record.level).to_owned(),
            source: source_name(record.source).to_owned(),
            event: masker.mask(&record.message).into_owned(),
            fields: record
                .fields
                .into_iter()
                .map(|(name, value)| (name, Value::String(masker.mask(&value).into_owned())))
                .collect(),
        };
        drop(masker);
        self.logs.append(self.log_key, &line);
    }
}

fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    }
}

fn source_name(source: LogSource) -> &'static str {
    match source {
        LogSource::Task => "task",
        LogSource::Stdout => "stdout",
        LogSource::Stderr => "stderr",
        LogSource::Host => "host",
    }
}
