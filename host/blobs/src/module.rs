//! Modules: content under its own name.

use std::fmt;
use std::path::{Path, PathBuf};

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
        let failed = |source| BlobError::new("cannot write an upload in", &folder)(source);
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
                .map_err(|source| BlobError::new("cannot write an upload in", &folder)(source))?;
        }
        file.sync_all().await.map_err(|source| BlobError::new("cannot write an upload in", &folder)(source))?;
        Ok(Upload { file: path, digest: <[u8; 32]>::from(hasher.finalize()).into(), size })
    }

    /// Keeps an upload under its digest. Keeping the same content twice is no error.
    pub fn keep(&self, upload: Upload) -> Result<Digest, BlobError> {
        let path = self.module_path(upload.digest);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(BlobError::new("cannot make the folder", folder))?;
        }
        upload.file.persist(&path).map_err(|error| BlobError::new("cannot keep a module as", &path)(error.error))?;
        Ok(upload.digest)
    }

    /// Where the module with this digest lies, if it is there.
    pub fn module_path(&self, digest: Digest) -> PathBuf {
        let name = digest.hex();
        self.root.join("modules/sha256").join(&name[..2]).join(format!("{name}.wasm"))
    }

    /// Removes a module that no tenant has any more. One that is not there is no error.
    pub fn remove_module(&self, digest: Digest) -> Result<(), BlobError> {
        let path = self.module_path(digest);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BlobError::new("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
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
            let digest = blobs.keep(upload).unwrap();
            assert_eq!(digest.to_string(), "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
            assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
            assert_eq!(std::fs::read(blobs.module_path(digest)).unwrap(), b"hello world");
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
