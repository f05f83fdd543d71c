//! The suite of `airlock-store`, on SQLite.

#![expect(clippy::unwrap_used, reason = "tests")]

use airlock_store_sqlite::{SqliteStore, TemporaryStore};

async fn empty_store() -> TemporaryStore {
    SqliteStore::in_temporary_folder().await.unwrap()
}

airlock_store::conformance!(crate::empty_store);
