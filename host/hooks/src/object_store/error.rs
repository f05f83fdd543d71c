//! From the errors of object stores to ours.

use std::error::Error;

use airlock_sandbox::capability::object_store::ObjectError;
use object_store::Error as StoreError;

use crate::connection::Secrets;
use crate::pinned::{Cause, cause, whole_story};

/// `key` is the one that the guest named: the store's own paths may be of the host.
pub(super) fn object_error(error: &StoreError, key: &str, secrets: &Secrets) -> ObjectError {
    let text = || secrets.mask(&whole_story(innermost(error)));
    match error {
        StoreError::NotFound { .. } => ObjectError::NotFound(key.to_owned()),
        StoreError::AlreadyExists { .. } => ObjectError::AlreadyExists(key.to_owned()),
        StoreError::PermissionDenied { .. } => ObjectError::Denied(format!("the store refuses `{key}`: {}", text())),
        StoreError::Unauthenticated { .. } => {
            ObjectError::Denied(format!("the store refuses the credentials: {}", text()))
        }
        StoreError::InvalidPath { source } => ObjectError::Invalid(source.to_string()),
        // Of a list request the store's library keeps the answer's status in its text alone.
        StoreError::Generic { .. }
            if ["401 Unauthorized", "403 Forbidden"].iter().any(|status| text().contains(status)) =>
        {
            ObjectError::Denied(format!("the store refuses the credentials: {}", text()))
        }
        other => match cause(other) {
            Cause::Denied(text) => ObjectError::Denied(text),
            Cause::Dns(text) | Cause::Tls(text) => ObjectError::Connect(text),
            Cause::Connect(text) => ObjectError::Connect(secrets.mask(&text)),
            Cause::Timeout => ObjectError::Timeout,
            Cause::Other(_) => ObjectError::Other(text()),
        },
    }
}

/// The store's own words, without the wrapping that repeats them.
fn innermost(error: &StoreError) -> &(dyn Error + 'static) {
    error.source().unwrap_or(error)
}
