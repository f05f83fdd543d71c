//! Tenants, users and tokens.

use airlock_core::access::Role;
use airlock_core::limits::TenantPolicy;
use airlock_store::tenants::{Tenant, Token, User};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Serialize, ToSchema)]
pub struct TenantResponse {
    name: String,
    #[schema(value_type = Object)]
    policy: TenantPolicy,
    created_at: DateTime<Utc>,
    /// Only where a tenant was made together with its first user.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<NewAdmin>,
}

/// The first user of a new tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewAdmin {
    pub username: String,
    /// Only where it was made up by the server: it is told this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl TenantResponse {
    pub fn new(tenant: Tenant, admin: Option<NewAdmin>) -> Self {
        Self { name: tenant.name, policy: tenant.policy, created_at: tenant.created_at, admin }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TenantCollection {
    pub tenants: Vec<TenantResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantBody {
    /// 1 to 63 of `a-z 0-9 -`.
    pub name: String,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub policy: Option<TenantPolicy>,
    /// Makes the tenant's first user, an administrator of it.
    #[serde(default)]
    pub admin: Option<AdminBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminBody {
    pub username: String,
    /// One is made up if none is given.
    #[serde(default)]
    pub password: Option<String>,
}

impl std::fmt::Debug for AdminBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AdminBody({})", self.username)
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UserResponse {
    username: String,
    #[schema(value_type = String)]
    role: Role,
    platform_admin: bool,
    created_at: DateTime<Utc>,
}

impl From<User> for UserResponse {
    fn from(user: User) -> Self {
        Self {
            username: user.username,
            role: user.role,
            platform_admin: user.platform_admin,
            created_at: user.created_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UserCollection {
    pub users: Vec<UserResponse>,
    pub total_entries: u64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserBody {
    /// 1 to 128 characters without white space or `/`.
    pub username: String,
    pub password: String,
    #[schema(value_type = String)]
    pub role: Role,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    pub password: String,
    /// Needed for one's own.
    #[serde(default)]
    pub current_password: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TokenResponse {
    id: Uuid,
    name: String,
    username: String,
    #[schema(value_type = String)]
    role: Role,
    created_at: DateTime<Utc>,
    /// None: it does not expire.
    expires_at: Option<DateTime<Utc>>,
    /// The token itself: only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl TokenResponse {
    pub fn new(token: Token, text: Option<String>) -> Self {
        Self {
            id: token.id,
            name: token.name,
            username: token.username,
            role: token.role,
            created_at: token.created_at,
            expires_at: token.expires_at,
            token: text,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TokenCollection {
    pub tokens: Vec<TokenResponse>,
    pub total_entries: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// A word for people.
    pub name: String,
    /// Not above the role of the token that asks; that one, if none is given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// Seconds; without it, the token does not expire.
    #[serde(default)]
    pub expires_in: Option<u32>,
}

/// Who a token belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhoAmI {
    pub tenant: String,
    pub username: String,
    #[schema(value_type = String)]
    pub role: Role,
    pub platform_admin: bool,
}
