//! Object stores: S3-compatible ones, and folders of the host.

mod bucket;
mod error;
mod folder;
mod reader;
mod s3;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use airlock_core::id::TenantId;
use airlock_core::limits::Egress;
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::object_store::{Bucket, ListOptions, ObjectError, ObjectStoreHook};
use airlock_sandbox::capability::task::Connection;
use async_trait::async_trait;

use crate::Hooks;
use crate::connection::{extra_text, filled};
use bucket::StoreBucket;

/// The types of connection that are object stores.
pub(crate) const TYPES: [&str; 3] = ["aws", "s3", "fs"];

/// Buckets that are in use: each has a client that signs, and knows its tenant's egress policy.
#[derive(Default)]
pub(crate) struct Stores(Mutex<HashMap<(TenantId, String, Option<String>), Entry>>);

struct Entry {
    made_of: MadeOf,
    bucket: Arc<StoreBucket>,
    last_used: Instant,
}

/// All that a bucket depends on: when any of it changes, it is made anew.
#[derive(Clone, PartialEq)]
struct MadeOf {
    connection: Connection,
    egress: Arc<Egress>,
    host_folders: Arc<Vec<String>>,
}

#[async_trait]
impl ObjectStoreHook for Hooks {
    #[tracing::instrument(name = "hooks.object_store.open", skip_all, fields(tenant.id = %caller.tenant, conn.id = conn_id))]
    async fn open(&self, caller: &Caller, conn_id: &str, bucket: Option<&str>) -> Result<Arc<dyn Bucket>, ObjectError> {
        let connection = self.find(caller, conn_id).await?;
        let key = (caller.tenant, conn_id.to_owned(), bucket.map(str::to_owned));
        let made_of = MadeOf { connection, egress: caller.egress.clone(), host_folders: caller.host_folders.clone() };
        if let Some(bucket) = self.stores.find(&key, &made_of, self.options.idle_timeout) {
            return Ok(bucket);
        }
        let opened = Arc::new(self.open_bucket(caller, &made_of.connection, bucket).await?);
        let entry = Entry { made_of, bucket: opened.clone(), last_used: Instant::now() };
        self.stores.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, entry);
        Ok(opened)
    }
}

impl Stores {
    fn find(
        &self,
        key: &(TenantId, String, Option<String>),
        made_of: &MadeOf,
        idle_timeout: std::time::Duration,
    ) -> Option<Arc<StoreBucket>> {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stores.retain(|other, entry| other == key || entry.last_used.elapsed() < idle_timeout);
        let entry = stores.get_mut(key).filter(|entry| entry.made_of == *made_of)?;
        entry.last_used = Instant::now();
        Some(entry.bucket.clone())
    }
}

impl Hooks {
    async fn open_bucket(
        &self,
        caller: &Caller,
        connection: &Connection,
        bucket: Option<&str>,
    ) -> Result<StoreBucket, ObjectError> {
        let own = match extra_text(connection, "bucket").map_err(ObjectError::Invalid)? {
            Some(bucket) => Some(bucket),
            None => filled(connection.info.schema.as_deref()).map(str::to_owned),
        };
        let bucket = filled(bucket).map(str::to_owned).or(own);
        match connection.info.conn_type.as_str() {
            "aws" | "s3" => s3::open(self, caller, connection, bucket).await,
            "fs" => folder::open(self, caller, connection, bucket),
            other => Err(ObjectError::WrongType(format!(
                "connection `{}` is of type `{other}`; an object store needs one of `aws`, `s3` and `fs`",
                connection.info.conn_id
            ))),
        }
    }

    /// Lists at most one object of a connection that need not be stored.
    pub(crate) async fn test_object_store(
        &self,
        caller: &Caller,
        connection: &Connection,
    ) -> Result<String, ObjectError> {
        let bucket = self.open_bucket(caller, connection, None).await?;
        bucket.list(ListOptions { limit: 1, ..ListOptions::default() }).await?;
        Ok("the store lists its objects".to_owned())
    }
}
