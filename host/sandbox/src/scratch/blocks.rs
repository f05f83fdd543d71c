//! The bytes of one scratch folder, in blocks of one unnamed file, and the count of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limit::{Limit, LimitReached};

pub(super) const BLOCK_BYTES: u64 = 16 << 10;

/// What a file or a directory counts besides its content: more than the memory that the host keeps for it and its name.
pub(super) const NODE_BYTES: u64 = 4 << 10;

pub(super) struct Blocks {
    folder: Arc<Path>,
    limit: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Made with the first block.
    file: Option<Arc<File>>,
    /// Blocks that were ever used.
    end: u64,
    free: Vec<u64>,
    nodes: u64,
}

impl Blocks {
    pub(super) fn new(folder: Arc<Path>, limit: u64) -> Arc<Self> {
        Arc::new(Self { folder, limit, state: Mutex::default() })
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, blocks: u64, nodes: u64) -> Result<(), LimitReached> {
        let wanted = blocks * BLOCK_BYTES + nodes * NODE_BYTES;
        if wanted > self.limit {
            return Err(LimitReached::new(Limit::Scratch, self.limit, wanted, "writing to the scratch folder"));
        }
        Ok(())
    }

    pub(super) fn add_node(&self) -> Result<(), LimitReached> {
        let mut state = self.lock();
        self.check(state.end - state.free.len() as u64, state.nodes + 1)?;
        state.nodes += 1;
        Ok(())
    }

    pub(super) fn remove_node(&self) {
        self.lock().nodes -= 1;
    }

    /// A block of zeros.
    pub(super) fn allocate(&self) -> Result<u64, AllocateError> {
        let mut state = self.lock();
        self.check(state.end - state.free.len() as u64 + 1, state.nodes)?;
        if state.file.is_none() {
            state.file = Some(Arc::new(tempfile::tempfile_in(&self.folder)?));
        }
        let Some(block) = state.free.pop() else {
            state.end += 1;
            return Ok(state.end - 1);
        };
        // What another file left in it.
        let file = state.file.clone();
        drop(state);
        if let Some(file) = file {
            file.write_all_at(&[0; BLOCK_BYTES as usize], block * BLOCK_BYTES)?;
        }
        Ok(block)
    }

    pub(super) fn release(&self, blocks: impl IntoIterator<Item = u64>) {
        self.lock().free.extend(blocks);
    }

    /// Within one block, `offset` bytes into it.
    pub(super) fn write(&self, block: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file()?.write_all_at(bytes, block * BLOCK_BYTES + offset)
    }

    /// Fills `bytes`; what lies beyond the end of the file was never written, and is zero.
    pub(super) fn read(&self, block: u64, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let (file, mut at, mut rest) = (self.file()?, block * BLOCK_BYTES + offset, bytes);
        while !rest.is_empty() {
            match file.read_at(rest, at) {
                Ok(0) => {
                    rest.fill(0);
                    return Ok(());
                }
                Ok(count) => {
                    at += count as u64;
                    rest = &mut rest[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn file(&self) -> io::Result<Arc<File>> {
        self.lock().file.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum AllocateError {
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error("cannot write to the scratch folder: {0}")]
    Io(#[from] io::Error),
}
