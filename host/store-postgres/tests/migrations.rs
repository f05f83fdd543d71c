//! What becomes of databases of other programs and other versions.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use airlock_store::StoreError;
use airlock_store::tenants::Tenants;
use airlock_store_postgres::{PostgresOptions, PostgresStore, newest_migration};
use airlock_test_services::Database;
use sqlx::{Connection, PgConnection};

async fn connect(database: &Database) -> PostgresStore {
    PostgresStore::connect(database.url(), &PostgresOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_new_database_is_empty_until_it_is_migrated() {
    let database = airlock_test_services::postgres().unwrap();
    let store = connect(&database).await;
    assert!(matches!(store.check().await, Err(StoreError::NotMigrated)));
    assert!(matches!(store.list_tenants().await, Err(StoreError::NotMigrated)));
    // Processes that start together.
    let (first, second) = tokio::join!(store.migrate(), store.migrate());
    first.unwrap();
    second.unwrap();
    store.check().await.unwrap();
    store.create_tenant("acme", &Default::default(), Default::default()).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.list_tenants().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let database = airlock_test_services::postgres().unwrap();
    let store = connect(&database).await;
    store.migrate().await.unwrap();
    let found = newest_migration() + 1;
    let mut raw = PgConnection::connect(database.url()).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations VALUES ($1, 'from the future', now(), TRUE, ''::bytea, 0)")
        .bind(found)
        .execute(&mut raw)
        .await
        .unwrap();
    raw.close().await.unwrap();
    for refused in [store.check().await, store.migrate().await] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::NewerDatabase { found: at, .. } if at == found), "{refused}");
    }
}

#[tokio::test]
async fn a_database_that_lacks_an_older_migration_is_not_migrated() {
    let database = airlock_test_services::postgres().unwrap();
    let store = connect(&database).await;
    store.migrate().await.unwrap();
    let mut raw = PgConnection::connect(database.url()).await.unwrap();
    let oldest = "DELETE FROM _sqlx_migrations WHERE version = (SELECT min(version) FROM _sqlx_migrations)";
    sqlx::query(oldest).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    assert!(matches!(store.check().await, Err(StoreError::NotMigrated)));
}

#[tokio::test]
async fn an_unreachable_server_is_named_without_its_password() {
    let options = PostgresOptions { acquire_timeout: Duration::from_millis(200), ..PostgresOptions::default() };
    let refused = PostgresStore::connect("postgres://kim:secret@127.0.0.1:1/airlock", &options).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("unavailable"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
