//! Tenants, users and tokens.

use airlock_core::id::TenantId;
use airlock_core::limits::TenantPolicy;
use airlock_store::settings::{DEFAULT_POOL, DEFAULT_POOL_SLOTS};
use airlock_store::tenants::{Tenant, Tenants, Token, User};
use airlock_store::{StoreError, StoreResult};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::row::Columns;

#[async_trait]
impl Tenants for PostgresStore {
    async fn create_tenant(&self, name: &str, policy: &TenantPolicy, now: DateTime<Utc>) -> StoreResult<Tenant> {
        Ok(create_tenant(self, name, policy, now).await?)
    }

    async fn tenant(&self, id: TenantId) -> StoreResult<Option<Tenant>> {
        let rows = sqlx::query("SELECT * FROM tenants WHERE tenant_id = $1").bind(id.0);
        let row = rows.fetch_optional(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(tenant_row).transpose()?)
    }

    async fn tenant_by_name(&self, name: &str) -> StoreResult<Option<Tenant>> {
        let rows = sqlx::query("SELECT * FROM tenants WHERE name = $1").bind(name);
        let row = rows.fetch_optional(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(tenant_row).transpose()?)
    }

    async fn list_tenants(&self) -> StoreResult<Vec<Tenant>> {
        let rows = sqlx::query("SELECT * FROM tenants ORDER BY name");
        let rows = rows.fetch_all(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(rows.iter().map(tenant_row).collect::<Result<_>>()?)
    }

    async fn set_tenant_policy(&self, id: TenantId, policy: &TenantPolicy) -> StoreResult<()> {
        let policy = serde_json::to_string(policy).map_err(Failure::from)?;
        let update = sqlx::query("UPDATE tenants SET policy = $2::json WHERE tenant_id = $1").bind(id.0).bind(policy);
        match update.execute(&mut *self.connection().await?).await.map_err(Failure::from)?.rows_affected() {
            0 => Err(StoreError::NotFound { what: "tenant", key: id.to_string() }),
            _ => Ok(()),
        }
    }

    async fn create_user(&self, user: &User) -> StoreResult<()> {
        let insert = sqlx::query(
            "INSERT INTO users (tenant_id, username, password_hash, role, platform_admin, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(user.tenant.0)
        .bind(&user.username)
        .bind(&user.password_hash)
        .bind(user.role.as_str())
        .bind(user.platform_admin)
        .bind(user.created_at);
        let done = insert.execute(&mut *self.connection().await?).await.map_err(Failure::from);
        done.map_err(|failure| {
            failure.or_exists("user", &user.username).or_missing("tenant", &user.tenant.to_string())
        })?;
        Ok(())
    }

    async fn user(&self, tenant: TenantId, username: &str) -> StoreResult<Option<User>> {
        let rows =
            sqlx::query("SELECT * FROM users WHERE tenant_id = $1 AND username = $2").bind(tenant.0).bind(username);
        let row = rows.fetch_optional(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(user_row).transpose()?)
    }

    async fn list_users(&self, tenant: TenantId) -> StoreResult<Vec<User>> {
        let rows = sqlx::query("SELECT * FROM users WHERE tenant_id = $1 ORDER BY username").bind(tenant.0);
        let rows = rows.fetch_all(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(rows.iter().map(user_row).collect::<Result<_>>()?)
    }

    async fn set_user_password(&self, tenant: TenantId, username: &str, password_hash: &str) -> StoreResult<bool> {
        let update = sqlx::query("UPDATE users SET password_hash = $3 WHERE tenant_id = $1 AND username = $2")
            .bind(tenant.0)
            .bind(username)
            .bind(password_hash);
        let done = update.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn delete_user(&self, tenant: TenantId, username: &str) -> StoreResult<bool> {
        let delete =
            sqlx::query("DELETE FROM users WHERE tenant_id = $1 AND username = $2").bind(tenant.0).bind(username);
        let done = delete.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn create_token(&self, token: &Token) -> StoreResult<()> {
        let insert = sqlx::query(
            "INSERT INTO tokens (tenant_id, token_id, username, name, role, platform_admin, hash, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(token.tenant.0)
        .bind(token.id)
        .bind(&token.username)
        .bind(&token.name)
        .bind(token.role.as_str())
        .bind(token.platform_admin)
        .bind(token.hash.as_slice())
        .bind(token.created_at)
        .bind(token.expires_at);
        let done = insert.execute(&mut *self.connection().await?).await.map_err(Failure::from);
        done.map_err(|failure| failure.or_exists("token", &token.id.to_string()).or_missing("user", &token.username))?;
        Ok(())
    }

    async fn token_by_hash(&self, hash: &[u8; 32], now: DateTime<Utc>) -> StoreResult<Option<Token>> {
        let rows = sqlx::query("SELECT * FROM tokens WHERE hash = $1 AND (expires_at IS NULL OR expires_at > $2)")
            .bind(hash.as_slice())
            .bind(now);
        let row = rows.fetch_optional(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(token_row).transpose()?)
    }

    async fn list_tokens(&self, tenant: TenantId) -> StoreResult<Vec<Token>> {
        let rows =
            sqlx::query("SELECT * FROM tokens WHERE tenant_id = $1 ORDER BY created_at, token_id").bind(tenant.0);
        let rows = rows.fetch_all(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(rows.iter().map(token_row).collect::<Result<_>>()?)
    }

    async fn delete_token(&self, tenant: TenantId, id: Uuid) -> StoreResult<bool> {
        let delete = sqlx::query("DELETE FROM tokens WHERE tenant_id = $1 AND token_id = $2").bind(tenant.0).bind(id);
        let done = delete.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn delete_expired_tokens(&self, now: DateTime<Utc>) -> StoreResult<u64> {
        let delete = sqlx::query("DELETE FROM tokens WHERE expires_at <= $1").bind(now);
        let done = delete.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected())
    }
}

async fn create_tenant(store: &PostgresStore, name: &str, policy: &TenantPolicy, now: DateTime<Utc>) -> Result<Tenant> {
    let mut transaction = store.begin().await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO tenants (name, policy, created_at) VALUES ($1, $2::json, $3) RETURNING tenant_id",
    )
    .bind(name)
    .bind(serde_json::to_string(policy)?)
    .bind(now)
    .fetch_one(&mut *transaction)
    .await
    .map_err(|error| Failure::from(error).or_exists("tenant", name))?;
    sqlx::query(
        "INSERT INTO pools (tenant_id, name, slots, description, include_deferred) VALUES ($1, $2, $3, $4, false)",
    )
    .bind(id)
    .bind(DEFAULT_POOL)
    .bind(i64::from(DEFAULT_POOL_SLOTS))
    .bind("Default pool")
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Tenant { id: TenantId(id), name: name.to_owned(), policy: policy.clone(), created_at: now })
}

fn tenant_row(row: &PgRow) -> Result<Tenant> {
    Ok(Tenant {
        id: TenantId(row.get("tenant_id")?),
        name: row.get("name")?,
        policy: row.json("policy")?,
        created_at: row.get("created_at")?,
    })
}

fn user_row(row: &PgRow) -> Result<User> {
    Ok(User {
        tenant: TenantId(row.get("tenant_id")?),
        username: row.get("username")?,
        password_hash: row.get("password_hash")?,
        role: row.name("role")?,
        platform_admin: row.get("platform_admin")?,
        created_at: row.get("created_at")?,
    })
}

fn token_row(row: &PgRow) -> Result<Token> {
    let hash: Vec<u8> = row.get("hash")?;
    Ok(Token {
        id: row.get("token_id")?,
        tenant: TenantId(row.get("tenant_id")?),
        username: row.get("username")?,
        name: row.get("name")?,
        role: row.name("role")?,
        platform_admin: row.get("platform_admin")?,
        hash: hash.try_into().map_err(|_| Failure::damaged("a token's hash has not 32 bytes"))?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
    })
}
