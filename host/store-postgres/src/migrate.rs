//! Migrations: forward only, each once, in the order of their dates.

use airlock_store::{StoreError, StoreResult};
use sqlx::migrate::{MigrateError, Migrator};

use crate::PostgresStore;
use crate::error::Result;

static MIGRATOR: Migrator = sqlx::migrate!();

/// The newest migration that this program knows.
pub fn newest_migration() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

impl PostgresStore {
    /// Brings the database to this program's newest migration; does nothing if it is there.
    ///
    /// # Errors
    ///
    /// [`StoreError::NewerDatabase`] if a newer program has migrated it.
    pub async fn migrate(&self) -> StoreResult<()> {
        if let Some(found) = self.found_migrations().await? {
            refuse_newer(&found)?;
        }
        // Under an advisory lock, which is the session's, so that processes that start together migrate one after the other.
        let mut connection = self.direct.acquire().await.map_err(crate::error::Failure::from)?;
        MIGRATOR.run_direct(None, &mut *connection, false).await.map_err(|error| match error {
            MigrateError::Execute(error) => crate::error::Failure::from(error).into(),
            error => StoreError::Database(error.to_string()),
        })
    }

    /// Whether the database has exactly this program's migrations.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotMigrated`] or [`StoreError::NewerDatabase`].
    pub async fn check(&self) -> StoreResult<()> {
        let found = self.found_migrations().await?.ok_or(StoreError::NotMigrated)?;
        refuse_newer(&found)?;
        // Not only the newest counts: one may have come from another branch of development, with an older date.
        let all = MIGRATOR.iter().all(|migration| found.contains(&migration.version));
        if all { Ok(()) } else { Err(StoreError::NotMigrated) }
    }

    async fn found_migrations(&self) -> Result<Option<Vec<i64>>> {
        let mut connection = self.connection().await?;
        let migrated: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await?;
        if !migrated {
            return Ok(None);
        }
        Ok(Some(sqlx::query_scalar("SELECT version FROM _sqlx_migrations").fetch_all(&mut *connection).await?))
    }
}

fn refuse_newer(found: &[i64]) -> StoreResult<()> {
    let known = newest_migration();
    match found.iter().copied().max() {
        Some(found) if found > known => Err(StoreError::NewerDatabase { found, known }),
        _ => Ok(()),
    }
}
