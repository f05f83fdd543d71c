//! What is too large for a database row: uploaded modules, compiled artifacts and task logs.
//!
//! They lie below one folder, which several processes may share:
//!
//! ```text
//! modules/sha256/ab/abcdef....wasm   an uploaded module, under the digest of its bytes
//! compiled/                          the sandbox's cache of precompiled modules
//! logs/TENANT/RUN/INSTANCE/TRY.jsonl the log of one try, one JSON object a line
//! uploads/                           modules on their way in; emptied at start
//! scratch/                           private folders of running tries; emptied at start
//! ```
//!
//! Names are made of digests and identities, and files appear by renaming. Where machines share no folder, modules and logs lie in a
//! bucket of an S3-compatible store instead; then `modules/` of the folder is a cache, and `logs/` stays empty:
//!
//! ```text
//! modules/sha256/ab/abcdef....wasm               as above
//! logs/TENANT/RUN/INSTANCE/TRY/PART.jsonl        what one call of a try has written, whole
//! logs/TENANT/RUN/INSTANCE/TRY/PART/OFFSET.jsonl a segment of what a call has written that goes on: objects cannot grow
//! ```

mod bucket;
mod error;
mod log;
mod module;

use std::path::PathBuf;
use std::sync::Arc;

pub use airlock_core::digest::{Digest, InvalidDigest};
pub use bucket::BucketOptions;
pub use error::BlobError;
pub use log::{Arrived, LogChunk, LogKey, LogLine, LogPosition, LogSink};
pub use module::{Upload, UploadError};

use bucket::Bucket;
use module::Fetches;

/// The folder and its layout, and the bucket, if there is one.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: PathBuf,
    bucket: Option<Arc<Bucket>>,
    fetches: Fetches,
}

impl Blobs {
    /// Keeps everything below this folder. Makes the folders that are missing.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let blobs = Self { root: root.into(), bucket: None, fetches: Fetches::default() };
        for folder in [
            blobs.root.join("modules/sha256"),
            blobs.compiled_folder(),
            blobs.logs_folder(),
            blobs.uploads_folder(),
            blobs.scratch_folder(),
        ] {
            std::fs::create_dir_all(&folder).map_err(BlobError::file("cannot make the folder", &folder))?;
        }
        Ok(blobs)
    }

    /// Keeps modules and logs in a bucket, and in the folder only what this machine needs of them.
    ///
    /// # Errors
    /// If the options do not fit together. Nothing is asked of the store: see [`Blobs::check`].
    pub fn with_bucket(self, options: BucketOptions) -> Result<Self, BlobError> {
        Ok(Self { bucket: Some(Arc::new(Bucket::open(options)?)), ..self })
    }

    /// Writes something to the bucket, so that what is wrong with it shows at the start. Without a bucket all is well.
    ///
    /// # Errors
    /// Whatever the store answers; [`BlobError::is_refusal`] tells a refusal from an outage.
    pub async fn check(&self) -> Result<(), BlobError> {
        match &self.bucket {
            Some(bucket) => bucket.check().await,
            None => Ok(()),
        }
    }

    /// Removes what an earlier process left unfinished. Only for a folder that no other process uses.
    pub fn remove_leftovers(&self) -> Result<(), BlobError> {
        for folder in [self.uploads_folder(), self.scratch_folder()] {
            let failed = |source| BlobError::file("cannot empty the folder", &folder)(source);
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(|source| BlobError::file("cannot read the folder", &folder)(source))?;
                let path = entry.path();
                let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                removed.map_err(BlobError::file("cannot remove", &path))?;
            }
        }
        Ok(())
    }

    pub fn compiled_folder(&self) -> PathBuf {
        self.root.join("compiled")
    }

    pub fn uploads_folder(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub fn scratch_folder(&self) -> PathBuf {
        self.root.join("scratch")
    }

    fn logs_folder(&self) -> PathBuf {
        self.root.join("logs")
    }
}
