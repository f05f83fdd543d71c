use std::path::{Path, PathBuf};

/// What went wrong with a file or an object, and which it was.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("{action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{action} {object}: {source}")]
    Object { action: &'static str, object: String, source: object_store::Error },
    /// The store holds other bytes under a digest than those that it is the digest of.
    #[error("{object} is not what its name says: its bytes have the digest {found}")]
    Altered { object: String, found: airlock_core::digest::Digest },
}

impl BlobError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Whether the object store has answered, and said no: trying again will not help, other settings may.
    pub fn is_refusal(&self) -> bool {
        use object_store::Error;
        matches!(
            self,
            Self::Object {
                source: Error::NotFound { .. } | Error::PermissionDenied { .. } | Error::Unauthenticated { .. },
                ..
            }
        )
    }

    /// Whether a disk has no room for it: the same may succeed when somebody has made some.
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind;
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
        matches!(self, Self::File { source, .. } if full.contains(&source.kind()))
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Object { source: object_store::Error::NotFound { .. }, .. })
    }
}
