//! Logs as files that grow.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::{Arrived, LogChunk, LogKey, LogPosition};
use crate::{BlobError, Blobs};

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
    // Tries end after their last line is in the file.
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
    Flush(oneshot::Sender<()>),
}

/// The thread that writes: what has gathered for each file goes to it at once. It ends with the last sender.
pub(super) fn start_writer(blobs: Blobs) -> Result<mpsc::Sender<Command>, BlobError> {
    let (commands, inbox) = mpsc::channel();
    let folder = blobs.logs_folder();
    std::thread::Builder::new()
        .name("task-logs".to_owned())
        .spawn(move || write(&blobs, &inbox))
        .map_err(BlobError::file("cannot start the thread that writes logs to", &folder))?;
    Ok(commands)
}

fn write(blobs: &Blobs, inbox: &mpsc::Receiver<Command>) {
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

pub(super) fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
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
    file.write_all(bytes)
}
