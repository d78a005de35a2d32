//! Reads a file from front to back through one bounded buffer, for logs and snapshots.

use std::io;
use std::sync::Arc;

use world::DiskFile;

/// How much is read at once; a longer record makes the buffer grow to its length.
const CHUNK: usize = 256 << 10;

/// The part of a file that is in memory.
#[derive(Debug)]
pub struct Window {
    file: Arc<dyn DiskFile>,
    len: u64,
    buffer: Vec<u8>,
    start: u64,
}

impl Window {
    /// Nothing is read yet.
    pub fn new(file: Arc<dyn DiskFile>) -> io::Result<Window> {
        let len = file.len()?;
        Ok(Window { file, len, buffer: Vec::new(), start: 0 })
    }

    /// The length of the file.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// The bytes at a position: fewer than `want` only at the end of the file.
    pub fn at(&mut self, position: u64, want: usize) -> io::Result<&[u8]> {
        let want = want.min(usize::try_from(self.len.saturating_sub(position)).unwrap_or(usize::MAX));
        if position < self.start || position + want as u64 > self.start + self.buffer.len() as u64 {
            let size = want.max(CHUNK.min(usize::try_from(self.len.saturating_sub(position)).unwrap_or(CHUNK)));
            self.buffer.resize(size, 0);
            self.buffer.shrink_to(CHUNK);
            let read = self.file.read_at(&mut self.buffer, position)?;
            self.buffer.truncate(read);
            self.start = position;
        }
        let from = (position - self.start) as usize;
        let to = (from + want).min(self.buffer.len());
        Ok(self.buffer.get(from..to).unwrap_or_default())
    }
}
