//! What becomes of databases of other programs and other versions.

#![expect(clippy::unwrap_used, reason = "tests")]

use airlock_store::StoreError;
use airlock_store::tenants::Tenants;
use airlock_store_sqlite::{SqliteOptions, SqliteStore, newest_migration};
use sqlx::{Connection, SqliteConnection};

async fn open(folder: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&folder.path().join("airlock.db"), &SqliteOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_new_database_is_empty_until_it_is_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    assert!(matches!(store.check().await, Err(StoreError::NotMigrated)));
    assert!(matches!(store.list_tenants().await, Err(StoreError::NotMigrated)));
    store.migrate().await.unwrap();
    store.check().await.unwrap();
    store.create_tenant("acme", &Default::default(), Default::default()).await.unwrap();
    store.close().await.unwrap();

    let store = open(&folder).await;
    store.check().await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.list_tenants().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.migrate().await.unwrap();
    store.close().await.unwrap();
    let found = newest_migration() + 1;
    let mut raw = SqliteConnection::connect(folder.path().join("airlock.db").to_str().unwrap()).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (?1, 'from the future', 0, TRUE, x'00', 0)")
        .bind(found)
        .execute(&mut raw)
        .await
        .unwrap();
    raw.close().await.unwrap();

    let store = open(&folder).await;
    for refused in [store.check().await, store.migrate().await] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::NewerDatabase { found: at, .. } if at == found), "{refused}");
    }
}

#[tokio::test]
async fn a_database_that_lacks_an_older_migration_is_not_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.migrate().await.unwrap();
    let mut raw = SqliteConnection::connect(folder.path().join("airlock.db").to_str().unwrap()).await.unwrap();
    let oldest = "DELETE FROM _sqlx_migrations WHERE version = (SELECT min(version) FROM _sqlx_migrations)";
    sqlx::query(oldest).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    assert!(matches!(store.check().await, Err(StoreError::NotMigrated)));
}

#[tokio::test]
async fn a_missing_file_is_made_only_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("airlock.db");
    let refused = SqliteStore::open(&path, &SqliteOptions { create: false, ..SqliteOptions::default() }).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(text)) if text.contains("airlock.db")));
    assert!(!path.exists());
}
