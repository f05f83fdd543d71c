//! Logs as files that grow.
//!
//! A thread writes what gathers. What a disk does not take, because it is full or broken, is kept in memory up to a limit and tried again;
//! what is lost beyond it is said in the log, as for a bucket.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::{Arrived, LogChunk, LogKey, LogPosition};
use crate::{BlobError, Blobs};

/// Between attempts at a disk that does not take a log.
const RETRY: Duration = Duration::from_secs(1);

impl Blobs {
    pub(super) fn log_path(&self, key: &LogKey) -> PathBuf {
        self.logs_folder()
            .join(key.run.tenant.to_string())
            .join(key.run.id.to_string())
            .join(key.instance.to_string())
            .join(format!("{}.jsonl", key.try_number))
    }
}

pub(super) fn read(path: &Path, offset: u64, maximum: usize) -> Result<LogChunk, BlobError> {
    // Tries end after their last line is in the file, unless the disk does not take it.
    let arrived = Arrived::Until(DateTime::<Utc>::MAX_UTC);
    let at = |offset| LogPosition { part: String::new(), offset };
    let mut file = match std::fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(LogChunk { lines: Vec::new(), next: at(0), at_end: true, arrived });
        }
        opened => opened.map_err(BlobError::file("cannot open the log", path))?,
    };
    let failed = |source| BlobError::file("cannot read the log", path)(source);
    let length = file.metadata().map_err(failed)?.len();
    let offset = offset.min(length);
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    // One record may be longer than the part asked for: read on until there is at least one whole line.
    let mut bytes = Vec::new();
    loop {
        let wanted = maximum.max(1) as u64;
        let read = (&mut file).take(wanted).read_to_end(&mut bytes).map_err(failed)?;
        if read == 0 || bytes.contains(&b'\n') {
            break;
        }
    }
    let (lines, whole) = super::parts::whole_lines(&bytes);
    let at_end = offset + bytes.len() as u64 >= length;
    // Half a line at the end: its writer is at it, waits for the disk, or died.
    let arrived = if at_end && whole < bytes.len() { Arrived::NotAll } else { arrived };
    Ok(LogChunk { lines, next: at(offset + whole as u64), at_end, arrived })
}

/// What is not there is removed.
pub(super) fn remove(path: &Path, removed: std::io::Result<()>) -> Result<(), BlobError> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(BlobError::file("cannot remove", path)(error)),
        _ => Ok(()),
    }
}

pub(super) enum Command {
    Append(LogKey, Vec<u8>),
    /// Answered when what was appended before is in its file, or waits for a disk that does not take it.
    Flush(oneshot::Sender<()>),
    /// The same, and nothing more comes: whatever waits is tried once more.
    Drain(oneshot::Sender<()>),
}

/// Starts the thread that writes; it ends with the last sender. What the disk does not take is kept, up to `most_held` bytes.
pub(super) fn start_writer(blobs: Blobs, most_held: usize) -> Result<mpsc::Sender<Command>, BlobError> {
    let (commands, inbox) = mpsc::channel();
    let folder = blobs.logs_folder();
    std::thread::Builder::new()
        .name("task-logs".to_owned())
        .spawn(move || Writer::new(blobs, most_held).run(&inbox))
        .map_err(BlobError::file("cannot start the thread that writes logs to", &folder))?;
    Ok(commands)
}

/// What is not in a file yet.
#[derive(Default)]
struct Unwritten {
    bytes: Vec<u8>,
    /// Bytes for which there was no place, after those.
    lost: usize,
    /// The disk has not taken it; not before this is it tried again.
    retry_at: Option<Instant>,
}

impl Unwritten {
    fn write(&mut self, path: &Path) -> std::io::Result<()> {
        append(path, &mut self.bytes)?;
        if self.lost > 0 {
            let why = format!("{} bytes of this log are lost: the disk did not take them in time", self.lost);
            self.bytes.extend(super::lost_line(why).to_bytes().unwrap_or_default());
            self.lost = 0;
            append(path, &mut self.bytes)?;
        }
        Ok(())
    }
}

