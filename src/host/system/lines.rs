//! Bytes of a command become lines while they arrive.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::{News, NewsSink};

/// How many lines are kept for an error.
const KEPT: usize = 20;

/// A line without end is cut here, bytes.
const LONGEST: usize = 8 << 10;

/// The last lines of both streams, in the order of their arrival, and where each goes.
#[derive(Clone, Default)]
pub(super) struct Lines {
    last: Arc<Mutex<VecDeque<String>>>,
    sink: Option<NewsSink>,
}

impl Lines {
    pub(super) fn new(sink: Option<NewsSink>) -> Self {
        Self { last: Arc::default(), sink }
    }

    fn push(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        if let Some(sink) = &self.sink {
            sink(News::Line(line));
        }
        let mut last = lock(&self.last);
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(line.to_owned());
    }

    /// The last lines, oldest first.
    pub(super) fn last(&self) -> Vec<String> {
        lock(&self.last).iter().cloned().collect()
    }
}

/// One stream of a command: all its bytes, and its lines as they end.
pub(super) struct Splitter {
    lines: Lines,
    all: Arc<Mutex<Vec<u8>>>,
    open: Vec<u8>,
}

impl Splitter {
    /// `all` collects every byte.
    pub(super) fn new(lines: Lines, all: Arc<Mutex<Vec<u8>>>) -> Self {
        Self { lines, all, open: Vec::new() }
    }

    /// Takes what was just read. A carriage return ends a line too: progress bars become lines.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        lock(&self.all).extend_from_slice(bytes);
        for &byte in bytes {
            if byte == b'\n' || byte == b'\r' || self.open.len() == LONGEST {
                self.lines.push(&self.open);
                self.open.clear();
            }
            if byte != b'\n' && byte != b'\r' {
                self.open.push(byte);
            }
        }
    }
}

impl Drop for Splitter {
    /// What stands after the last line end is a line too.
    fn drop(&mut self) {
        self.lines.push(&self.open);
    }
}

/// Nothing is half done in these, so a panic elsewhere does not spoil them.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_arrive_in_pieces_and_end_in_a_carriage_return() {
        let lines = Lines::default();
        let mut splitter = Splitter::new(lines.clone(), Arc::default());
        for piece in ["10 %\r2", "0 %\r\n", "\n\ndone", " now"] {
            splitter.feed(piece.as_bytes());
        }
        drop(splitter);
        assert_eq!(lines.last(), ["10 %", "20 %", "done now"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let lines = Lines::default();
        let mut splitter = Splitter::new(lines.clone(), Arc::default());
        (0..30).for_each(|number| splitter.feed(format!("{number}\n").as_bytes()));
        assert_eq!((lines.last().len(), lines.last()[0].as_str()), (KEPT, "10"));
    }
}
