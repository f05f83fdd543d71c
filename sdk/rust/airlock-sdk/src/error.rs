//! How a try ends badly.

use std::fmt;
use std::time::Duration;

/// The SDK's result: `?` turns every [`std::error::Error`] into an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a try failed, and whether trying again may help.
///
/// An error that comes by way of `?` may be retried: most of what goes wrong outside an operator passes with time. Say
/// [`Error::fail`] where it cannot help, such as for arguments that make no sense.
///
/// This type does not implement [`std::error::Error`]: only so can every type that does be converted into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whether the task's `retries` apply.
    pub retryable: bool,
    /// What went wrong, for which input, and what would be right.
    pub message: String,
    /// For the author of the operator, such as a backtrace.
    pub details: Option<String>,
    /// Until the next try, in place of what the task's `retry_delay` and backoff come to.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// A failure after which another try may succeed.
    pub fn retry(message: impl fmt::Display) -> Self {
        Self { retryable: true, message: message.to_string(), details: None, retry_after: None }
    }

    /// A failure that no other try can mend: the task fails at once.
    pub fn fail(message: impl fmt::Display) -> Self {
        Self { retryable: false, message: message.to_string(), details: None, retry_after: None }
    }

    /// Lets the next try wait this long, whatever the task's `retry_delay` says: for outside systems that name a time. How many tries
    /// there are is not changed by it.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Puts what was being done before the message: `cannot load the report: connection refused`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some errors already print their source.
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self::retry(message)
    }
}
