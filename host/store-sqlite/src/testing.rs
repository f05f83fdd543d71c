//! A store for tests.

use std::ops::Deref;
use std::sync::Arc;

use airlock_store::{StoreError, StoreResult};
use tempfile::TempDir;

use crate::{SqliteOptions, SqliteStore};

/// A migrated store in a folder that goes with it.
#[derive(Debug)]
pub struct TemporaryStore {
    store: Arc<SqliteStore>,
    folder: TempDir,
}

impl TemporaryStore {
    /// The store, to hand on. It must not outlive this value.
    pub fn shared(&self) -> Arc<SqliteStore> {
        Arc::clone(&self.store)
    }

    /// The folder that holds the database, as `airlock.db`.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

impl Deref for TemporaryStore {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}

impl SqliteStore {
    /// Makes a migrated, empty store in a temporary folder.
    ///
    /// # Errors
    ///
    /// Those of [`SqliteStore::open`] and [`SqliteStore::migrate`].
    pub async fn in_temporary_folder() -> StoreResult<TemporaryStore> {
        Self::in_temporary_folder_with(&SqliteOptions::default()).await
    }

    /// As [`SqliteStore::in_temporary_folder`], with other options.
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn in_temporary_folder_with(options: &SqliteOptions) -> StoreResult<TemporaryStore> {
        let folder = TempDir::new().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let store = Self::open(&folder.path().join("airlock.db"), options).await?;
        store.migrate().await?;
        Ok(TemporaryStore { store: Arc::new(store), folder })
    }
}
