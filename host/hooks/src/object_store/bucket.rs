//! One bucket.

use std::collections::BinaryHeap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use airlock_sandbox::capability::object_store::{
    Bucket, ListOptions, ObjectError, ObjectMeta, ObjectReader, ObjectWriter, PutOptions,
};
use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use tokio::time::timeout;

use super::error::object_error;
use super::folder::Root;
use super::reader::Reader;
use super::writer::Writer;
use crate::connection::Secrets;

/// The most keys of one page, as S3 has it.
const PAGE: usize = 1000;

/// How a store lists.
pub(super) enum Lister {
    /// In pages, in the order of the keys.
    Pages(Arc<dyn PaginatedListStore>),
    /// All at once, in any order, from the files of a folder.
    Folder(Root),
}

/// What the parts of a bucket share.
pub(super) struct Shared {
    pub store: Arc<dyn ObjectStore>,
    pub lister: Lister,
    pub secrets: Secrets,
    pub timeout: Duration,
}

pub(super) struct StoreBucket(pub Arc<Shared>);

impl Shared {
    /// Waits for one step of an exchange.
    pub(super) async fn step<T>(
        &self,
        key: &str,
        step: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<T, ObjectError> {
        match timeout(self.timeout, step).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(object_error(&error, key, &self.secrets)),
            Err(_) => Err(ObjectError::Timeout),
        }
    }

    /// The store's path of a key. What the store would silently make another key of is refused.
    pub(super) fn path(&self, key: &str) -> Result<Path, ObjectError> {
        let invalid = |reason: &str| ObjectError::Invalid(format!("`{key}` is no key: {reason}"));
        if key.is_empty() || key.starts_with('/') || key.ends_with('/') {
            return Err(invalid("it must not be empty, nor begin or end with `/`"));
        }
        let path = Path::parse(key).map_err(|error| invalid(&error.to_string()))?;
        if let Lister::Folder(root) = &self.lister {
            root.check(key)?;
        }
        Ok(path)
    }

    /// What is known of an object that must be there.
    pub(super) async fn meta(&self, key: &str, path: &Path) -> Result<ObjectMeta, ObjectError> {
        self.step(key, self.store.head(path)).await.map(meta)
    }
}

pub(super) fn meta(meta: object_store::ObjectMeta) -> ObjectMeta {
    ObjectMeta { key: meta.location.to_string(), size: meta.size, last_modified: meta.last_modified, etag: meta.e_tag }
}

#[async_trait]
impl Bucket for StoreBucket {
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, ObjectError> {
        let path = self.0.path(key)?;
        match self.0.meta(key, &path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(ObjectError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, options: ListOptions) -> Result<Vec<ObjectMeta>, ObjectError> {
        let limit = options.limit.clamp(1, PAGE);
        match &self.0.lister {
            Lister::Pages(store) => self.list_pages(store.as_ref(), &options, limit).await,
            Lister::Folder(root) => self.list_folder(root, &options, limit).await,
        }
    }

    async fn get(&self, key: &str, offset: u64, length: Option<u64>) -> Result<Box<dyn ObjectReader>, ObjectError> {
        let path = self.0.path(key)?;
        let range = match (offset, length) {
            (_, Some(0)) => {
                let meta = self.0.meta(key, &path).await?;
                return Ok(Box::new(Reader::empty(meta)));
            }
            (0, None) => None,
            (offset, None) => Some(GetRange::Offset(offset)),
            (offset, Some(length)) => Some(GetRange::Bounded(offset..offset.saturating_add(length))),
        };
        let options = GetOptions { range, ..GetOptions::default() };
        match self.0.step(key, self.0.store.get_opts(&path, options)).await {
            Ok(result) => Ok(Box::new(Reader::new(result, self.0.clone()))),
            Err(error @ (ObjectError::NotFound(_) | ObjectError::Denied(_) | ObjectError::Timeout)) => Err(error),
            // A store says of a range beyond the end only that something is wrong.
            Err(error) => match self.0.meta(key, &path).await {
                Ok(meta) if offset == meta.size => Ok(Box::new(Reader::empty(meta))),
                Ok(meta) if offset > meta.size => Err(ObjectError::Invalid(format!(
                    "the range begins at byte {offset}, and `{key}` has {} bytes",
                    meta.size
                ))),
                Ok(_) | Err(_) => Err(error),
            },
        }
    }

    async fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn ObjectWriter>, ObjectError> {
        let path = self.0.path(key)?;
        Ok(Box::new(Writer::new(self.0.clone(), key, path, options)))
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        let (source, target) = (self.0.path(from)?, self.0.path(to)?);
        self.0.step(from, self.0.store.copy(&source, &target)).await
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let path = self.0.path(key)?;
        match self.0.step(key, self.0.store.delete(&path)).await {
            Err(ObjectError::NotFound(_)) => Ok(()),
            answer => answer,
        }
    }
}

impl StoreBucket {
    async fn list_pages(
        &self,
        store: &dyn PaginatedListStore,
        options: &ListOptions,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, ObjectError> {
        let prefix = Some(options.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        let mut found = Vec::new();
        let mut page_token = None;
        loop {
            let request = PaginatedListOptions {
                offset: options.start_after.clone(),
                max_keys: Some(limit - found.len()),
                page_token: page_token.take(),
                ..PaginatedListOptions::default()
            };
            let page = self.0.step(&options.prefix, store.list_paginated(prefix, request)).await?;
            // A key that ends in `/` marks a folder, and has lost its end here.
            let wanted = |object: &ObjectMeta| {
                object.key.starts_with(&options.prefix)
                    && options.start_after.as_ref().is_none_or(|after| object.key > *after)
            };
            found.extend(page.result.objects.into_iter().map(meta).filter(wanted));
            page_token = page.page_token;
            if found.len() >= limit || page_token.is_none() {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// Reads all names below the prefix, and keeps the first `limit` of them.
    async fn list_folder(
        &self,
        root: &Root,
        options: &ListOptions,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, ObjectError> {
        // Folders of the store are whole segments; the prefix may end within one.
        let directory = options.prefix.rsplit_once('/').map(|(directory, _)| directory);
        let directory = match directory {
            Some(directory) => match Path::parse(directory) {
                Ok(directory) => Some(directory),
                // No key has such a prefix.
                Err(_) => return Ok(Vec::new()),
            },
            None => None,
        };
        let mut objects = self.0.store.list(directory.as_ref()).map_ok(meta);
        let mut first: BinaryHeap<ByKey> = BinaryHeap::new();
        loop {
            let next = self.0.step(&options.prefix, objects.try_next()).await?;
            let Some(object) = next else { break };
            let wanted = object.key.starts_with(&options.prefix)
                && options.start_after.as_ref().is_none_or(|after| object.key > *after)
                && root.check(&object.key).is_ok();
            if !wanted {
                continue;
            }
            first.push(ByKey(object));
            if first.len() > limit {
                first.pop();
            }
        }
        Ok(first.into_sorted_vec().into_iter().map(|ByKey(object)| object).collect())
    }
}

/// In the byte order of the key.
struct ByKey(ObjectMeta);

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.key.cmp(&other.0.key)
    }
}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for ByKey {}
