//! Files as streams. Disk work is done where blocking is allowed, and never while the guest's thread waits.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn_blocking};

use super::blocks::AllocateError;
use super::tree::{Kind, Node};

/// Bytes that a stream moves at once.
const CHUNK_BYTES: usize = 64 << 10;

/// What a stream found, or why it did not: a limit ends the try.
fn failed(error: AllocateError) -> StreamError {
    match error {
        AllocateError::Limit(limit) => StreamError::Trap(limit.into()),
        AllocateError::Io(error) => StreamError::LastOperationFailed(error.into()),
    }
}

pub(super) struct Reader {
    node: Arc<Node>,
    position: u64,
    /// Bytes at `position` that were read ahead; `Some` and empty at the end of the file.
    ahead: Option<StreamResult<Bytes>>,
}

impl Reader {
    pub(super) fn new(node: Arc<Node>, position: u64) -> Self {
        Self { node, position, ahead: None }
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        if self.ahead.is_none() {
            let (node, position) = (self.node.clone(), self.position);
            let read = spawn_blocking(move || match &node.kind {
                Kind::File(content) => content.read(position, CHUNK_BYTES).map_err(AllocateError::Io),
                Kind::Directory(_) => Ok(Vec::new()),
            });
            self.ahead = Some(read.await.map(Bytes::from).map_err(failed));
        }
    }
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match self.ahead.take() {
            // Nothing yet: the guest waits by `ready`.
            None => Ok(Bytes::new()),
            Some(Err(error)) => Err(error),
            Some(Ok(bytes)) if bytes.is_empty() => Err(StreamError::Closed),
            Some(Ok(mut bytes)) => {
                let read = bytes.split_to(size.min(bytes.len()));
                self.position += read.len() as u64;
                if !bytes.is_empty() {
                    self.ahead = Some(Ok(bytes));
                }
                Ok(read)
            }
        }
    }
}

pub(super) struct Writer {
    node: Arc<Node>,
    /// None: at the end of the file, wherever that is.
    position: Option<u64>,
    writing: Option<AbortOnDropJoinHandle<Result<u64, AllocateError>>>,
    failure: Option<StreamError>,
}

impl Writer {
    pub(super) fn new(node: Arc<Node>, position: Option<u64>) -> Self {
        Self { node, position, writing: None, failure: None }
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        if let Some(writing) = &mut self.writing {
            match writing.await {
                Ok(_) => {}
                Err(error) => self.failure = Some(failed(error)),
            }
            self.writing = None;
        }
    }
}

#[async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.check_write()? < bytes.len() {
            return Err(StreamError::trap("a write must not be larger than `check-write` allowed"));
        }
        let (node, position) = (self.node.clone(), self.position);
        self.position = position.map(|position| position.saturating_add(bytes.len() as u64));
        self.writing = Some(spawn_blocking(move || match &node.kind {
            Kind::File(content) => content.write(position, &bytes),
            Kind::Directory(_) => Err(AllocateError::Io(std::io::ErrorKind::IsADirectory.into())),
        }));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // Each write is whole before the next is allowed.
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        Ok(if self.writing.is_some() { 0 } else { CHUNK_BYTES })
    }
}
