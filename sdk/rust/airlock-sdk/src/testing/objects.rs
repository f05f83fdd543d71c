//! Object stores in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::shared::Shared;
use crate::object_store::{ObjectError, ObjectMeta, PutOptions};

/// The buckets, by connection and name.
#[derive(Default)]
pub(super) struct Stores(Shared<BTreeMap<(String, String), Objects>>);

type Objects = BTreeMap<String, Object>;

#[derive(Clone)]
pub(super) struct Object {
    pub bytes: Arc<[u8]>,
    pub last_modified: SystemTime,
    content_type: Option<String>,
}

impl super::Host {
    /// Adds an empty bucket.
    #[must_use]
    pub fn with_bucket(self, conn_id: &str, bucket: &str) -> Self {
        self.0.stores.0.lock().entry((conn_id.into(), bucket.into())).or_default();
        self
    }

    /// Adds an object, written now, and its bucket if need be.
    #[must_use]
    pub fn with_object(self, conn_id: &str, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.with_object_at(conn_id, bucket, key, bytes, SystemTime::now())
    }

    /// Adds an object, written at some moment, and its bucket if need be.
    #[must_use]
    pub fn with_object_at(
        self,
        conn_id: &str,
        bucket: &str,
        key: &str,
        bytes: impl Into<Vec<u8>>,
        last_modified: SystemTime,
    ) -> Self {
        let object = Object { bytes: bytes.into().into(), last_modified, content_type: None };
        let bucket = (conn_id.into(), bucket.into());
        self.0.stores.0.lock().entry(bucket).or_default().insert(key.into(), object);
        self
    }

    /// The bytes of an object now.
    pub fn object(&self, conn_id: &str, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let stores = self.0.stores.0.lock();
        stores.get(&(conn_id.into(), bucket.into()))?.get(key).map(|object| object.bytes.to_vec())
    }

    /// The media type of an object now.
    pub fn content_type(&self, conn_id: &str, bucket: &str, key: &str) -> Option<String> {
        let stores = self.0.stores.0.lock();
        stores.get(&(conn_id.into(), bucket.into()))?.get(key)?.content_type.clone()
    }
}

impl Stores {
    pub fn knows(&self, conn_id: &str) -> bool {
        self.0.lock().keys().any(|(connection, _)| connection == conn_id)
    }

    /// Does something with a bucket's objects.
    pub fn with<T>(
        &self,
        bucket: &(String, String),
        work: impl FnOnce(&mut Objects) -> Result<T, ObjectError>,
    ) -> Result<T, ObjectError> {
        match self.0.lock().get_mut(bucket) {
            Some(objects) => work(objects),
            None => Err(ObjectError::NotFound(format!("bucket `{}`", bucket.1))),
        }
    }

    pub fn get(&self, bucket: &(String, String), key: &str) -> Result<Object, ObjectError> {
        self.with(bucket, |objects| {
            objects.get(key).cloned().ok_or_else(|| ObjectError::NotFound(format!("`{key}` in bucket `{}`", bucket.1)))
        })
    }

    pub fn put(
        &self,
        bucket: &(String, String),
        key: &str,
        bytes: Vec<u8>,
        options: &PutOptions,
    ) -> Result<ObjectMeta, ObjectError> {
        self.with(bucket, |objects| {
            if options.if_absent && objects.contains_key(key) {
                return Err(ObjectError::AlreadyExists(key.into()));
            }
            let object = Object {
                bytes: bytes.into(),
                last_modified: SystemTime::now(),
                content_type: options.content_type.clone(),
            };
            let meta = object.meta(key);
            objects.insert(key.into(), object);
            Ok(meta)
        })
    }
}

impl Object {
    pub fn meta(&self, key: &str) -> ObjectMeta {
        ObjectMeta {
            key: key.into(),
            size: self.bytes.len() as u64,
            last_modified: self.last_modified,
            etag: Some(format!(
                "\"{:x}\"",
                self.bytes.iter().fold(0_u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte))
            )),
        }
    }
}
