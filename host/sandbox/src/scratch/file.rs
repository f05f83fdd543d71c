//! The content of one file.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::blocks::{AllocateError, BLOCK_BYTES, Blocks};
use crate::limit::{Limit, LimitReached};

/// Its methods work on the disk: call them where blocking is allowed.
pub(super) struct Content {
    blocks: Arc<Blocks>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    length: u64,
    /// From the block within the file to the block that holds it. One that is missing reads as zeros.
    map: BTreeMap<u64, u64>,
}

impl Content {
    pub(super) fn new(blocks: Arc<Blocks>) -> Self {
        Self { blocks, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn length(&self) -> u64 {
        self.lock().length
    }

    /// A file without content could be as long as it likes, so its length is bounded by itself.
    fn check_length(&self, length: Option<u64>) -> Result<u64, LimitReached> {
        let limit = self.blocks.limit();
        match length {
            Some(length) if length <= limit => Ok(length),
            length => {
                let doing = "extending a file of the scratch folder";
                Err(LimitReached::new(Limit::Scratch, limit, length.unwrap_or(u64::MAX), doing))
            }
        }
    }

    /// At most `size` bytes from `offset` on; empty at the end.
    pub(super) fn read(&self, offset: u64, size: usize) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let size = state.length.saturating_sub(offset).min(size as u64);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        for (block, within, piece) in pieces_mut(&mut bytes, offset) {
            if let Some(&held) = state.map.get(&block) {
                self.blocks.read(held, within, piece)?;
            }
        }
        Ok(bytes)
    }

    /// Writes at `offset`, or at the end where there is none. Answers where the bytes end.
    pub(super) fn write(&self, offset: Option<u64>, bytes: &[u8]) -> Result<u64, AllocateError> {
        let mut state = self.lock();
        let offset = offset.unwrap_or(state.length);
        let end = self.check_length(offset.checked_add(bytes.len() as u64))?;
        for (block, within, range) in pieces(bytes.len(), offset) {
            let held = match state.map.get(&block) {
                Some(&held) => held,
                None => {
                    let held = self.blocks.allocate()?;
                    state.map.insert(block, held);
                    held
                }
            };
            self.blocks.write(held, within, &bytes[range])?;
        }
        state.length = state.length.max(end);
        Ok(end)
    }

    pub(super) fn set_length(&self, length: u64) -> Result<(), AllocateError> {
        self.check_length(Some(length))?;
        let mut state = self.lock();
        if length < state.length {
            let kept = length.div_ceil(BLOCK_BYTES);
            let cut = state.map.split_off(&kept);
            self.blocks.release(cut.into_values());
            // What is cut off must read as zeros if the file grows again.
            let within = length % BLOCK_BYTES;
            if within > 0
                && let Some(&held) = state.map.get(&(kept - 1))
            {
                let zeros = vec![0; usize::try_from(BLOCK_BYTES - within).unwrap_or_default()];
                self.blocks.write(held, within, &zeros)?;
            }
        }
        state.length = length;
        Ok(())
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        let map = std::mem::take(&mut self.lock().map);
        self.blocks.release(map.into_values());
    }
}

/// Cuts `length` bytes at `offset` of a file at the borders of blocks: the block, where in it, and which of the bytes.
fn pieces(length: usize, offset: u64) -> impl Iterator<Item = (u64, u64, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = at % BLOCK_BYTES;
        let start = done;
        done = length.min(start + usize::try_from(BLOCK_BYTES - within).unwrap_or(usize::MAX));
        (start < length).then_some((at / BLOCK_BYTES, within, start..done))
    })
}

fn pieces_mut(bytes: &mut [u8], offset: u64) -> impl Iterator<Item = (u64, u64, &mut [u8])> {
    let mut pieces = pieces(bytes.len(), offset);
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (block, within, range) = pieces.next()?;
        let (piece, tail) = std::mem::take(&mut rest).split_at_mut(range.len());
        rest = tail;
        Some((block, within, piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(limit: u64) -> Content {
        Content::new(Blocks::new(std::env::temp_dir().into(), limit))
    }

    #[test]
    fn bytes_come_back_across_blocks() {
        let content = content(1 << 20);
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
        assert_eq!(content.write(Some(5), &bytes).unwrap(), 100_005);
        assert_eq!(content.read(5, usize::MAX).unwrap(), bytes);
        assert_eq!(content.read(0, 6).unwrap(), [0, 0, 0, 0, 0, 0]);
        assert_eq!(content.read(16_380, 10).unwrap(), bytes[16_375..16_385]);
        assert!(content.read(100_005, 10).unwrap().is_empty());
    }

    #[test]
    fn what_was_cut_off_reads_as_zeros() {
        let content = content(1 << 20);
        content.write(None, &[7; 40_000]).unwrap();
        content.set_length(10).unwrap();
        content.set_length(40_000).unwrap();
        let mut expected = vec![0; 40_000];
        expected[..10].fill(7);
        assert_eq!(content.read(0, usize::MAX).unwrap(), expected);
    }

    #[test]
    fn a_block_of_another_file_is_empty_when_it_is_used_again() {
        let blocks = Blocks::new(std::env::temp_dir().into(), 1 << 20);
        let first = Content::new(blocks.clone());
        first.write(None, &[7; 16 << 10]).unwrap();
        drop(first);
        let second = Content::new(blocks);
        second.write(Some(100), b"x").unwrap();
        assert_eq!(second.read(0, 101).unwrap()[..100], [0; 100]);
    }

    #[test]
    fn the_limit_counts_what_is_held() {
        let content = content(3 * BLOCK_BYTES);
        content.write(None, &[1; 3 * BLOCK_BYTES as usize]).unwrap();
        let error = content.write(None, b"x").unwrap_err();
        assert!(matches!(error, AllocateError::Limit(limit) if limit.limit == Limit::Scratch));
        content.set_length(0).unwrap();
        content.write(None, &[1; BLOCK_BYTES as usize]).unwrap();
    }
}
