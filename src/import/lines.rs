//! Reads numbered lines in bounded memory. A line ends with LF, CR LF or CR.

use std::io::{self, BufRead, ErrorKind};

use super::error::MAX_BYTES;

/// A line without its line end.
pub(super) struct Line {
    /// Starts at 1.
    pub number: u64,
    /// At most the first [`MAX_BYTES`] bytes.
    pub bytes: Vec<u8>,
    /// Whether `bytes` contains the whole line.
    pub whole: bool,
}

pub(super) struct Lines<R> {
    pub input: R,
    number: u64,
    /// The last line ended with CR, so a following LF belongs to its line end.
    after_cr: bool,
    /// Lines to return again, in reverse order.
    put_back: Vec<Line>,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Self { input, number: 0, after_cr: false, put_back: Vec::new() }
    }

    /// Returns these lines again, in the given order, before reading on.
    pub fn put_back(&mut self, lines: Vec<Line>) {
        self.put_back.extend(lines.into_iter().rev());
    }

    pub fn next(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.put_back.pop() {
            return Ok(Some(line));
        }
        let mut line: Option<Line> = None;
        loop {
            let buffer = match self.input.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                return Ok(line);
            }
            if std::mem::take(&mut self.after_cr) && buffer[0] == b'\n' {
                self.input.consume(1);
                continue;
            }
            let line = line.get_or_insert_with(|| {
                self.number += 1;
                Line { number: self.number, bytes: Vec::new(), whole: true }
            });
            let end = buffer.iter().position(|byte| b"\r\n".contains(byte));
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let kept = piece.len().min(MAX_BYTES - line.bytes.len());
            line.bytes.extend_from_slice(&piece[..kept]);
            line.whole &= kept == piece.len();
            let consumed = piece.len() + usize::from(end.is_some());
            self.after_cr = end.is_some_and(|end| buffer[end] == b'\r');
            self.input.consume(consumed);
            if end.is_some() {
                return Ok(Some(std::mem::replace(line, Line { number: 0, bytes: Vec::new(), whole: true })));
            }
        }
    }
}
