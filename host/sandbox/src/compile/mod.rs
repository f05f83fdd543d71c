//! From a module's bytes to machine code, in a process of its own.
//!
//! Compiling takes time and memory that the module's author decides, so it happens where both have a hard limit and where
//! a crash of the compiler costs nothing else. What comes back is kept under a key and a seal (see [`artifact`]).

pub(crate) mod artifact;
pub(crate) mod child;
pub(crate) mod load;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use airlock_core::id::TenantId;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

/// How to start the process that compiles, and what it may use.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// An executable that calls [`crate::compile_child`] with the arguments that follow its own, such as the `airlock`
    /// binary.
    pub program: PathBuf,
    /// What precedes the child's own arguments, such as `compile-module`.
    pub arguments: Vec<OsString>,
    /// Seconds of CPU time.
    pub cpu_seconds: u64,
    /// Bytes of address space.
    pub address_space_bytes: u64,
    /// Time from start to end.
    pub wall: Duration,
    /// Bytes of machine code.
    pub artifact_bytes: u64,
    /// Processes that compile at once, for all tenants. A tenant has one.
    pub processes: usize,
}

impl CompileOptions {
    /// The defaults, with this executable.
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().collect(),
            cpu_seconds: 120,
            address_space_bytes: 4 << 30,
            // Only for a compiler that hangs: on a busy machine a second of CPU time takes long.
            wall: Duration::from_secs(600),
            artifact_bytes: 256 << 20,
            processes: 2,
        }
    }
}

/// Bytes of what a child says of its failure.
const MESSAGE_BYTES: u64 = 16 << 10;

#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The module's fault.
    #[error("the module cannot be compiled: {0}")]
    Refused(String),
    /// The host's fault.
    #[error("cannot run the compiler `{}`: {source}", program.display())]
    Process { program: PathBuf, source: std::io::Error },
    #[error("the compiler's process failed: {0}")]
    Failed(String),
}

pub(crate) struct Compiler {
    options: CompileOptions,
    all: Semaphore,
    tenants: Mutex<HashMap<TenantId, Weak<Semaphore>>>,
}

impl Compiler {
    pub(crate) fn new(options: CompileOptions) -> Self {
        let all = Semaphore::new(options.processes);
        Self { options, all, tenants: Mutex::default() }
    }

    fn tenant(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = tenants.get(&tenant).and_then(Weak::upgrade) {
            return turn;
        }
        tenants.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        tenants.insert(tenant, Arc::downgrade(&turn));
        turn
    }

    /// Waits for the tenant's turn and compiles. Dropping the future kills the process.
    pub(crate) async fn compile(&self, tenant: TenantId, module: &Path) -> Result<Vec<u8>, CompileError> {
        let closed = |_| CompileError::Failed("the host is stopping".to_owned());
        let turn = self.tenant(tenant);
        let _turn = turn.acquire().await.map_err(closed)?;
        let _process = self.all.acquire().await.map_err(closed)?;
        match tokio::time::timeout(self.options.wall, self.run(module)).await {
            Ok(result) => result,
            Err(_) => Err(CompileError::Refused(format!(
                "the compiler took longer than {:?}; make the module smaller",
                self.options.wall
            ))),
        }
    }

    async fn run(&self, module: &Path) -> Result<Vec<u8>, CompileError> {
        let options = &self.options;
        let process = |source| CompileError::Process { program: options.program.clone(), source };
        let module = std::fs::File::open(module).map_err(process)?;
        let mut child = Command::new(&options.program)
            .args(&options.arguments)
            .arg(options.cpu_seconds.to_string())
            .arg(options.address_space_bytes.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(module))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(process)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // Too much of one ends the wait for the other: the child would block on a pipe that nobody reads.
        let artifact = async {
            let artifact = read(stdout, options.artifact_bytes).await;
            if artifact.len() as u64 > options.artifact_bytes {
                let limit = options.artifact_bytes;
                let reason = format!("its machine code is larger than {limit} bytes; make the module smaller");
                return Err(CompileError::Refused(reason));
            }
            Ok(artifact)
        };
        let message = async { Ok::<_, CompileError>(read(stderr, MESSAGE_BYTES).await) };
        let (artifact, message) = tokio::try_join!(artifact, message)?;
        let status = child.wait().await.map_err(process)?;
        if status.success() {
            return Ok(artifact);
        }
        Err(self.failure(status, String::from_utf8_lossy(&message).trim()))
    }

    /// A child that was killed met a limit, or broke on the module; either is the module's doing.
    fn failure(&self, status: ExitStatus, message: &str) -> CompileError {
        use std::os::unix::process::ExitStatusExt;
        let options = &self.options;
        if status.code() == Some(child::REFUSED.into()) {
            return CompileError::Refused(message.to_owned());
        }
        let Some(signal) = status.signal() else {
            return CompileError::Failed(format!("{status}: {message}"));
        };
        let (cpu, memory) = (options.cpu_seconds, options.address_space_bytes >> 20);
        if signal == rustix::process::Signal::XCPU.as_raw() || signal == rustix::process::Signal::KILL.as_raw() {
            return CompileError::Refused(format!(
                "the compiler needed more than {cpu} seconds of CPU time; make the module smaller, or its functions"
            ));
        }
        let last = message.lines().last().unwrap_or_default();
        CompileError::Refused(format!(
            "the compiler gave up on it, most likely for want of memory ({memory} MiB are allowed): {status} {last}"
        ))
    }
}

/// At most one byte more than `limit`, so that more can be told from enough.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // A pipe that breaks has ended; the exit status says why.
        let _ = pipe.take(limit + 1).read_to_end(&mut bytes).await;
    }
    bytes
}
