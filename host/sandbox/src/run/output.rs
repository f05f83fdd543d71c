//! What a guest writes: log records, standard output and standard error, all into the task's log and out of one budget.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::capability::task::{LogLevel, LogRecord, LogSource, TaskServices};
use crate::limit::{Limit, LimitReached};

/// What each record counts besides its text. Without it, a flood of empty lines would cost the guest one byte each and the
/// host a hundred.
pub(crate) const RECORD_OVERHEAD: u64 = 64;

/// A longer line is cut into several records.
const LINE_BYTES: usize = 16 << 10;

/// Lines of standard error that are shown with a trap.
const LAST_LINES: usize = 20;

/// The output of one call.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Inner>>);

struct Inner {
    services: Arc<dyn TaskServices>,
    limit: u64,
    used: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_errors: VecDeque<String>,
}

impl Output {
    pub(crate) fn new(services: Arc<dyn TaskServices>, limit: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            services,
            limit,
            used: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            last_errors: VecDeque::new(),
        })))
    }

    /// No state is left half-written by a panic, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(
        &self,
        level: LogLevel,
        source: LogSource,
        message: String,
        fields: Vec<(String, String)>,
    ) -> Result<(), LimitReached> {
        let text = fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() + message.len();
        let mut inner = self.lock();
        inner.charge(text as u64, "writing to the log")?;
        inner.send(level, source, message, fields)
    }

    /// Bytes that counted against the limit so far.
    pub(crate) fn used(&self) -> u64 {
        self.lock().used
    }

    /// Sends the last lines, which no line feed ended, and answers the last lines of standard error.
    pub(crate) fn finish(&self) -> String {
        let mut inner = self.lock();
        for stream in [LogSource::Stdout, LogSource::Stderr] {
            let rest = std::mem::take(inner.buffer(stream));
            if !rest.is_empty() {
                // A limit that is passed here no longer matters: the call is over.
                let _ = inner.line(stream, &rest);
            }
        }
        inner.last_errors.make_contiguous().join("\n")
    }

    pub(crate) fn stream(&self, source: LogSource) -> LogStream {
        LogStream { output: self.clone(), source }
    }
}

impl Inner {
    fn charge(&mut self, bytes: u64, doing: &'static str) -> Result<(), LimitReached> {
        let wanted = self.used + bytes;
        if wanted > self.limit {
            return Err(LimitReached::new(Limit::Log, self.limit, wanted, doing));
        }
        self.used = wanted;
        Ok(())
    }

    fn send(
        &mut self,
        level: LogLevel,
        source: LogSource,
        message: String,
        fields: Vec<(String, String)>,
    ) -> Result<(), LimitReached> {
        self.charge(RECORD_OVERHEAD, "writing to the log")?;
        self.services.log(LogRecord { at: Utc::now(), level, source, message, fields });
        Ok(())
    }

    fn buffer(&mut self, source: LogSource) -> &mut Vec<u8> {
        if source == LogSource::Stderr { &mut self.stderr } else { &mut self.stdout }
    }

    fn write(&mut self, source: LogSource, bytes: &[u8]) -> Result<(), LimitReached> {
        let doing =
            if source == LogSource::Stderr { "writing to standard error" } else { "writing to standard output" };
        self.charge(bytes.len() as u64, doing)?;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let buffer = self.buffer(source);
            buffer.extend_from_slice(piece);
            if piece.ends_with(b"\n") || buffer.len() >= LINE_BYTES {
                let line = std::mem::take(buffer);
                self.line(source, &line)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, source: LogSource, line: &[u8]) -> Result<(), LimitReached> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        let level = if source == LogSource::Stderr { LogLevel::Warning } else { LogLevel::Info };
        if source == LogSource::Stderr {
            if self.last_errors.len() == LAST_LINES {
                self.last_errors.pop_front();
            }
            self.last_errors.push_back(line.clone());
        }
        self.send(level, source, line, Vec::new())
    }
}

/// Standard output or standard error of a guest.
pub(crate) struct LogStream {
    output: Output,
    source: LogSource,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.output.stream(self.source))
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.output.stream(self.source))
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.lock().write(self.source, &bytes).map_err(|limit| StreamError::Trap(limit.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(self.output.lock().write(self.source, bytes).map(|()| bytes.len()).map_err(std::io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
