//! Modules: content under its own name.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use airlock_core::digest::Digest;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use sha2::{Digest as _, Sha256};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;

use crate::{BlobError, Blobs};

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("the module is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    /// The sender broke off.
    #[error("the upload ended early: {0}")]
    Interrupted(String),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// A module that has arrived whole and is not kept yet. Dropping it removes it.
#[derive(Debug)]
pub struct Upload {
    file: TempPath,
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

impl Upload {
    pub fn path(&self) -> &Path {
        &self.file
    }
}

impl Blobs {
    /// Writes a stream to a file, hashing it on the way. Nothing is left of a stream that breaks off or is longer than `limit`
    /// bytes.
    pub async fn receive<E: fmt::Display>(
        &self,
        stream: impl Stream<Item = Result<Bytes, E>>,
        limit: u64,
    ) -> Result<Upload, UploadError> {
        let folder = self.uploads_folder();
        let failed = |source| BlobError::file("cannot write an upload in", &folder)(source);
        let (file, path) = tempfile::NamedTempFile::new_in(&folder).map_err(failed)?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let mut hasher = Sha256::new();
        let mut size = 0;
        let mut stream = std::pin::pin!(stream);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| UploadError::Interrupted(error.to_string()))?;
            size += chunk.len() as u64;
            if size > limit {
                return Err(UploadError::TooLarge { limit });
            }
            hasher.update(&chunk);
            file.write_all(&chunk)
                .await
                .map_err(|source| BlobError::file("cannot write an upload in", &folder)(source))?;
        }
        file.sync_all().await.map_err(|source| BlobError::file("cannot write an upload in", &folder)(source))?;
        Ok(Upload { file: path, digest: <[u8; 32]>::from(hasher.finalize()).into(), size })
    }

    /// Keeps an upload under its digest. Keeping the same content twice is no error. In a bucket it is there before it is in the folder:
    /// what one machine can use, all can.
    pub async fn keep(&self, upload: Upload) -> Result<Digest, BlobError> {
        if let Some(bucket) = &self.bucket {
            let read = tokio::fs::read(upload.path()).await;
            let bytes = read.map_err(BlobError::file("cannot read the upload", upload.path()))?;
            bucket.put(&module_name(upload.digest), bytes.into()).await?;
        }
        self.keep_here(upload).await
    }

    async fn keep_here(&self, upload: Upload) -> Result<Digest, BlobError> {
        let path = self.module_path(upload.digest);
        if let Some(folder) = path.parent() {
            let made = tokio::fs::create_dir_all(folder).await;
            made.map_err(BlobError::file("cannot make the folder", folder))?;
        }
        upload.file.persist(&path).map_err(|error| BlobError::file("cannot keep a module as", &path)(error.error))?;
        Ok(upload.digest)
    }

    fn module_path(&self, digest: Digest) -> PathBuf {
        self.root.join(module_name(digest))
    }

    /// The file with this module's bytes, if there is such a module. The first who asks on this machine fetches it from the bucket, and
    /// what comes is checked against the digest.
    pub async fn module(&self, digest: Digest) -> Result<Option<PathBuf>, BlobError> {
        let path = self.module_path(digest);
        if is_there(&path).await? {
            return Ok(Some(path));
        }
        let Some(bucket) = &self.bucket else { return Ok(None) };
        let turn = self.fetches.turn(digest);
        let _turn = turn.lock().await;
        if is_there(&path).await? {
            return Ok(Some(path));
        }
        let name = module_name(digest);
        let stream = match bucket.stream(&name).await {
            Err(error) if error.is_not_found() => return Ok(None),
            found => found?,
        };
        let fetched = match self.receive(stream, u64::MAX).await {
            Ok(fetched) => fetched,
            Err(UploadError::Blob(error)) => return Err(error),
            Err(error) => {
                return Err(BlobError::file("cannot fetch the module to", &path)(std::io::Error::other(
                    error.to_string(),
                )));
            }
        };
        if fetched.digest != digest {
            return Err(BlobError::Altered { object: format!("{bucket:?}/{name}"), found: fetched.digest });
        }
        self.keep_here(fetched).await?;
        Ok(Some(path))
    }
}

/// Below the folder, and below the bucket's prefix.
fn module_name(digest: Digest) -> String {
    let name = digest.hex();
    format!("modules/sha256/{}/{name}.wasm", &name[..2])
}

async fn is_there(path: &Path) -> Result<bool, BlobError> {
    match tokio::fs::metadata(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BlobError::file("cannot look for the module", path)(error)),
    }
}

/// Modules that are being fetched, so that a module comes once however many tries begin with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fetches(Arc<Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>>);

impl Fetches {
    fn turn(&self, digest: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits holds a clone: the others are over.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(digest).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn chunks(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, std::io::Error>> + use<> {
        stream::iter(parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect::<Vec<_>>())
    }

    fn uploads(blobs: &Blobs) -> usize {
        std::fs::read_dir(blobs.uploads_folder()).unwrap().count()
    }

    #[tokio::test]
    async fn a_module_is_kept_under_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        for _ in 0..2 {
            let upload = blobs.receive(chunks(&["hello ", "world"]), 11).await.unwrap();
            assert_eq!(upload.size, 11);
            let digest = blobs.keep(upload).await.unwrap();
            assert_eq!(digest.to_string(), "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
            assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
            assert_eq!(std::fs::read(blobs.module(digest).await.unwrap().unwrap()).unwrap(), b"hello world");
        }
        assert_eq!(uploads(&blobs), 0);
    }

    #[tokio::test]
    async fn what_is_too_large_or_broken_off_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let refused = blobs.receive(chunks(&["hello ", "world"]), 10).await;
        assert!(matches!(refused, Err(UploadError::TooLarge { limit: 10 })));
        let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err("connection reset")]);
        assert!(matches!(blobs.receive(broken, 10).await, Err(UploadError::Interrupted(_))));
        assert_eq!(uploads(&blobs), 0);
    }

    #[test]
    fn a_digest_is_checked() {
        for text in [
            "",
            "sha256:12",
            "md5:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
            "sha256:../../etc",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
