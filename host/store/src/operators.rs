//! The catalogue of uploaded operators.

use airlock_core::dag::OperatorKind;
use airlock_core::id::TenantId;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::StoreResult;

/// One version of an operator. The module itself is a blob under its digest.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorRow {
    pub name: String,
    pub version: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    pub size: u64,
    pub kind: OperatorKind,
    pub summary: String,
    pub documentation: Option<String>,
    pub arguments_schema: Value,
    pub template_fields: Vec<String>,
    /// The interfaces that the module imports, such as `airlock:operator/sql@0.1.0`.
    pub imports: Vec<String>,
    /// A yanked version is not resolved for new DAG versions; those that have it keep it.
    pub yanked: bool,
    pub uploaded_by: Option<String>,
    pub uploaded_at: DateTime<Utc>,
}

#[async_trait]
pub trait Operators: Send + Sync {
    /// Answers false, and changes nothing, if this very version with this digest is there already; `Conflict` if the version
    /// has another digest: a version never changes its content.
    async fn create_operator(&self, tenant: TenantId, operator: &OperatorRow) -> StoreResult<bool>;
    async fn operator(&self, tenant: TenantId, name: &str, version: &str) -> StoreResult<Option<OperatorRow>>;
    /// By name, and the newest version first, by semantic version.
    async fn list_operators(&self, tenant: TenantId) -> StoreResult<Vec<OperatorRow>>;
    async fn set_operator_yanked(&self, tenant: TenantId, name: &str, version: &str, yanked: bool)
    -> StoreResult<bool>;
    /// Whether any tenant's catalogue has this digest: a module that nobody has can go.
    async fn digest_in_use(&self, digest: &str) -> StoreResult<bool>;
    /// Whether this tenant may run this digest.
    async fn tenant_has_digest(&self, tenant: TenantId, digest: &str) -> StoreResult<bool>;
}
