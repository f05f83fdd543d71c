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
            while self.line.len() - self.logged > PIECE {
                let end = self.piece_end();
                self.log(&String::from_utf8_lossy(&self.line[self.logged..end]));
                self.logged = end;
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

    /// Where the next piece ends: not within a character, of which UTF-8 has at most three more bytes.
    fn piece_end(&self) -> usize {
        let end = self.logged + PIECE;
        let starts_character = |position: &usize| self.line[*position] & 0b1100_0000 != 0b1000_0000;
        (end - 3..=end).rev().find(starts_character).unwrap_or(end)
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
