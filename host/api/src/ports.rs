//! What the API asks of the sandbox and of the hooks, without knowing either: the binary adapts them.

use std::path::Path;

use airlock_core::dag::OperatorKind;
use airlock_core::id::TenantId;
use airlock_core::limits::TenantPolicy;
use async_trait::async_trait;
use serde_json::{Map, Value};

/// What an uploaded module says of itself, after it was found to be fit to run.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmittedModule {
    pub name: String,
    /// A semantic version.
    pub version: String,
    pub kind: OperatorKind,
    pub summary: String,
    pub documentation: Option<String>,
    /// A JSON Schema of the object of arguments.
    pub arguments_schema: Value,
    pub template_fields: Vec<String>,
    /// The interfaces that it imports, such as `airlock:operator/sql@0.1.0`.
    pub imports: Vec<String>,
}

/// Why a module was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleFault {
    /// It is no component of the operator world, or breaks a limit; the text says which and where.
    #[error("{0}")]
    Unfit(String),
    /// It could not be inspected at the moment, through no fault of its own.
    #[error("{0}")]
    Busy(String),
    /// The disk has no room for what is made of it.
    #[error("{0}")]
    Full(String),
    /// Something of the host failed.
    #[error("{0}")]
    Host(String),
}

/// Decides whether an uploaded file is an operator: inspects it, compiles it within limits, and runs its `describe`.
#[async_trait]
pub trait ModuleInspector: Send + Sync {
    async fn admit(&self, tenant: TenantId, file: &Path) -> Result<AdmittedModule, ModuleFault>;
}

/// The media type of [`MetricsSource::text`].
pub const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What this process measures.
#[async_trait]
pub trait MetricsSource: Send + Sync {
    /// As Prometheus reads it.
    async fn text(&self) -> String;
}

/// A connection with its secrets in the clear, to be tried and forgotten. Has no `Debug`, so that no log ever shows it.
#[derive(Clone)]
pub struct OpenConnection {
    pub conn_id: String,
    pub conn_type: String,
    pub host: Option<String>,
    pub login: Option<String>,
    pub schema: Option<String>,
    pub port: Option<u16>,
    pub password: Option<String>,
    pub extra: Map<String, Value>,
}

/// Tries a connection out, under the tenant's policy on where it may lead.
#[async_trait]
pub trait ConnectionTester: Send + Sync {
    /// What was reached, or why nothing was: a text without secrets, for people.
    async fn test(
        &self,
        tenant: TenantId,
        policy: &TenantPolicy,
        connection: &OpenConnection,
    ) -> Result<String, String>;
}
