//! A stream of unpacked bytes, seen through a buffer that moves along it. Always: at most [`WINDOW`] bytes are held, but for
//! single records that are larger, and those only with memory reserved for them.

use std::io::{self, Read};

use crate::memory::{ConversionMemory, NoRoom, Reservation};

/// Bytes that are looked at together; records up to this size cost no reservation.
pub(super) const WINDOW: usize = 64 * 1024;

/// The stream and what was read of it last.
pub(crate) struct Window {
    stream: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// For as long as the buffer is larger than usual.
    reserved: Option<Reservation>,
}

/// Why bytes cannot be had.
#[derive(Debug)]
pub(crate) enum WindowError {
    /// The stream is damaged.
    Stream(io::Error),
    /// A record is too large.
    NoRoom(NoRoom),
}

impl Window {
    pub(crate) fn new(stream: Box<dyn Read + Send>) -> Window {
        Window { stream, buffer: Vec::new(), start: 0, end: 0, reserved: None }
    }

    /// What has been read and not passed yet.
    pub(crate) fn seen(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Sees at least `count` bytes, or all that are left: whether there are as many. Within [`WINDOW`], for nothing.
    pub(crate) fn see(&mut self, count: usize, memory: &ConversionMemory) -> Result<bool, WindowError> {
        if self.end - self.start >= count {
            return Ok(true);
        }
        if count > WINDOW && self.buffer.len() < count {
            self.reserved = None;
            self.reserved = Some(memory.reserve(count).map_err(WindowError::NoRoom)?);
        }
        self.fill(count).map_err(WindowError::Stream)
    }

    /// As [`Window::see`], for counts that always fit.
    pub(crate) fn see_few(&mut self, count: usize) -> io::Result<bool> {
        if self.end - self.start >= count { Ok(true) } else { self.fill(count.min(WINDOW)) }
    }

    fn fill(&mut self, count: usize) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if count <= WINDOW && self.buffer.len() > WINDOW {
            self.buffer.truncate(WINDOW.max(self.end));
            self.buffer.shrink_to_fit();
            self.reserved = None;
        }
        while self.end < count {
            if self.end == self.buffer.len() {
                // Memory follows the bytes that come, not those that are announced.
                let grown = (2 * self.buffer.len()).clamp(16 * 1024, count.max(WINDOW));
                self.buffer.resize(grown, 0);
            }
            match self.stream.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Passes over bytes that were seen.
    pub(crate) fn pass(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Passes over bytes, seen or not: whether there were as many.
    pub(crate) fn skip(&mut self, mut count: usize) -> io::Result<bool> {
        loop {
            let there = (self.end - self.start).min(count);
            self.pass(there);
            count -= there;
            if count == 0 {
                return Ok(true);
            }
            if !self.fill(1)? {
                return Ok(false);
            }
        }
    }
}
