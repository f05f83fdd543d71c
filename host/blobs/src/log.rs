//! Logs of tries: files that grow, one JSON object a line.
//!
//! Appending never waits for the disk: records go to one thread, which writes what has gathered for each file at once. A
//! reader may come at any time, also after the writer's process died; a line that is not whole is not shown.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use airlock_core::id::RunKey;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{BlobError, Blobs};

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

/// A part of a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogChunk {
    pub lines: Vec<LogLine>,
    /// Where the next part begins: an offset in bytes.
    pub next: u64,
    /// Whether the part ends where the file ends now.
    pub at_end: bool,
}

impl Blobs {
    fn log_path(&self, key: &LogKey) -> PathBuf {
        self.run_logs_folder(key.run).join(key.instance.to_string()).join(format!("{}.jsonl", key.try_number))
    }

    fn run_logs_folder(&self, run: RunKey) -> PathBuf {
        self.logs_folder().join(run.tenant.to_string()).join(run.id.to_string())
    }

    /// Reads whole lines from `offset` on, about `maximum` bytes of them. A log that nobody has written to is empty.
    pub fn read_log(&self, key: &LogKey, offset: u64, maximum: usize) -> Result<LogChunk, BlobError> {
        let path = self.log_path(key);
        let mut file = match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(LogChunk { lines: Vec::new(), next: 0, at_end: true });
            }
            opened => opened.map_err(BlobError::new("cannot open the log", &path))?,
        };
        let failed = |source| BlobError::new("cannot read the log", &path)(source);
        let length = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(offset.min(length)))
            .map_err(|source| BlobError::new("cannot read the log", &path)(source))?;
        // One record may be longer than the part asked for: read on until there is at least one whole line.
        let mut bytes = Vec::new();
        loop {
            let wanted = maximum.max(1) as u64;
            let read = (&mut file)
                .take(wanted)
                .read_to_end(&mut bytes)
                .map_err(|source| BlobError::new("cannot read the log", &path)(source))?;
            if read == 0 || bytes.contains(&b'\n') {
                break;
            }
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines =
            bytes[..whole].split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let next = offset.min(length) + whole as u64;
        Ok(LogChunk { lines, next, at_end: offset.min(length) + bytes.len() as u64 >= length })
    }

    /// Removes the log of one try. A try without a log is no error.
    pub fn remove_log(&self, key: &LogKey) -> Result<(), BlobError> {
        let path = self.log_path(key);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BlobError::new("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the logs of a run. A run without logs is no error.
    pub fn remove_run_logs(&self, run: RunKey) -> Result<(), BlobError> {
        let path = self.run_logs_folder(run);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BlobError::new("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

enum Command {
    Append(LogKey, Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// Where a worker's tries write their logs. Cloning shares it; the thread ends with the last clone.
#[derive(Clone, Debug)]
pub struct LogSink {
    commands: mpsc::Sender<Command>,
}

impl LogSink {
    pub fn start(blobs: Blobs) -> Result<Self, BlobError> {
        let (commands, inbox) = mpsc::channel();
        let folder = blobs.logs_folder();
        std::thread::Builder::new()
            .name("task-logs".to_owned())
            .spawn(move || write_logs(&blobs, &inbox))
            .map_err(BlobError::new("cannot start the thread that writes logs to", &folder))?;
        Ok(Self { commands })
    }

    /// Never waits. The caller bounds how much one try may append.
    pub fn append(&self, key: LogKey, line: &LogLine) {
        if let Ok(mut bytes) = serde_json::to_vec(line) {
            bytes.push(b'\n');
            // The thread ends only after the last sender: sending cannot fail while we are here.
            let _ = self.commands.send(Command::Append(key, bytes));
        }
    }

    /// Waits until everything that was appended before can be read.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.commands.send(Command::Flush(done)).is_ok() {
            let _ = written.await;
        }
    }
}

fn write_logs(blobs: &Blobs, inbox: &mpsc::Receiver<Command>) {
    while let Ok(first) = inbox.recv() {
        let mut pending: HashMap<LogKey, Vec<u8>> = HashMap::new();
        let mut waiting = Vec::new();
        for command in std::iter::once(first).chain(inbox.try_iter()) {
            match command {
                Command::Append(key, bytes) => pending.entry(key).or_default().extend(bytes),
                Command::Flush(done) => waiting.push(done),
            }
        }
        for (key, bytes) in pending {
            let path = blobs.log_path(&key);
            if let Err(error) = append(&path, &bytes) {
                // A task does not fail because its log cannot be kept.
                tracing::error!(%error, path = %path.display(), "cannot write a task's log: {} bytes are lost", bytes.len());
            }
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}

fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let open = || std::fs::OpenOptions::new().append(true).create(true).open(path);
    let mut file = match open() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            open()?
        }
        opened => opened?,
    };
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use airlock_core::id::TenantId;

    use super::*;

    fn line(event: &str) -> LogLine {
        LogLine {
            timestamp: DateTime::UNIX_EPOCH,
            level: "info".into(),
            source: "task".into(),
            event: event.into(),
            fields: Map::new(),
        }
    }

    fn key(id: i64) -> LogKey {
        LogKey { run: RunKey { tenant: TenantId(1), id }, instance: Uuid::nil(), try_number: 1 }
    }

    #[tokio::test]
    async fn a_log_is_read_while_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let sink = LogSink::start(blobs.clone()).unwrap();
        assert_eq!(blobs.read_log(&key(1), 0, 1000).unwrap(), LogChunk { lines: vec![], next: 0, at_end: true });
        sink.append(key(1), &line("one"));
        sink.append(key(2), &line("elsewhere"));
        sink.append(key(1), &line("two"));
        sink.flush().await;
        let first = blobs.read_log(&key(1), 0, 1).unwrap();
        assert_eq!((first.lines, first.at_end), (vec![line("one")], false));
        let second = blobs.read_log(&key(1), first.next, 1000).unwrap();
        assert_eq!((second.lines, second.at_end), (vec![line("two")], true));
        sink.append(key(1), &line("three"));
        sink.flush().await;
        assert_eq!(blobs.read_log(&key(1), second.next, 1000).unwrap().lines, vec![line("three")]);
        blobs.remove_run_logs(key(1).run).unwrap();
        assert!(blobs.read_log(&key(1), 0, 1000).unwrap().lines.is_empty());
        assert_eq!(blobs.read_log(&key(2), 0, 1000).unwrap().lines, vec![line("elsewhere")]);
    }

    #[tokio::test]
    async fn a_torn_line_is_not_shown_until_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let text = serde_json::to_string(&line("whole")).unwrap();
        let (half, rest) = text.split_at(10);
        let path = blobs.log_path(&key(1));
        append(&path, half.as_bytes()).unwrap();
        let torn = blobs.read_log(&key(1), 0, 1000).unwrap();
        assert_eq!((torn.lines.len(), torn.next), (0, 0));
        append(&path, format!("{rest}\n").as_bytes()).unwrap();
        assert_eq!(blobs.read_log(&key(1), torn.next, 1000).unwrap().lines, vec![line("whole")]);
    }
}
