//! Where a worker's tries write their logs.

use std::sync::mpsc;

use tokio::sync::oneshot;

use super::{LogKey, LogLine, files, uploads};
use crate::{BlobError, Blobs};

/// Bytes that are kept for a disk or a store that does not take them.
const MOST_HELD: usize = 64 << 20;

/// Takes lines, and never waits for the disk or the network. Cloning shares it; what works behind it ends with the last clone.
#[derive(Clone, Debug)]
pub struct LogSink(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Files(mpsc::Sender<files::Command>),
    Bucket(uploads::Uploads),
}

impl LogSink {
    /// Starts what writes: a thread for files, a task of the current runtime for a bucket.
    pub fn start(blobs: Blobs) -> Result<Self, BlobError> {
        Self::start_bounded(blobs, MOST_HELD)
    }

    pub(super) fn start_bounded(blobs: Blobs, most_held: usize) -> Result<Self, BlobError> {
        Ok(Self(match blobs.bucket.clone() {
            Some(bucket) => Inner::Bucket(uploads::Uploads::start(bucket, most_held)),
            None => Inner::Files(files::start_writer(blobs, most_held)?),
        }))
    }

    /// Never waits. The caller bounds how much one try may append.
    pub fn append(&self, key: LogKey, line: &LogLine) {
        match &self.0 {
            Inner::Files(commands) => {
                if let Some(bytes) = line.to_bytes() {
                    // The thread ends only after the last sender: sending cannot fail while we are here.
                    let _ = commands.send(files::Command::Append(key, bytes));
                }
            }
            Inner::Bucket(uploads) => uploads.append(key, line),
        }
    }

    /// Says that a call has ended. Files have what it has written when this returns, unless the disk does not take it; a bucket has it a
    /// moment later, for a task does not wait for the network because of its log.
    pub async fn end(&self, key: LogKey) {
        match &self.0 {
            Inner::Files(commands) => answered(commands, files::Command::Flush).await,
            Inner::Bucket(uploads) => uploads.end(key),
        }
    }

    /// Says that nothing more comes, and waits until everything can be read. A store that cannot be reached may never take it.
    pub async fn drain(&self) {
        match &self.0 {
            Inner::Files(commands) => answered(commands, files::Command::Drain).await,
            Inner::Bucket(uploads) => uploads.drain().await,
        }
    }
}

async fn answered(commands: &mpsc::Sender<files::Command>, command: fn(oneshot::Sender<()>) -> files::Command) {
    let (done, written) = oneshot::channel();
    if commands.send(command(done)).is_ok() {
        let _ = written.await;
    }
}
