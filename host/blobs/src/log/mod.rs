//! Logs of tries: one JSON object a line, read while they grow.
//!
//! In a folder a log is a file; in a bucket, which has no objects that grow, it is what `parts` says. A reader may come at any time, also
//! after the writer's process died; a line that is not whole is not shown.

mod files;
mod parts;
mod sink;
mod uploads;
mod writer;

use std::fmt;
use std::str::FromStr;

use airlock_core::id::RunKey;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{BlobError, Blobs};

pub use sink::LogSink;

/// Which try's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogKey {
    pub run: RunKey,
    pub instance: Uuid,
    pub try_number: u32,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    pub timestamp: DateTime<Utc>,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// `task`, `stdout`, `stderr` or `host`.
    pub source: String,
    pub event: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

impl LogLine {
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).ok()?;
        bytes.push(b'\n');
        Some(bytes)
    }
}

/// Said in a log of what is missing there.
fn lost_line(why: String) -> LogLine {
    LogLine {
        timestamp: Utc::now(),
        level: "error".to_owned(),
        source: "host".to_owned(),
        event: why,
        fields: Map::new(),
    }
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogChunk {
    pub lines: Vec<LogLine>,
    /// Where to read on.
    pub next: LogPosition,
    /// Whether the part ends where the log ends now.
    pub at_end: bool,
    pub arrived: Arrived,
}

/// How much of what was written can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// What was written up to then.
    Until(DateTime<Utc>),
    /// Less: a writer has not said yet that it is done, or died before it could.
    NotAll,
}

/// A place in a log: `OFFSET`, or `PART:OFFSET`, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// Of a log that has parts; empty: the first.
    part: String,
    offset: u64,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.part.is_empty() {
            write!(formatter, "{}", self.offset)
        } else {
            write!(formatter, "{}:{}", self.part, self.offset)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no position in a log")]
pub struct InvalidPosition;

impl FromStr for LogPosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (part, offset) = text.rsplit_once(':').unwrap_or(("", text));
        let offset = offset.parse().map_err(|_| InvalidPosition)?;
        Ok(Self { part: part.to_owned(), offset })
    }
}

impl Blobs {
    /// Reads whole lines from a position on, about `maximum` bytes of them. A log that nobody has written to is empty.
    pub async fn read_log(&self, key: &LogKey, from: &LogPosition, maximum: usize) -> Result<LogChunk, BlobError> {
        match &self.bucket {
            Some(bucket) => parts::read(bucket, key, from, maximum).await,
            None => {
                let (path, offset) = (self.log_path(key), from.offset);
                self.on_disk(move || files::read(&path, offset, maximum)).await
            }
        }
    }

    /// Removes the log of one try. A try without a log is no error.
    pub async fn remove_log(&self, key: &LogKey) -> Result<(), BlobError> {
        match &self.bucket {
            Some(bucket) => bucket.remove_below(&parts::folder(key)).await,
            None => {
                let path = self.log_path(key);
                self.on_disk(move || files::remove(&path, std::fs::remove_file(&path))).await
            }
        }
    }

    /// Removes the logs of a run. A run without logs is no error.
    pub async fn remove_run_logs(&self, run: RunKey) -> Result<(), BlobError> {
        match &self.bucket {
            Some(bucket) => bucket.remove_below(&parts::run_folder(run)).await,
            None => {
                let path = self.logs_folder().join(run.tenant.to_string()).join(run.id.to_string());
                self.on_disk(move || files::remove(&path, std::fs::remove_dir_all(&path))).await
            }
        }
    }

    /// Runs what waits for the disk where waiting holds up nobody.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| {
            Err(BlobError::file("cannot work in the folder", &self.logs_folder())(std::io::Error::other(error)))
        })
    }
}

#[cfg(test)]
mod tests;
