//! The sandbox of a process: what the host admits modules with and runs them in.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock_core::dag::OperatorKind;
use airlock_core::digest::Digest;
use airlock_core::id::TenantId;
use airlock_core::limits::Limits;
use airlock_core::outcome::{FailureCause, TryResult};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::compile::artifact::Artifacts;
use crate::compile::{CompileError, CompileOptions, Compiler};
use crate::egress::Gate;
use crate::engine::{EngineOptions, Runtime};
use crate::inspect::{InspectError, InspectOptions, inspect};
use crate::modules::{ModuleSource, Modules, PrepareError, blocking};
use crate::run::state::{CallState, Surroundings};
use crate::run::{self, Answer, Call, CallReport, Ended, Prepared, Question};
use crate::{describe, nothing};

/// Where the sandbox finds and keeps things, and what it allows.
pub struct SandboxOptions {
    /// The uploaded modules.
    pub modules: Arc<dyn ModuleSource>,
    /// The folder of compiled code, private to this host.
    pub artifacts: PathBuf,
    /// The folder of the unnamed files behind scratch folders; nothing in it can be seen, and nothing stays.
    pub scratch: PathBuf,
    pub compile: CompileOptions,
    pub inspect: InspectOptions,
    pub engine: EngineOptions,
    /// Modules that are kept ready in memory.
    pub ready_modules: usize,
    /// Where `wasi:http` gets its addresses.
    pub gate: Gate,
}

/// The sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    #[error("cannot use the folder {}: {source}", folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
}

/// A module that may be put into the catalogue, as it describes itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    pub name: String,
    pub version: String,
    pub summary: String,
    pub documentation: Option<String>,
    pub kind: OperatorKind,
    pub arguments_schema: Value,
    pub template_fields: Vec<String>,
    pub imports: Vec<String>,
}

/// Why a module is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error("the module cannot be compiled: {0}")]
    Compile(String),
    #[error("the component's imports or exports do not fit this host: {0}")]
    Link(String),
    #[error("the module fails when it is asked to describe itself: {0}")]
    Describe(String),
    #[error("the module describes itself wrongly: {}", .0.join("; "))]
    Description(Vec<String>),
    /// The disk has no room for compiled code.
    #[error("{0}")]
    Full(String),
    /// Not the module's fault.
    #[error("{0}")]
    Host(String),
}

/// How a disk says that it has no room.
const FULL: [ErrorKind; 3] = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];

impl AdmitError {
    /// Whether another module would fare better; otherwise it is the host that failed.
    pub fn is_modules_fault(&self) -> bool {
        !matches!(self, Self::Full(_) | Self::Host(_))
    }
}

impl From<PrepareError> for AdmitError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Compile(CompileError::Refused(reason)) => Self::Compile(reason),
            PrepareError::Link(reason) => Self::Link(reason),
            PrepareError::Artifact(source) if FULL.contains(&source.kind()) => {
                Self::Full(PrepareError::Artifact(source).to_string())
            }
            other => Self::Host(other.to_string()),
        }
    }
}

/// One per process. Cheap to share behind an [`Arc`].
pub struct Sandbox {
    runtime: Arc<Runtime>,
    modules: Modules,
    inspect: InspectOptions,
    surroundings: Surroundings,
}

