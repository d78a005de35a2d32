//! Walks over the batches of a segment's file, front to back, with a bounded buffer: for recovery and for tools.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use world::DiskFile;

use crate::batch::{Batch, BatchError, BatchHeader, HEADER_SIZE};

/// One read of the file; larger batches are read whole.
const CHUNK: u64 = 1 << 20;

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What lies at the position is no batch.
    #[error("at position {position}: {error}")]
    Batch {
        /// Where it begins.
        position: u64,
        /// What is wrong with it.
        error: BatchError,
    },
}

/// The walk. Yields each batch with its position; after an error it is over.
#[derive(Debug)]
pub struct Scanner {
    file: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    /// Bytes that are read at a time.
    chunk_size: u64,
    chunk: Bytes,
}

impl Scanner {
    /// Walks over [position, end) of the file.
    pub fn new(file: Arc<dyn DiskFile>, position: u64, end: u64) -> Scanner {
        Scanner { file, position, end, chunk_size: CHUNK, chunk: Bytes::new() }
    }

    /// Reads so many bytes at a time.
    pub(crate) fn with_chunk(self, bytes: usize) -> Scanner {
        Scanner { chunk_size: (bytes as u64).max(HEADER_SIZE as u64), ..self }
    }

    /// Where the next batch begins, or the bad one.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn advance(&mut self) -> Result<Option<(u64, Batch)>, ScanError> {
        let position = self.position;
        let left = self.end.saturating_sub(position);
        if left == 0 {
            return Ok(None);
        }
        if self.chunk.len() < HEADER_SIZE {
            self.fill(self.chunk_size.min(left))?;
        }
        let bad = |error| ScanError::Batch { position, error };
        let size = BatchHeader::parse(&self.chunk).map_err(bad)?.size;
        if size as u64 > left {
            return Err(bad(BatchError::Truncated { need: size, have: left as usize }));
        }
        if size > self.chunk.len() {
            self.fill((size as u64).max(self.chunk_size).min(left))?;
        }
        let batch = Batch::parse(&self.chunk).map_err(bad)?;
        self.chunk = self.chunk.slice(size..);
        self.position += size as u64;
        Ok(Some((position, batch)))
    }

    fn fill(&mut self, len: u64) -> io::Result<()> {
        // The last chunk's memory is used again unless somebody still has a batch of it.
        let mut bytes = std::mem::take(&mut self.chunk).try_into_mut().unwrap_or_default();
        bytes.clear();
        bytes.resize(len as usize, 0);
        let read = self.file.read_at(&mut bytes, self.position)?;
        bytes.truncate(read);
        self.chunk = bytes.freeze();
        Ok(())
    }
}

impl Iterator for Scanner {
    type Item = Result<(u64, Batch), ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.end = self.position;
        }
        next.transpose()
    }
}
