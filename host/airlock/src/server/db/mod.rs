//! `airlock db`: on PostgreSQL where one is configured, on the SQLite file of `standalone` otherwise.

mod archive;
mod clean;

use std::sync::Arc;

use airlock_store::settings::{Sealed, SealedPlace};
use airlock_store::{Store, StoreError, StoreResult};
use airlock_store_postgres::PostgresStore;
use airlock_store_sqlite::SqliteStore;
use airlock_vault::{Place, Vault};
use anyhow::{Context, Result};

use super::parts;
use crate::cli::DbCommand;
use crate::commands::Session;
use crate::config::Config;
use crate::failure::Failure;

/// A store, with what only whoever opened it may do.
enum Database {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Database {
    async fn open(config: &Config) -> Result<Self> {
        Ok(match config.database_url() {
            Some(_) => Self::Postgres(Arc::new(parts::postgres(config).await?)),
            None => Self::Sqlite(Arc::new(parts::sqlite(config).await?)),
        })
    }

    async fn migrate(&self) -> StoreResult<()> {
        match self {
            Self::Sqlite(store) => store.migrate().await,
            Self::Postgres(store) => store.migrate().await,
        }
    }

    async fn check(&self) -> StoreResult<()> {
        match self {
            Self::Sqlite(store) => store.check().await,
            Self::Postgres(store) => store.check().await,
        }
    }

    fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => store.clone(),
            Self::Postgres(store) => store.clone(),
        }
    }
}

pub async fn run(command: &DbCommand, session: &Session) -> Result<()> {
    let config = &session.config;
    let database = Database::open(config).await?;
    match command {
        DbCommand::Migrate(_) => {
            database.migrate().await?;
            eprintln!("the database has the shape that airlock {} needs", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        DbCommand::Check(_) => match database.check().await {
            Ok(()) => {
                eprintln!("the database is there, and has the shape that airlock {} needs", env!("CARGO_PKG_VERSION"));
                Ok(())
            }
            Err(StoreError::NotMigrated) => {
                Err(Failure::new("the database has not been migrated").hint("airlock db migrate").into())
            }
            Err(error) => Err(error.into()),
        },
        DbCommand::RotateKey(_) => {
            database.check().await?;
            rotate(&*database.store(), config).await
        }
        DbCommand::Clean(command) => {
            database.check().await?;
            clean::run(&*database.store(), command, session).await
        }
        DbCommand::ExportArchived(command) => {
            database.check().await?;
            archive::export(&*database.store(), command, session).await
        }
        DbCommand::DropArchived(command) => {
            database.check().await?;
            archive::drop(&*database.store(), command, session).await
        }
    }
}

/// Adds a key, seals everything with it, and forgets the older ones. The new key is in the file before anything is sealed with
/// it, and the older ones stay there until nothing needs them: whenever this breaks off, everything can still be opened.
async fn rotate(store: &dyn Store, config: &Config) -> Result<()> {
    if config.vault_keys().is_some() {
        return Err(Failure::usage("the keys are in the setting `vault_keys`, which this cannot change")
            .hint("put them into the file that `vault_file` names")
            .into());
    }
    let file = config.vault_file();
    let ring = parts::key_ring(config)?.with_new_key()?;
    ring.save(&file).with_context(|| format!("cannot write the keys to {}", file.display()))?;
    let vault = Vault::new(ring.clone());
    let seal_again = |place: SealedPlace<'_>, sealed: &Sealed| {
        let place = Place { tenant: place.tenant.0, kind: place.kind.as_str(), name: place.name };
        let plain = vault.open(place, &sealed.0).map_err(|error| error.to_string())?;
        vault.seal(place, &plain).map(Sealed).map_err(|error| error.to_string())
    };
    let count = store.reseal(&seal_again).await?;
    ring.with_newest_only().save(&file)?;
    eprintln!("sealed {count} values with a new key; servers that run still have the old one: start them again");
    Ok(())
}
