//! Variables, connections and pools.

use airlock_core::id::TenantId;
use async_trait::async_trait;

use crate::{Page, Paged, Pattern, StoreResult};

/// A value as it lies in the database: encrypted by the vault, which alone can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// What a sealed value is; the vault binds the value to it, so that it opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedKind {
    Variable,
    ConnectionPassword,
    ConnectionExtra,
}

impl SealedKind {
    /// What the vault is told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Variable => "variable",
            Self::ConnectionPassword => "connection.password",
            Self::ConnectionExtra => "connection.extra",
        }
    }
}

/// Where a sealed value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedPlace<'a> {
    pub tenant: TenantId,
    pub kind: SealedKind,
    /// The variable's key, or the connection's id.
    pub name: &'a str,
}

/// Seals a value again; the error ends the transaction.
pub type Reseal<'a> = dyn Fn(SealedPlace<'_>, &Sealed) -> Result<Sealed, String> + Send + Sync + 'a;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableRow {
    pub key: String,
    pub value: Sealed,
    pub description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    pub conn_id: String,
    pub conn_type: String,
    pub description: Option<String>,
    pub host: Option<String>,
    pub login: Option<String>,
    pub schema: Option<String>,
    pub port: Option<u16>,
    pub password: Option<Sealed>,
    /// The whole JSON object: which of its members are secret is not for the database to know.
    pub extra: Option<Sealed>,
}

pub const DEFAULT_POOL: &str = "default_pool";
pub const DEFAULT_POOL_SLOTS: i32 = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRow {
    pub name: String,
    /// -1: without bound.
    pub slots: i32,
    pub description: Option<String>,
    pub include_deferred: bool,
}

/// What holds or waits for a pool's slots, in slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolUse {
    pub queued: u64,
    pub running: u64,
    pub deferred: u64,
    pub scheduled: u64,
}

#[async_trait]
pub trait Settings: Send + Sync {
    /// Makes or replaces.
    async fn put_variable(&self, tenant: TenantId, variable: &VariableRow) -> StoreResult<()>;
    /// `AlreadyExists` if the key is taken.
    async fn create_variable(&self, tenant: TenantId, variable: &VariableRow) -> StoreResult<()>;
    async fn variable(&self, tenant: TenantId, key: &str) -> StoreResult<Option<VariableRow>>;
    /// Orders by `key` (default), `_id`... of Airflow map to `key`.
    async fn list_variables(&self, tenant: TenantId, pattern: &Pattern, page: &Page)
    -> StoreResult<Paged<VariableRow>>;
    async fn delete_variable(&self, tenant: TenantId, key: &str) -> StoreResult<bool>;

    async fn put_connection(&self, tenant: TenantId, connection: &ConnectionRow) -> StoreResult<()>;
    async fn create_connection(&self, tenant: TenantId, connection: &ConnectionRow) -> StoreResult<()>;
    async fn connection(&self, tenant: TenantId, conn_id: &str) -> StoreResult<Option<ConnectionRow>>;
    async fn list_connections(
        &self,
        tenant: TenantId,
        pattern: &Pattern,
        page: &Page,
    ) -> StoreResult<Paged<ConnectionRow>>;
    async fn delete_connection(&self, tenant: TenantId, conn_id: &str) -> StoreResult<bool>;

    /// Every tenant has `default_pool` with 128 slots from its creation.
    async fn put_pool(&self, tenant: TenantId, pool: &PoolRow) -> StoreResult<()>;
    async fn create_pool(&self, tenant: TenantId, pool: &PoolRow) -> StoreResult<()>;
    async fn pool(&self, tenant: TenantId, name: &str) -> StoreResult<Option<(PoolRow, PoolUse)>>;
    async fn list_pools(
        &self,
        tenant: TenantId,
        pattern: &Pattern,
        page: &Page,
    ) -> StoreResult<Paged<(PoolRow, PoolUse)>>;
    /// The default pool cannot be deleted (`Conflict`).
    async fn delete_pool(&self, tenant: TenantId, name: &str) -> StoreResult<bool>;

    /// Every sealed value of every tenant goes through `reseal` once, in one transaction: how keys are rotated.
    async fn reseal(&self, reseal: &Reseal<'_>) -> StoreResult<u64>;
}
