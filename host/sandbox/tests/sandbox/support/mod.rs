//! A sandbox with the fixtures in it, and small real services behind its capabilities.

pub mod components;
mod fixtures;
mod services;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock_core::digest::Digest;
use airlock_core::id::TenantId;
use airlock_core::limits::{Egress, Grants, Limits};
use airlock_core::outcome::{Failure, FailureCause, TryResult};
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::task::TaskContext;
use airlock_sandbox::egress::Gate;
use airlock_sandbox::inspect::InspectOptions;
use airlock_sandbox::{Call, CallReport, CompileOptions, EngineOptions, Entry, ModuleSource, Sandbox, SandboxOptions};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

pub use fixtures::fixture;
pub use services::Services;

pub const TENANT: TenantId = TenantId(1);

/// The fixtures are the modules.
struct Fixtures;

#[async_trait]
impl ModuleSource for Fixtures {
    async fn file(&self, module: Digest) -> std::io::Result<PathBuf> {
        fixtures::ALL
            .iter()
            .map(|name| fixture(name))
            .find(|path| digest(path) == module)
            .ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

pub fn digest(path: &Path) -> Digest {
    Digest::of(&std::fs::read(path).unwrap())
}

pub fn compile_options() -> CompileOptions {
    CompileOptions::new(env!("CARGO_BIN_EXE_airlock-compile-module"), Vec::<OsString>::new())
}

/// All tests share the compiled code of the fixtures: compiling is the slow part.
pub fn options() -> SandboxOptions {
    SandboxOptions {
        modules: Arc::new(Fixtures),
        artifacts: Path::new(env!("CARGO_TARGET_TMPDIR")).join("artifacts"),
        scratch: std::env::temp_dir(),
        compile: compile_options(),
        inspect: InspectOptions::default(),
        engine: EngineOptions { slots: 20, ..EngineOptions::default() },
        ready_modules: 8,
        gate: Gate::default(),
    }
}

pub fn sandbox() -> Sandbox {
    Sandbox::new(options()).unwrap()
}

pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn context() -> TaskContext {
    TaskContext {
        tenant: "acme".to_owned(),
        dag_id: "nightly".to_owned(),
        dag_version: 3,
        run_id: "manual__1".to_owned(),
        run_type: "manual".to_owned(),
        logical_date: Some(at(1_767_225_600)),
        data_interval: None,
        run_after: at(1_767_225_600),
        next_run_after: None,
        task_id: "hostile".to_owned(),
        map_index: -1,
        try_number: 2,
        max_tries: 3,
        first_started_at: at(1_767_225_601),
        params: Map::from_iter([("region".to_owned(), json!("eu"))]),
        conf: Map::new(),
        idempotency_key: "key".to_owned(),
    }
}

pub fn caller() -> Caller {
    Caller {
        tenant: TENANT,
        egress: Arc::new(Egress::default()),
        host_folders: Arc::new(Vec::new()),
        tenant_grants: Arc::new(Grants(["*".to_owned()].into())),
        task_grants: Arc::new(Grants::default()),
    }
}

/// A call of a fixture with these arguments.
pub fn call(fixture_name: &str, arguments: Value, services: &Arc<Services>) -> Call {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    Call {
        module: digest(&fixture(fixture_name)),
        entry: Entry::Execute { arguments },
        context: context(),
        caller: caller(),
        limits: Limits { cpu_ms: 10_000, wall_ms: 60_000, ..Limits::default() },
        capabilities: services.capabilities(),
        cancel: CancellationToken::new(),
    }
}

/// Calls the hostile fixture, with some of the limits changed.
pub async fn misbehave(
    sandbox: &Sandbox,
    arguments: Value,
    change: impl FnOnce(&mut Limits),
) -> (CallReport, Arc<Services>) {
    let services = Arc::new(Services::default());
    let mut call = call("hostile", arguments, &services);
    change(&mut call.limits);
    (sandbox.call(call).await, services)
}

#[track_caller]
pub fn failure(report: &CallReport) -> &Failure {
    match &report.result {
        TryResult::Failure(failure) => failure,
        other => panic!("expected a failure, and got {other:?}"),
    }
}

/// The value of a try that succeeded.
#[track_caller]
pub fn value(report: &CallReport) -> &Value {
    match &report.result {
        TryResult::Success { value: Some(value), .. } => value,
        other => panic!("expected a value, and got {other:?}"),
    }
}

/// The try ended at this limit, and its message names the limit and its value.
#[track_caller]
pub fn assert_limit(report: &CallReport, limit: &str, allowed: u64) {
    let failure = failure(report);
    assert_eq!(failure.cause, FailureCause::Limit, "{failure:?}");
    assert!(failure.message.contains(&format!("`{limit}`")), "{}", failure.message);
    assert!(failure.message.contains(&allowed.to_string()), "{}", failure.message);
}

/// A module of these bytes, once admitted, ends at this limit.
pub async fn assert_module_limit(bytes: Vec<u8>, change: impl FnOnce(&mut Limits), limit: &str, allowed: u64) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let mut options = options();
    options.modules = Arc::new(OneModule(file.path().to_owned()));
    let sandbox = Sandbox::new(options).unwrap();
    let services = Arc::new(Services::default());
    let mut call = call("noop", json!({}), &services);
    call.module = Digest::of(&bytes);
    change(&mut call.limits);
    assert_limit(&sandbox.call(call).await, limit, allowed);
}

struct OneModule(PathBuf);

#[async_trait]
impl ModuleSource for OneModule {
    async fn file(&self, _: Digest) -> std::io::Result<PathBuf> {
        Ok(self.0.clone())
    }
}

/// The host is as able as before: an ordinary call succeeds.
pub async fn assert_alive(sandbox: &Sandbox) {
    let services = Arc::new(Services::default());
    let report = sandbox.call(call("noop", json!({}), &services)).await;
    assert_eq!(report.result, TryResult::Success { value: None, length: None });
}
