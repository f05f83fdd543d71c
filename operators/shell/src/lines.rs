//! A stream of bytes as lines of the log.

use airlock_sdk::log::{self, Level};

/// Longer lines are logged in pieces of this many bytes, so that no record nears the limit of a host call.
const PIECE: usize = 16 * 1024;

/// Logs each line of a stream as soon as it is whole, and remembers the last one.
pub struct Lines {
    stream: &'static str,
    /// What has come of the line that is not whole yet.
    line: Vec<u8>,
    /// How much of it is logged already.
    logged: usize,
    last: String,
}

impl Lines {
    pub fn new(stream: &'static str) -> Self {
        Self { stream, line: Vec::new(), logged: 0, last: String::new() }
    }

    pub fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.line.extend_from_slice(end);
                    self.finish_line();
                }
                None => self.line.extend_from_slice(part),
            }
            while self.line.len() - self.logged >= PIECE {
                self.log(&String::from_utf8_lossy(&self.line[self.logged..self.logged + PIECE]));
                self.logged += PIECE;
            }
        }
    }

    /// Logs what is left and gives the last line.
    pub fn end(mut self) -> String {
        if !self.line.is_empty() {
            self.finish_line();
        }
        self.last
    }

    fn finish_line(&mut self) {
        let rest = String::from_utf8_lossy(&self.line[self.logged..]);
        if self.logged == 0 || !rest.is_empty() {
            self.log(rest.trim_end());
        }
        self.last = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        self.line.clear();
        self.logged = 0;
    }

    fn log(&self, text: &str) {
        log::write(Level::Info, text, &[("stream", self.stream)]);
    }
}
