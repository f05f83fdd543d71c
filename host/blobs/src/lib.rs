//! What is too large for a database row: uploaded modules, compiled artifacts and task logs, as files below one folder.
//!
//! ```text
//! modules/sha256/ab/abcdef....wasm   an uploaded module, under the digest of its bytes
//! compiled/                          the sandbox's cache of precompiled modules
//! logs/TENANT/RUN/INSTANCE/TRY.jsonl the log of one try, one JSON object a line
//! uploads/                           modules on their way in; emptied at start
//! scratch/                           private folders of running tries; emptied at start
//! ```
//!
//! Several processes may share the folder: names are made of digests and identities, and files appear by renaming.

mod log;
mod module;

use std::path::{Path, PathBuf};

pub use airlock_core::digest::{Digest, InvalidDigest};
pub use log::{LogChunk, LogKey, LogLine, LogSink};
pub use module::{Upload, UploadError};

#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct BlobError {
    action: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

impl BlobError {
    fn new(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// The folder and its layout.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Makes the folders that are missing.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let blobs = Self { root: root.into() };
        for folder in [
            blobs.root.join("modules/sha256"),
            blobs.compiled_folder(),
            blobs.logs_folder(),
            blobs.uploads_folder(),
            blobs.scratch_folder(),
        ] {
            std::fs::create_dir_all(&folder).map_err(BlobError::new("cannot make the folder", &folder))?;
        }
        Ok(blobs)
    }

    /// Removes what an earlier process left unfinished. Only for a folder that no other process uses.
    pub fn remove_leftovers(&self) -> Result<(), BlobError> {
        for folder in [self.uploads_folder(), self.scratch_folder()] {
            let failed = |source| BlobError::new("cannot empty the folder", &folder)(source);
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(|source| BlobError::new("cannot read the folder", &folder)(source))?;
                let path = entry.path();
                let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                removed.map_err(BlobError::new("cannot remove", &path))?;
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

    pub fn logs_folder(&self) -> PathBuf {
        self.root.join("logs")
    }
}
