//! How long an answer is waited for.

use std::time::Duration;

use crate::{StoreError, StoreResult};

/// Waits for an answer no longer than this. A database that has gone without a word leaves its connections waiting for ever, while
/// another connection may find it again. Whether what was asked for has happened, nobody knows then.
///
/// # Errors
/// `Unavailable` when the time is over.
pub async fn within<T>(patience: Duration, answer: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::Unavailable(format!("it has not answered within {patience:?}"))),
    }
}
