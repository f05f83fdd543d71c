//! A bucket of an S3-compatible object store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};

use crate::BlobError;

/// What is behind a request waits no longer than this for one answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Against a hiccup; whoever can wait longer tries again by itself.
const RETRIES: usize = 2;
const RETRY_FOR: Duration = Duration::from_secs(10);

/// Where the bucket is. What is not said here comes from the usual `AWS_...` variables of the environment (region, endpoint, keys, a
/// web identity, container credentials), and the keys at last from the machine's metadata service.
#[derive(Clone, Default)]
pub struct BucketOptions {
    pub bucket: String,
    /// What all names begin with; may be empty.
    pub prefix: String,
    pub region: Option<String>,
    /// Of a store that is not Amazon's: `https://minio.example.com`, asked in path style.
    pub endpoint: Option<String>,
    /// The id of an access key, and its secret.
    pub keys: Option<(String, String)>,
}

impl fmt::Debug for BucketOptions {
    /// Without the secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.prefix)
    }
}

pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// `s3://bucket`, for messages.
    name: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.name, self.prefix)
    }
}

/// An object as a listing tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// Below the prefix that was listed.
    pub name: String,
    /// Bytes.
    pub size: u64,
    pub modified_at: DateTime<Utc>,
}

impl Bucket {
    pub fn open(options: BucketOptions) -> Result<Self, BlobError> {
        let name = format!("s3://{}", options.bucket);
        let client = ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT);
        let mut builder = AmazonS3Builder::from_env()
            .with_client_options(client)
            .with_bucket_name(options.bucket)
            .with_retry(RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_FOR, ..RetryConfig::default() });
        if let Some(region) = options.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = options.endpoint {
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        if let Some((key, secret)) = options.keys {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        let store = builder.build().map_err(|source| BlobError::Object {
            action: "cannot use",
            object: name.clone(),
            source,
        })?;
        Ok(Self { store: Arc::new(store), prefix: Path::from(options.prefix), name })
    }

    fn path(&self, name: &str) -> Path {
        // Names are made of digests, identities and numbers: nothing in them is encoded.
        if self.prefix.is_root() { Path::from(name) } else { Path::from(format!("{}/{name}", self.prefix)) }
    }

    fn failed(&self, action: &'static str, path: &Path) -> impl FnOnce(object_store::Error) -> BlobError + use<> {
        let object = format!("{}/{path}", self.name);
        move |source| BlobError::Object { action, object, source }
    }

    /// Writes an object that nobody reads: of all requests this one is answered most clearly, where the bucket or a right is missing.
    pub async fn check(&self) -> Result<(), BlobError> {
        self.put("check", Bytes::from_static(b"written by each process at its start\n")).await
    }

    /// An object appears whole or not at all, and replaces one of the same name.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        let path = self.path(name);
        self.store.put(&path, bytes.into()).await.map(drop).map_err(self.failed("cannot write", &path))
    }

    pub async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        let path = self.path(name);
        let read = async { self.store.get(&path).await?.bytes().await };
        read.await.map_err(self.failed("cannot read", &path))
    }

    /// The bytes from `from` to before `to`.
    pub async fn get_range(&self, name: &str, from: u64, to: u64) -> Result<Bytes, BlobError> {
        let path = self.path(name);
        self.store.get_range(&path, from..to).await.map_err(self.failed("cannot read", &path))
    }

    pub async fn stream(
        &self,
        name: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, object_store::Error>>, BlobError> {
        let path = self.path(name);
        let found = self.store.get(&path).await.map_err(self.failed("cannot read", &path))?;
        Ok(found.into_stream())
    }

    /// Everything below a folder, in no order.
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>, BlobError> {
        let path = self.path(folder);
        let skipped = path.as_ref().len() + 1;
        let listed = self.store.list(Some(&path)).map_ok(|object| Listed {
            name: object.location.as_ref().get(skipped..).unwrap_or_default().to_owned(),
            size: object.size,
            modified_at: object.last_modified,
        });
        listed.try_collect().await.map_err(self.failed("cannot list", &path))
    }

    /// Removes what is there of these.
    pub async fn remove(&self, names: impl IntoIterator<Item = String>) -> Result<(), BlobError> {
        let paths: Vec<_> = names.into_iter().map(|name| Ok(self.path(&name))).collect();
        let mut removed = self.store.delete_stream(futures::stream::iter(paths).boxed());
        loop {
            match removed.try_next().await {
                Ok(None) => return Ok(()),
                Ok(Some(_)) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(self.failed("cannot remove objects below", &self.prefix)(source)),
            }
        }
    }

    /// Removes everything below a folder.
    pub async fn remove_below(&self, folder: &str) -> Result<(), BlobError> {
        let names = self.list(folder).await?.into_iter().map(|object| format!("{folder}/{}", object.name));
        self.remove(names).await
    }
}
