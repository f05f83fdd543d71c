//! Where a worker's tries write their logs.

use std::sync::mpsc;

use tokio::sync::oneshot;

use super::{LogKey, LogLine, files, uploads};
use crate::{BlobError, Blobs};

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
        Ok(Self(match blobs.bucket.clone() {
            Some(bucket) => Inner::Bucket(uploads::Uploads::start(bucket)),
            None => Inner::Files(files::start_writer(blobs)?),
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

    /// Says that a call has ended. Files have what it has written when this returns; a bucket has it a moment later, for a task does not wait
    /// for the network because of its log.
    pub async fn end(&self, key: LogKey) {
        match &self.0 {
            Inner::Files(commands) => flush(commands).await,
            Inner::Bucket(uploads) => uploads.end(key),
        }
    }

    /// Says that nothing more comes, and waits until everything can be read. A store that cannot be reached may never take it.
    pub async fn drain(&self) {
        match &self.0 {
            Inner::Files(commands) => flush(commands).await,
            Inner::Bucket(uploads) => uploads.drain().await,
        }
    }
}

async fn flush(commands: &mpsc::Sender<files::Command>) {
    let (done, written) = oneshot::channel();
    if commands.send(files::Command::Flush(done)).is_ok() {
        let _ = written.await;
    }
}
