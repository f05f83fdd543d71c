//! Modules that are ready to be started: compiled once, loaded once, and kept while they are in use.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use airlock_core::digest::Digest;
use airlock_core::id::TenantId;
use async_trait::async_trait;
use tokio::sync::OnceCell;
use wasmtime::component::Linker;

use crate::bindings::OperatorPre;
use crate::compile::artifact::{Artifacts, Sealed};
use crate::compile::load::load;
use crate::compile::{CompileError, Compiler};
use crate::engine::{self, Runtime};
use crate::run::Prepared;
use crate::run::state::CallState;

/// Where the bytes of uploaded modules lie.
#[async_trait]
pub trait ModuleSource: Send + Sync {
    /// A file with this module's bytes. An error of the kind `NotFound` says that there is no such module.
    async fn file(&self, module: Digest) -> std::io::Result<PathBuf>;
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    #[error("there is no module {0}")]
    Missing(Digest),
    #[error("cannot read module {module}: {source}")]
    Read { module: Digest, source: std::io::Error },
    #[error("cannot keep compiled code: {0}")]
    Artifact(std::io::Error),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("cannot load compiled code: {0}")]
    Load(String),
    #[error("its imports or exports do not fit this host: {0}")]
    Link(String),
    #[error("the host is stopping")]
    Stopping,
}

pub(crate) struct Modules {
    runtime: Arc<Runtime>,
    linker: Linker<CallState>,
    compiler: Compiler,
    artifacts: Arc<Artifacts>,
    source: Arc<dyn ModuleSource>,
    capacity: usize,
    cache: Mutex<HashMap<Digest, Cached>>,
    clock: AtomicU64,
}

struct Cached {
    /// Filled by the first who asks, while the others wait.
    module: Arc<OnceCell<Arc<Prepared>>>,
    last_used: u64,
}

impl Modules {
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        linker: Linker<CallState>,
        compiler: Compiler,
        artifacts: Artifacts,
        source: Arc<dyn ModuleSource>,
        capacity: usize,
    ) -> Self {
        Self {
            runtime,
            linker,
            compiler,
            artifacts: Arc::new(artifacts),
            source,
            capacity,
            cache: Mutex::default(),
            clock: AtomicU64::new(0),
        }
    }

    /// The module, from memory, from the cache of compiled code, or else compiled at the tenant's cost.
    pub(crate) async fn get(&self, tenant: TenantId, digest: Digest) -> Result<Arc<Prepared>, PrepareError> {
        let module = self.cached(digest);
        if let Some(module) = module.get() {
            return Ok(module.clone());
        }
        let prepare = async {
            let file = self.source.file(digest).await.map_err(|source| match source.kind() {
                std::io::ErrorKind::NotFound => PrepareError::Missing(digest),
                _ => PrepareError::Read { module: digest, source },
            })?;
            self.prepare(tenant, digest, &file).await.map(Arc::new)
        };
        module.get_or_try_init(|| prepare).await.cloned()
    }

    /// The same for a file that is not among the modules yet; it is not kept in memory.
    pub(crate) async fn prepare(
        &self,
        tenant: TenantId,
        digest: Digest,
        file: &Path,
    ) -> Result<Prepared, PrepareError> {
        if let Some(artifact) = self.read_artifact(digest).await? {
            match self.load(artifact).await {
                // The seal was whole, so an engine that this key did not tell apart made it.
                Err(PrepareError::Load(error)) => {
                    tracing::warn!(module.digest = %digest, "compiled code of module {digest} is made again: {error}");
                }
                other => return other,
            }
        }
        let code = self.compiler.compile(tenant, file).await?;
        let artifacts = self.artifacts.clone();
        let artifact = blocking(move || artifacts.write(&digest, code)).await?.map_err(PrepareError::Artifact)?;
        self.load(artifact).await
    }

    /// Forgets what was compiled for a module that was not admitted.
    pub(crate) async fn forget(&self, digest: Digest) -> Result<(), PrepareError> {
        let artifacts = self.artifacts.clone();
        blocking(move || artifacts.remove(&digest)).await?.map_err(PrepareError::Artifact)
    }

    async fn read_artifact(&self, digest: Digest) -> Result<Option<Sealed>, PrepareError> {
        let artifacts = self.artifacts.clone();
        blocking(move || artifacts.read(&digest)).await?.map_err(PrepareError::Artifact)
    }

    async fn load(&self, artifact: Sealed) -> Result<Prepared, PrepareError> {
        let engine = self.runtime.engine.clone();
        let component = blocking(move || load(&engine, &artifact))
            .await?
            .map_err(|error| PrepareError::Load(format!("{error:#}")))?;
        let link = |error: wasmtime::Error| PrepareError::Link(format!("{error:#}"));
        let weight = engine::weight(&component);
        let operator = self.linker.instantiate_pre(&component).and_then(OperatorPre::new).map_err(link)?;
        Ok(Prepared { operator, weight })
    }

    fn cached(&self, digest: Digest) -> Arc<OnceCell<Arc<Prepared>>> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cache.get_mut(&digest) {
            cached.last_used = now;
            return cached.module.clone();
        }
        // Looking through all of them is cheap beside loading one, which is what comes next.
        while cache.len() >= self.capacity.max(1) {
            let oldest = cache.iter().min_by_key(|(_, cached)| cached.last_used).map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                cache.remove(&oldest);
            }
        }
        let module = Arc::new(OnceCell::new());
        cache.insert(digest, Cached { module: module.clone(), last_used: now });
        module
    }
}

/// Work on files, or in proportion to a module's size.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PrepareError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| PrepareError::Stopping)
}
