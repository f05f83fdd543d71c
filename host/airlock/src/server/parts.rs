//! What every role of a server is made of.

use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use airlock_blobs::{BlobError, Blobs};
use airlock_store::Store;
use airlock_store::clock::Clock;
use airlock_store::wake::Wake;
use airlock_store_postgres::{Channel, PostgresOptions, PostgresStore};
use airlock_store_sqlite::{SqliteOptions, SqliteStore};
use airlock_vault::{KeyRing, Vault};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::clock;
use crate::config::Config;
use crate::failure::Failure;

#[derive(Clone)]
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub blobs: Blobs,
    pub vault: Arc<Vault>,
    pub wake: Wake,
    pub clock: Clock,
    /// Held for as long as anything of this process works on the folder.
    _lock: Option<Arc<File>>,
}

impl Parts {
    /// On the SQLite file in the home folder, which is made and migrated as needed: it belongs to this process.
    pub async fn embedded(config: &Config) -> Result<Self> {
        let lock = Arc::new(lock(&config.home())?);
        let store = sqlite(config).await?;
        store.migrate().await?;
        store.end_leases().await?;
        let parts = Self::with(Arc::new(store), config).await?;
        parts.blobs.remove_leftovers()?;
        Ok(Self { _lock: Some(lock), ..parts })
    }

    /// On the PostgreSQL database that is configured, which must have been migrated. Wake-ups are passed on between this
    /// process, which waits for the kinds that are `heard`, and the others, until `stop`.
    pub async fn shared(config: &Config, heard: &'static [Channel], stop: CancellationToken) -> Result<Self> {
        prepare(&config.home())?;
        let store = Arc::new(postgres(config).await?);
        store.check().await?;
        let (clock, keep_right) = clock::of_database(store.clone()).await?;
        let parts = Self { clock, ..Self::with(store.clone(), config).await? };
        let wake = parts.wake.clone();
        // Beyond `stop`: what drains is to know the time.
        tokio::spawn(keep_right);
        tokio::spawn(async move { stop.run_until_cancelled(store.relay_wake_ups(&wake, heard)).await });
        Ok(parts)
    }

    async fn with(store: Arc<dyn Store>, config: &Config) -> Result<Self> {
        Ok(Self {
            store,
            blobs: blobs(config).await?,
            vault: Arc::new(Vault::new(key_ring(config)?)),
            wake: Wake::default(),
            clock: Arc::new(Utc::now),
            _lock: None,
        })
    }

    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

pub async fn sqlite(config: &Config) -> Result<SqliteStore> {
    let home = config.home();
    prepare(&home)?;
    Ok(SqliteStore::open(&home.join("airlock.db"), &SqliteOptions::default()).await?)
}

pub async fn postgres(config: &Config) -> Result<PostgresStore> {
    let url = config.database_url().ok_or_else(|| {
        Failure::usage("the setting `database_url` is missing: this role keeps its state in PostgreSQL")
            .hint("--database-url postgres://user@host/airlock; `airlock standalone` needs none")
    })?;
    let options = PostgresOptions {
        connections: config.database_connections()?,
        direct_url: config.database_direct_url().map(str::to_owned),
        ..PostgresOptions::default()
    };
    Ok(PostgresStore::connect(url, &options).await?)
}

/// Modules and logs. A bucket that cannot be used is a fault of the settings; one that cannot be reached may come back, and what
/// needs nothing of it goes on meanwhile.
pub async fn blobs(config: &Config) -> Result<Blobs> {
    let blobs = Blobs::open(config.home())?;
    let Some(options) = config.blobs()? else { return Ok(blobs) };
    let blobs = blobs.with_bucket(options)?;
    match blobs.check().await {
        Ok(()) => {}
        Err(error) if !error.is_refusal() => {
            tracing::error!(%error, "the bucket for modules and logs cannot be reached; it is needed for modules that this machine does not have, and for logs");
        }
        Err(error) => return Err(refused(error)),
    }
    Ok(blobs)
}

fn refused(error: BlobError) -> anyhow::Error {
    Failure::new(format!("the bucket for modules and logs cannot be used: {error}"))
        .hint("the settings `blobs`, `blobs_endpoint`, `blobs_region`, `blobs_access_key`, and the bucket itself")
        .into()
}

pub fn key_ring(config: &Config) -> Result<KeyRing> {
    match config.vault_keys() {
        Some(text) => KeyRing::parse(text).context("the setting `vault_keys` cannot be read"),
        None => {
            let file = config.vault_file();
            KeyRing::open_or_create(&file).with_context(|| format!("cannot use the keys in {}", file.display()))
        }
    }
}

/// Takes the folder for this process: two would each believe that the other's tries are lost.
fn lock(home: &Path) -> Result<File> {
    prepare(home)?;
    let path = home.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(format!("another `airlock standalone` works on the folder {}", home.display()))
                .hint("--home names another folder")
                .into())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Secrets lie below it: nobody else may look into it.
fn prepare(home: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(home);
    made.with_context(|| format!("cannot make the folder {}", home.display()))
}
