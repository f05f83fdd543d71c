//! The sandbox and what it reaches, put together from crates that do not know each other.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock_api::{AdmittedModule, ConnectionTester, ModuleFault, ModuleInspector, OpenConnection};
use airlock_blobs::Blobs;
use airlock_core::digest::Digest;
use airlock_core::id::TenantId;
use airlock_core::limits::{Grants, TenantPolicy};
use airlock_core::mask;
use airlock_hooks::{Hooks, Options};
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::task::{Connection, ConnectionInfo};
use airlock_sandbox::egress::Gate;
use airlock_sandbox::inspect::InspectOptions;
use airlock_sandbox::{AdmitError, CompileOptions, EngineOptions, ModuleSource, Sandbox, SandboxOptions};
use airlock_worker::VaultConnections;
use anyhow::{Context, Result};
use async_trait::async_trait;

use super::parts::Parts;
use crate::config::Config;

/// How many modules are kept ready in memory.
const READY_MODULES: usize = 256;

/// What runs operators, and what they reach.
pub struct Execution {
    pub sandbox: Arc<Sandbox>,
    pub hooks: Arc<Hooks>,
}

impl Execution {
    pub fn new(parts: &Parts, config: &Config) -> Result<Self> {
        let connections = VaultConnections::new(parts.store.clone(), parts.vault.clone());
        let hooks = Hooks::new(Arc::new(connections), Options::default());
        Ok(Self { sandbox: sandbox(&parts.blobs, config)?, hooks: Arc::new(hooks) })
    }
}

fn sandbox(blobs: &Blobs, config: &Config) -> Result<Arc<Sandbox>> {
    let program =
        std::env::current_exe().context("cannot find this very program, which compiles modules in a child")?;
    let sandbox = Sandbox::new(SandboxOptions {
        modules: Arc::new(Modules(blobs.clone())),
        artifacts: config.compiled(),
        scratch: blobs.scratch_folder(),
        compile: CompileOptions::new(program, [OsString::from("compile-module")]),
        inspect: InspectOptions::default(),
        engine: EngineOptions::default(),
        ready_modules: READY_MODULES,
        gate: Gate::default(),
    })?;
    Ok(Arc::new(sandbox))
}

/// The sandbox reads modules where the API keeps them, and fetches those that are elsewhere.
struct Modules(Blobs);

#[async_trait]
impl ModuleSource for Modules {
    async fn file(&self, module: Digest) -> io::Result<PathBuf> {
        let found = self.0.module(module).await.map_err(io::Error::other)?;
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The API admits modules by the sandbox.
pub struct Inspector(pub Arc<Sandbox>);

#[async_trait]
impl ModuleInspector for Inspector {
    async fn admit(&self, tenant: TenantId, file: &Path) -> Result<AdmittedModule, ModuleFault> {
        let admitted = self.0.admit(tenant, file).await.map_err(|error| match error {
            AdmitError::Full(reason) => ModuleFault::Full(reason),
            error if error.is_modules_fault() => ModuleFault::Unfit(error.to_string()),
            error => ModuleFault::Host(error.to_string()),
        })?;
        Ok(AdmittedModule {
            name: admitted.name,
            version: admitted.version,
            kind: admitted.kind,
            summary: admitted.summary,
            documentation: admitted.documentation,
            arguments_schema: admitted.arguments_schema,
            template_fields: admitted.template_fields,
            imports: admitted.imports,
        })
    }
}

/// The API tries connections out by the hooks.
pub struct Tester(pub Arc<Hooks>);

#[async_trait]
impl ConnectionTester for Tester {
    async fn test(
        &self,
        tenant: TenantId,
        policy: &TenantPolicy,
        connection: &OpenConnection,
    ) -> Result<String, String> {
        // A person asks, not a task: the tenant's own policy is the only bound.
        let everything = Arc::new(Grants(["*".to_owned()].into()));
        let caller = Caller {
            tenant,
            egress: Arc::new(policy.egress.clone()),
            host_folders: Arc::new(policy.host_folders.clone()),
            tenant_grants: everything.clone(),
            task_grants: everything,
        };
        let connection = Connection {
            info: ConnectionInfo {
                conn_id: connection.conn_id.clone(),
                conn_type: connection.conn_type.clone(),
                description: None,
                host: connection.host.clone(),
                login: connection.login.clone(),
                schema: connection.schema.clone(),
                port: connection.port,
                extra: mask::without_secrets(&connection.extra),
            },
            password: connection.password.clone(),
            extra: connection.extra.clone(),
        };
        self.0.test_connection(&caller, &connection).await
    }
}
