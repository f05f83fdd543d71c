//! Tenants, their users, and the tokens that name both.

pub use airlock_core::access::Role;
use airlock_core::id::TenantId;
use airlock_core::limits::TenantPolicy;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::StoreResult;

#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    pub id: TenantId,
    /// 1 to 63 of `a-z 0-9 -`.
    pub name: String,
    pub policy: TenantPolicy,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub tenant: TenantId,
    pub username: String,
    /// A PHC string (argon2id).
    pub password_hash: String,
    pub role: Role,
    /// May make tenants and set their policies. Only users of the tenant `default` can.
    pub platform_admin: bool,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: Uuid,
    pub tenant: TenantId,
    pub username: String,
    /// A word for people; empty for tokens that a login made.
    pub name: String,
    pub role: Role,
    pub platform_admin: bool,
    /// SHA-256 of the token's text, which is stored nowhere.
    pub hash: [u8; 32],
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

#[async_trait]
pub trait Tenants: Send + Sync {
    async fn create_tenant(&self, name: &str, policy: &TenantPolicy, now: DateTime<Utc>) -> StoreResult<Tenant>;
    async fn tenant(&self, id: TenantId) -> StoreResult<Option<Tenant>>;
    async fn tenant_by_name(&self, name: &str) -> StoreResult<Option<Tenant>>;
    async fn list_tenants(&self) -> StoreResult<Vec<Tenant>>;
    async fn set_tenant_policy(&self, id: TenantId, policy: &TenantPolicy) -> StoreResult<()>;

    async fn create_user(&self, user: &User) -> StoreResult<()>;
    async fn user(&self, tenant: TenantId, username: &str) -> StoreResult<Option<User>>;
    async fn list_users(&self, tenant: TenantId) -> StoreResult<Vec<User>>;
    async fn set_user_password(&self, tenant: TenantId, username: &str, password_hash: &str) -> StoreResult<bool>;
    /// Removes the user's tokens too.
    async fn delete_user(&self, tenant: TenantId, username: &str) -> StoreResult<bool>;

    async fn create_token(&self, token: &Token) -> StoreResult<()>;
    /// The token with this hash, unless it has expired.
    async fn token_by_hash(&self, hash: &[u8; 32], now: DateTime<Utc>) -> StoreResult<Option<Token>>;
    async fn list_tokens(&self, tenant: TenantId) -> StoreResult<Vec<Token>>;
    async fn delete_token(&self, tenant: TenantId, id: Uuid) -> StoreResult<bool>;
    async fn delete_expired_tokens(&self, now: DateTime<Utc>) -> StoreResult<u64>;
}
