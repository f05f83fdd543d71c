//! What every role of a server is made of.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use airlock_blobs::Blobs;
use airlock_store::Store;
use airlock_store::wake::Wake;
use airlock_store_sqlite::{SqliteOptions, SqliteStore};
use airlock_vault::{KeyRing, Vault};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};

use crate::config::Config;

pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

#[derive(Clone)]
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub blobs: Blobs,
    pub vault: Arc<Vault>,
    pub wake: Wake,
    pub clock: Clock,
}

impl Parts {
    /// On the SQLite file in the home folder, which is made and migrated as needed: it belongs to this process.
    pub async fn embedded(config: &Config) -> Result<Self> {
        let store = sqlite(config).await?;
        store.migrate().await?;
        let parts = Self::with(Arc::new(store), config)?;
        parts.blobs.remove_leftovers()?;
        Ok(parts)
    }

    fn with(store: Arc<dyn Store>, config: &Config) -> Result<Self> {
        Ok(Self {
            store,
            blobs: Blobs::open(config.home())?,
            vault: Arc::new(Vault::new(key_ring(config)?)),
            wake: Wake::default(),
            clock: Arc::new(Utc::now),
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

pub fn key_ring(config: &Config) -> Result<KeyRing> {
    match config.vault_keys() {
        Some(text) => KeyRing::parse(text).context("the setting `vault_keys` cannot be read"),
        None => {
            let file = config.vault_file();
            KeyRing::open_or_create(&file).with_context(|| format!("cannot use the keys in {}", file.display()))
        }
    }
}

/// Secrets lie below it: nobody else may look into it.
fn prepare(home: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(home);
    made.with_context(|| format!("cannot make the folder {}", home.display()))
}
