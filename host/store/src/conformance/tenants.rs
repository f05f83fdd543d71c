//! Tenants, users and tokens.

use airlock_core::id::TenantId;
use airlock_core::limits::TenantPolicy;
use uuid::Uuid;

use super::fixture::{at, tenant};
use crate::settings::{DEFAULT_POOL, DEFAULT_POOL_SLOTS};
use crate::tenants::{Role, Token, User};
use crate::{Store, StoreError};

fn user(tenant: TenantId, username: &str) -> User {
    User {
        tenant,
        username: username.to_owned(),
        password_hash: "$argon2id$...".to_owned(),
        role: Role::Op,
        platform_admin: false,
        created_at: at(1),
    }
}

fn token(user: &User, byte: u8, expires: Option<i64>) -> Token {
    Token {
        id: Uuid::new_v4(),
        tenant: user.tenant,
        username: user.username.clone(),
        name: format!("token {byte}"),
        role: Role::Viewer,
        platform_admin: false,
        hash: [byte; 32],
        created_at: at(byte.into()),
        expires_at: expires.map(at),
    }
}

pub async fn a_tenant_is_made_once_with_its_default_pool(store: &dyn Store) {
    let policy = TenantPolicy { max_active_tasks: Some(7), ..TenantPolicy::default() };
    let acme = store.create_tenant("acme", &policy, at(3)).await.unwrap();
    assert_eq!((acme.name.as_str(), &acme.policy, acme.created_at), ("acme", &policy, at(3)));
    assert!(matches!(
        store.create_tenant("acme", &policy, at(4)).await,
        Err(StoreError::AlreadyExists { what: "tenant", key }) if key == "acme"
    ));
    let beta = store.create_tenant("beta", &TenantPolicy::default(), at(5)).await.unwrap();
    assert_ne!(acme.id, beta.id);

    assert_eq!(store.tenant(acme.id).await.unwrap().as_ref(), Some(&acme));
    assert_eq!(store.tenant_by_name("beta").await.unwrap().as_ref(), Some(&beta));
    assert_eq!(store.tenant_by_name("Beta").await.unwrap(), None);
    assert_eq!(store.tenant(TenantId(i64::MAX)).await.unwrap(), None);
    assert_eq!(store.list_tenants().await.unwrap(), [acme.clone(), beta]);

    let (pool, held) = store.pool(acme.id, DEFAULT_POOL).await.unwrap().unwrap();
    assert_eq!((pool.slots, pool.include_deferred), (DEFAULT_POOL_SLOTS, false));
    assert_eq!(held, crate::settings::PoolUse::default());
}

pub async fn a_policy_can_be_set(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let mut policy = TenantPolicy::default();
    policy.egress.allow_hosts.push("*.example.com".to_owned());
    store.set_tenant_policy(tenant, &policy).await.unwrap();
    assert_eq!(store.tenant(tenant).await.unwrap().unwrap().policy, policy);
    let nobody = store.set_tenant_policy(TenantId(i64::MAX), &policy).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { what: "tenant", .. })));
}

pub async fn users_belong_to_their_tenant(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let (ours, theirs) = (user(acme, "kim"), User { role: Role::Admin, ..user(beta, "kim") });
    store.create_user(&ours).await.unwrap();
    store.create_user(&theirs).await.unwrap();
    store.create_user(&user(acme, "ada")).await.unwrap();
    assert!(matches!(store.create_user(&ours).await, Err(StoreError::AlreadyExists { what: "user", .. })));
    assert!(matches!(
        store.create_user(&user(TenantId(i64::MAX), "kim")).await,
        Err(StoreError::NotFound { what: "tenant", .. })
    ));

    assert_eq!(store.user(acme, "kim").await.unwrap().as_ref(), Some(&ours));
    assert_eq!(store.user(beta, "ada").await.unwrap(), None);
    assert_eq!(store.list_users(acme).await.unwrap(), [user(acme, "ada"), ours.clone()]);

    assert!(store.set_user_password(acme, "kim", "new").await.unwrap());
    assert_eq!(store.user(acme, "kim").await.unwrap().unwrap().password_hash, "new");
    assert_eq!(store.user(beta, "kim").await.unwrap().as_ref(), Some(&theirs));
    assert!(!store.set_user_password(beta, "ada", "new").await.unwrap());
}

pub async fn a_user_goes_with_all_its_tokens(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    for user in [user(acme, "kim"), user(beta, "kim")] {
        store.create_user(&user).await.unwrap();
        store.create_token(&token(&user, if user.tenant == acme { 1 } else { 2 }, None)).await.unwrap();
    }
    assert!(store.delete_user(acme, "kim").await.unwrap());
    assert!(!store.delete_user(acme, "kim").await.unwrap());
    assert_eq!(store.token_by_hash(&[1; 32], at(2)).await.unwrap(), None);
    assert!(store.token_by_hash(&[2; 32], at(2)).await.unwrap().is_some());
    let orphan = token(&user(acme, "kim"), 3, None);
    assert!(matches!(store.create_token(&orphan).await, Err(StoreError::NotFound { what: "user", .. })));
}

pub async fn a_token_is_found_by_its_hash_until_it_expires(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let kim = user(acme, "kim");
    store.create_user(&kim).await.unwrap();
    let (forever, short) = (token(&kim, 1, None), token(&kim, 2, Some(60)));
    store.create_token(&forever).await.unwrap();
    store.create_token(&short).await.unwrap();
    let twice = Token { id: Uuid::new_v4(), ..forever.clone() };
    assert!(matches!(store.create_token(&twice).await, Err(StoreError::AlreadyExists { what: "token", .. })));

    assert_eq!(store.token_by_hash(&[2; 32], at(59)).await.unwrap().as_ref(), Some(&short));
    assert_eq!(store.token_by_hash(&[2; 32], at(60)).await.unwrap(), None);
    assert_eq!(store.token_by_hash(&[1; 32], at(1_000_000)).await.unwrap().as_ref(), Some(&forever));
    assert_eq!(store.token_by_hash(&[9; 32], at(1)).await.unwrap(), None);

    assert_eq!(store.list_tokens(acme).await.unwrap(), [forever.clone(), short.clone()]);
    assert!(store.list_tokens(beta).await.unwrap().is_empty());
    assert!(!store.delete_token(beta, forever.id).await.unwrap(), "another tenant's token does not exist");
    assert_eq!(store.delete_expired_tokens(at(59)).await.unwrap(), 0);
    assert_eq!(store.delete_expired_tokens(at(60)).await.unwrap(), 1);
    assert!(store.delete_token(acme, forever.id).await.unwrap());
    assert!(store.list_tokens(acme).await.unwrap().is_empty());
}