impl Sandbox {
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let engine = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let runtime = Arc::new(Runtime::new(options.engine).map_err(engine)?);
        let linker = run::linker(&runtime).map_err(engine)?;
        let folder = |folder: &Path| {
            let folder = folder.to_owned();
            move |source| SandboxError::Folder { folder, source }
        };
        let artifacts = Artifacts::open(&options.artifacts, &runtime.engine).map_err(folder(&options.artifacts))?;
        std::fs::create_dir_all(&options.scratch).map_err(folder(&options.scratch))?;
        let compiler = Compiler::new(options.compile);
        let modules =
            Modules::new(runtime.clone(), linker, compiler, artifacts, options.modules, options.ready_modules);
        let surroundings = Surroundings { gate: options.gate, scratch: options.scratch.into() };
        Ok(Self { runtime, modules, inspect: options.inspect, surroundings })
    }

    /// Inspects, compiles and describes an uploaded file. Of one that is refused nothing is kept.
    pub async fn admit(&self, tenant: TenantId, file: &Path) -> Result<Admitted, AdmitError> {
        let (path, options) = (file.to_owned(), self.inspect.clone());
        let (digest, inspection) = blocking(move || read_and_inspect(&path, &options)).await??;
        let admitted = async {
            let prepared = self.modules.prepare(tenant, digest, file).await?;
            let description = self.describe(tenant, &prepared).await?;
            Ok(Admitted {
                digest,
                size: inspection.bytes,
                name: description.name,
                version: description.version,
                summary: description.summary,
                documentation: description.documentation,
                kind: description.kind,
                arguments_schema: description.arguments_schema,
                template_fields: description.template_fields,
                imports: inspection.imports,
            })
        };
        let admitted = admitted.await;
        if admitted.is_err()
            && let Err(error) = self.modules.forget(digest).await
        {
            tracing::warn!(module.digest = %digest, "compiled code of the refused module {digest} stays: {error}");
        }
        admitted
    }

    async fn describe(&self, tenant: TenantId, prepared: &Prepared) -> Result<describe::Description, AdmitError> {
        let limits = Limits { cpu_ms: 5_000, wall_ms: 30_000, log_bytes: 64 << 10, ..Limits::default() };
        let state = CallState::new(
            limits,
            nothing::context(),
            nothing::caller(tenant),
            nothing::capabilities(),
            &self.surroundings,
        );
        let _slot = self.runtime.slot(prepared.weight).await;
        let never = CancellationToken::new();
        match run::ask(&self.runtime, prepared, state, Question::Describe, &never).await.answer {
            Ok(Answer::Description(description)) => describe::check(*description).map_err(AdmitError::Description),
            Ok(Answer::Result(_)) => Err(AdmitError::Host("`describe` answered something else".to_owned())),
            Err(Ended::Failed(failure)) if failure.cause == FailureCause::Host => {
                Err(AdmitError::Host(failure.message))
            }
            Err(Ended::Failed(failure) | Ended::AtLimit(_, failure)) => Err(AdmitError::Describe(failure.message)),
            Err(Ended::Cancelled) => Err(AdmitError::Host("the host is stopping".to_owned())),
        }
    }

    pub(crate) async fn prepared(&self, tenant: TenantId, module: Digest) -> Result<Arc<Prepared>, PrepareError> {
        self.modules.get(tenant, module).await
    }

    /// Runs one call of an operator to its end. Never fails as such: what goes wrong is the result of the try.
    pub async fn call(&self, call: Call) -> CallReport {
        let Call { module, entry, context, caller, limits, capabilities, cancel } = call;
        let stack_bytes = self.runtime.options.stack_bytes as u64;
        if limits.stack_bytes < stack_bytes {
            // Better no try than one with more than it was to have.
            let message = format!(
                "`limits.stack_bytes` is {}, and this host gives every module a stack of {stack_bytes} bytes: leave the limit out, \
                 or set at least that",
                limits.stack_bytes
            );
            return CallReport::failed(FailureCause::Preparation, false, message);
        }
        let ready = async {
            let prepared = self.prepared(caller.tenant, module).await?;
            let slot = self.runtime.slot(prepared.weight).await;
            Ok::<_, PrepareError>((prepared, slot))
        };
        let (prepared, _slot) = tokio::select! {
            biased;
            () = cancel.cancelled() => return CallReport::cancelled(),
            ready = ready => match ready {
                Ok(ready) => ready,
                Err(error) => return CallReport::failed(FailureCause::Host, true, error.to_string()),
            },
        };
        let state = CallState::new(limits.clone(), context, caller, capabilities, &self.surroundings);
        let run::Asked { answer, outlet_events, usage } =
            run::ask(&self.runtime, &prepared, state, entry.into(), &cancel).await;
        let limit = if let Err(Ended::AtLimit(limit, _)) = &answer { Some(*limit) } else { None };
        let result = match answer {
            Ok(Answer::Result(answer)) => run::report::answered(answer, &limits),
            Ok(Answer::Description(_)) => {
                return CallReport::failed(FailureCause::Host, true, "the module answered something else".to_owned());
            }
            Err(Ended::Failed(failure) | Ended::AtLimit(_, failure)) => TryResult::Failure(failure),
            Err(Ended::Cancelled) => CallReport::cancelled().result,
        };
        CallReport { result, outlet_events, usage, limit }
    }
}

fn read_and_inspect(path: &Path, options: &InspectOptions) -> Result<(Digest, crate::inspect::Inspection), AdmitError> {
    let failed = |error: std::io::Error| AdmitError::Host(format!("cannot read {}: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > options.bytes {
        return Err(InspectError::TooLarge { found: size, allowed: options.bytes }.into());
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    Ok((Digest::of(&bytes), inspect(&bytes, options)?))
}
