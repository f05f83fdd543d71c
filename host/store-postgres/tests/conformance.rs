//! The suite of `airlock-store`, on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::ops::Deref;

use airlock_store_postgres::{PostgresOptions, PostgresStore};
use airlock_test_services::Database;

struct TestStore {
    store: PostgresStore,
    _database: Database,
}

impl Deref for TestStore {
    type Target = PostgresStore;

    fn deref(&self) -> &PostgresStore {
        &self.store
    }
}

async fn empty_store() -> TestStore {
    let database = airlock_test_services::postgres().unwrap();
    let store = PostgresStore::connect(database.url(), &PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    TestStore { store, _database: database }
}

airlock_store::conformance!(crate::empty_store);