/// What has gathered for each file goes to it at once.
struct Writer {
    blobs: Blobs,
    most_held: usize,
    /// Bytes in `unwritten`.
    held: usize,
    unwritten: HashMap<LogKey, Unwritten>,
    is_failing: bool,
    is_losing: bool,
}

impl Writer {
    fn new(blobs: Blobs, most_held: usize) -> Self {
        Self { blobs, most_held, held: 0, unwritten: HashMap::new(), is_failing: false, is_losing: false }
    }

    fn run(mut self, inbox: &mpsc::Receiver<Command>) {
        loop {
            let first = if self.unwritten.is_empty() {
                inbox.recv().map_err(RecvTimeoutError::from)
            } else {
                inbox.recv_timeout(RETRY)
            };
            if matches!(first, Err(RecvTimeoutError::Disconnected)) {
                return self.give_up();
            }
            let (mut waiting, mut is_last) = (Vec::new(), false);
            for command in first.into_iter().chain(inbox.try_iter()) {
                match command {
                    Command::Append(key, bytes) => self.take(key, &bytes),
                    Command::Flush(done) => waiting.push(done),
                    Command::Drain(done) => {
                        is_last = true;
                        waiting.push(done);
                    }
                }
            }
            self.write(is_last);
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    fn take(&mut self, key: LogKey, bytes: &[u8]) {
        let log = self.unwritten.entry(key).or_default();
        // After a gap nothing is kept until the gap can be told.
        let has_place = !self.is_failing || (log.lost == 0 && self.held + bytes.len() <= self.most_held);
        if has_place {
            log.bytes.extend(bytes);
            self.held += bytes.len();
            return;
        }
        log.lost += bytes.len();
        if !std::mem::replace(&mut self.is_losing, true) {
            tracing::error!("lines of tasks' logs are lost: the disk has taken none for too long");
        }
    }

    fn write(&mut self, is_last: bool) {
        let now = Instant::now();
        let Self { blobs, unwritten, held, is_failing, is_losing, .. } = self;
        unwritten.retain(|key, log| {
            if !is_last && log.retry_at.is_some_and(|at| at > now) {
                return true;
            }
            let (path, before) = (blobs.log_path(key), log.bytes.len());
            let written = log.write(&path);
            *held = (*held + log.bytes.len()).saturating_sub(before);
            let Err(error) = written else { return false };
            // A task does not fail because its log cannot be kept.
            log.retry_at = Some(now + RETRY);
            if !std::mem::replace(is_failing, true) {
                tracing::error!(%error, path = %path.display(), "a task's log cannot be written; what the disk does not take is kept for a while, and tried again");
            }
            true
        });
        if unwritten.is_empty() && std::mem::take(is_failing) {
            *is_losing = false;
            tracing::info!("the disk takes tasks' logs again");
        }
    }

    fn give_up(&self) {
        let lost: usize = self.unwritten.values().map(|log| log.bytes.len() + log.lost).sum();
        if lost > 0 {
            tracing::error!("{lost} bytes of tasks' logs are lost: the disk has not taken them in time");
        }
    }
}

/// Writes what the disk takes, and leaves the rest in `bytes`: it may end in the middle of a line, where the next attempt goes on.
pub(super) fn append(path: &Path, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let open = || std::fs::OpenOptions::new().append(true).create(true).open(path);
    let mut file = match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            open()?
        }
        opened => opened?,
    };
    let mut written = 0;
    let outcome = loop {
        let rest = bytes.get(written..).unwrap_or_default();
        if rest.is_empty() {
            break Ok(());
        }
        match file.write(rest) {
            Ok(0) => break Err(ErrorKind::WriteZero.into()),
            Ok(some) => written += some,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    bytes.drain(..written);
    outcome
}
