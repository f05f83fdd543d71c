//! A folder of the host as an object store: connection type `fs`.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::object_store::ObjectError;
use airlock_sandbox::capability::task::Connection;
use object_store::local::LocalFileSystem;

use super::bucket::{Lister, Shared, StoreBucket};
use crate::connection::{Secrets, extra_text, filled};
use crate::{Hooks, folders};

/// The folder that everything must stay in, without links on its way.
pub(super) struct Root(PathBuf);

impl Root {
    /// Whether the file of a key lies really in the folder: the store follows links. Guests cannot make any, but the host's
    /// own people may have.
    pub(super) fn check(&self, key: &str) -> Result<(), ObjectError> {
        let mut path = self.0.join(key);
        // What is not there yet is where its parent is.
        let real = loop {
            match path.canonicalize() {
                Ok(real) => break real,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let dangling = path.symlink_metadata().is_ok();
                    if dangling || !path.pop() {
                        return Err(ObjectError::Denied(format!("`{key}` is a link that leads out of the folder")));
                    }
                }
                Err(error) => return Err(ObjectError::Invalid(format!("`{key}`: {error}"))),
            }
        };
        if real.starts_with(&self.0) {
            Ok(())
        } else {
            Err(ObjectError::Denied(format!("`{key}` is a link that leads out of the folder")))
        }
    }
}

/// The folder is `extra.path`, or the host; a bucket is a directory in it.
pub(super) fn open(
    hooks: &Hooks,
    caller: &Caller,
    connection: &Connection,
    bucket: Option<String>,
) -> Result<StoreBucket, ObjectError> {
    let conn_id = &connection.info.conn_id;
    let path = match extra_text(connection, "path").map_err(ObjectError::Invalid)? {
        Some(path) => path,
        None => filled(connection.info.host.as_deref())
            .map(str::to_owned)
            .ok_or_else(|| ObjectError::Invalid(format!("connection `{conn_id}` has no `extra.path`")))?,
    };
    let denied = |reason: String| ObjectError::Denied(format!("connection `{conn_id}`: {reason}"));
    let root = folders::permitted(&path, &caller.host_folders).map_err(denied)?;
    if !root.is_dir() {
        return Err(ObjectError::Connect(format!("connection `{conn_id}`: `{path}` is no folder of the host")));
    }
    let folder = match &bucket {
        None => root,
        Some(bucket) => {
            let plain = Path::new(bucket).components().all(|part| matches!(part, Component::Normal(_)));
            if !plain {
                return Err(ObjectError::Invalid(format!("`{bucket}` is no name of a bucket")));
            }
            let folder = root.join(bucket);
            match folder.canonicalize() {
                Ok(real) if real.starts_with(&root) && real.is_dir() => real,
                Ok(_) | Err(_) => return Err(ObjectError::NotFound(format!("bucket `{bucket}`"))),
            }
        }
    };
    let store = LocalFileSystem::new_with_prefix(&folder)
        .map_err(|error| ObjectError::Connect(format!("connection `{conn_id}`: {error}")))?
        // Else a key would leave its empty folders behind, in which no key can be written.
        .with_automatic_cleanup(true);
    Ok(StoreBucket(Arc::new(Shared {
        store: Arc::new(store),
        lister: Lister::Folder(Root(folder)),
        secrets: Secrets::of(connection),
        timeout: hooks.options.object_store_timeout,
    })))
}
