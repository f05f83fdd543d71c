//! Logs on their way into a bucket.
//!
//! Lines gather in memory. What a call has written goes as one object when it has ended; of a call that takes longer, the first segment goes
//! after a second and further ones in ever longer intervals, so that others can read along, and little is lost with the process. A store
//! that cannot be reached is tried again; meanwhile lines are kept up to a limit, and what is lost beyond it is said in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::writer::{Command, Writer};
use super::{LogKey, LogLine};
use crate::bucket::Bucket;

/// The tries' end of it.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    commands: mpsc::UnboundedSender<Command>,
    /// Bytes that wait or are under way.
    held: Arc<AtomicUsize>,
    most_held: usize,
}

impl Uploads {
    pub fn start(bucket: Arc<Bucket>, most_held: usize) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let held = Arc::new(AtomicUsize::new(0));
        tokio::spawn(Writer::new(bucket, held.clone()).run(inbox));
        Self { commands, held, most_held }
    }

    pub fn append(&self, key: LogKey, line: &LogLine) {
        let Some(bytes) = line.to_bytes() else { return };
        let (began, size) = (line.timestamp.timestamp_millis(), bytes.len());
        let has_place = self.held.fetch_add(size, Ordering::Relaxed) + size <= self.most_held;
        if !has_place {
            self.held.fetch_sub(size, Ordering::Relaxed);
        }
        let command = if has_place { Command::Append(key, began, bytes) } else { Command::Lost(key, began, size) };
        // The task ends only after the last sender, or with the runtime.
        let _ = self.commands.send(command);
    }

    pub fn end(&self, key: LogKey) {
        let _ = self.commands.send(Command::End(key));
    }

    pub async fn drain(&self) {
        let (done, drained) = oneshot::channel();
        if self.commands.send(Command::Drain(done)).is_ok() {
            let _ = drained.await;
        }
    }
}
