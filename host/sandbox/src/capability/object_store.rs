//! Object stores by the host. See `wit/object-store.wit`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Caller;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    #[error("denied: {0}")]
    Denied(String),
    #[error("there is no connection `{0}`")]
    ConnectionNotFound(String),
    #[error("{0}")]
    WrongType(String),
    #[error("not found: {0}")]
    NotFound(String),
    #[error("there is already an object `{0}`")]
    AlreadyExists(String),
    #[error("invalid: {0}")]
    Invalid(String),
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("the store took too long")]
    Timeout,
    #[error("{0}")]
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    pub key: String,
    pub size: u64,
    pub last_modified: DateTime<Utc>,
    pub etag: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub prefix: String,
    pub start_after: Option<String>,
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    pub content_type: Option<String>,
    pub if_absent: bool,
}

#[async_trait]
pub trait Bucket: Send + Sync {
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, ObjectError>;
    async fn list(&self, options: ListOptions) -> Result<Vec<ObjectMeta>, ObjectError>;
    async fn get(&self, key: &str, offset: u64, length: Option<u64>) -> Result<Box<dyn ObjectReader>, ObjectError>;
    async fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn ObjectWriter>, ObjectError>;
    async fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError>;
    async fn delete(&self, key: &str) -> Result<(), ObjectError>;
}

#[async_trait]
pub trait ObjectReader: Send {
    fn meta(&self) -> &ObjectMeta;
    /// At most `max` bytes; empty at the end.
    async fn read(&mut self, max: usize) -> Result<Bytes, ObjectError>;
}

/// Dropping a writer that is not finished leaves no object.
#[async_trait]
pub trait ObjectWriter: Send {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError>;
    async fn finish(self: Box<Self>) -> Result<ObjectMeta, ObjectError>;
}

#[async_trait]
pub trait ObjectStoreHook: Send + Sync {
    /// Needs `connections:use:<id>`.
    async fn open(&self, caller: &Caller, conn_id: &str, bucket: Option<&str>) -> Result<Arc<dyn Bucket>, ObjectError>;
}
