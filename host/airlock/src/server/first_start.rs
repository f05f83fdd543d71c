//! What a new database lacks: a tenant, somebody who may do everything, and a token for whoever may read the server's files.

use airlock_api::{NewToken, hash_password, hash_token, random_password};
use airlock_core::id::TenantId;
use airlock_core::limits::TenantPolicy;
use airlock_store::StoreError;
use airlock_store::tenants::{Role, Token, User};
use anyhow::{Context, Result};
use uuid::Uuid;

use super::parts::Parts;
use crate::client::{self, Credentials};
use crate::config::Config;

const TENANT: &str = "default";
const ADMINISTRATOR: &str = "admin";

/// Makes the tenant `default` and its user `admin`, whose password is printed once. Answers the tenant.
pub async fn people(parts: &Parts) -> Result<TenantId> {
    let tenant = match parts.store.tenant_by_name(TENANT).await? {
        Some(tenant) => tenant,
        None => match parts.store.create_tenant(TENANT, &TenantPolicy::default(), parts.now()).await {
            // Two processes may start at once on one database.
            Err(StoreError::AlreadyExists { .. }) => {
                parts.store.tenant_by_name(TENANT).await?.context("the tenant is there and is not there")?
            }
            made => made?,
        },
    };
    if parts.store.list_users(tenant.id).await?.is_empty() {
        let password = random_password().map_err(no_randomness)?;
        let made = parts.store.create_user(&administrator(tenant.id, hash_password(&password)?, parts)).await;
        match made {
            Ok(()) => {
                eprintln!("the user `{ADMINISTRATOR}` was made, with the password {password} - it is not shown again")
            }
            Err(StoreError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(tenant.id)
}

fn administrator(tenant: TenantId, password_hash: String, parts: &Parts) -> User {
    User {
        tenant,
        username: ADMINISTRATOR.to_owned(),
        password_hash,
        role: Role::Admin,
        platform_admin: true,
        created_at: parts.now(),
    }
}

/// Leaves an address and a token of the administrator in the home folder, for client commands on this machine. The token of
/// an earlier start goes on; it is made anew where the file is missing or the token is not valid.
pub async fn credentials(parts: &Parts, config: &Config, tenant: TenantId, url: &str) -> Result<Credentials> {
    let file = client::server_file(&config.home());
    let kept = client::read(&file)?.and_then(|credentials| credentials.token);
    let text = match kept {
        Some(text) if parts.store.token_by_hash(&hash_token(&text), parts.now()).await?.is_some() => text,
        _ => make_token(parts, tenant).await?,
    };
    let credentials = Credentials { url: url.to_owned(), token: Some(text) };
    client::remember(&file, &credentials)?;
    Ok(credentials)
}

async fn make_token(parts: &Parts, tenant: TenantId) -> Result<String> {
    let new = NewToken::random().map_err(no_randomness)?;
    let token = Token {
        id: Uuid::now_v7(),
        tenant,
        username: ADMINISTRATOR.to_owned(),
        name: "commands on the server's machine".to_owned(),
        role: Role::Admin,
        platform_admin: true,
        hash: new.hash,
        created_at: parts.now(),
        expires_at: None,
    };
    parts.store.create_token(&token).await?;
    Ok(new.text)
}

fn no_randomness<E>(_: E) -> anyhow::Error {
    anyhow::anyhow!("the system has no randomness to give")
}
