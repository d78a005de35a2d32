//! `<base offset>.log.cleaned` and its indexes, while a cleaning writes them. Nobody reads them before the swap.
//!
//! The index entries are those that an append of the same batches would have made (`segment.rs`); they wait in memory for
//! the end, bounded by the sizes of the indexes that they replace.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use world::{Disk, DiskFile};

use crate::batch::BatchHeader;
use crate::entry_file::Entry;
use crate::error::{Attempt, StorageError};
use crate::file_name::{FileKind, FileState, SegmentFile};
use crate::log_path::SharedDir;
use crate::offset_index::OffsetEntry;
use crate::time_index::{TimeEntry, TimestampAt};
use crate::txn_index::AbortedTxn;

/// Positions in a segment are 31 bits.
const MAX_BYTES: u64 = i32::MAX as u64;

/// The files of one new segment.
#[derive(Debug)]
pub(crate) struct Output {
    /// Where the new segment begins.
    pub(crate) base_offset: i64,
    disk: Arc<dyn Disk>,
    dir: SharedDir,
    file: Arc<dyn DiskFile>,
    index_interval: u64,
    /// Bytes of batches that were noted.
    size: u64,
    /// Of them are in the file.
    written: u64,
    bytes_since_index: u64,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
    largest: TimestampAt,
    aborted: Vec<AbortedTxn>,
    kinds: Vec<FileKind>,
}

impl Output {
    /// An empty file; what an earlier cleaning left under its name is emptied.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        dir: SharedDir,
        base_offset: i64,
        index_interval: u64,
    ) -> Result<Output, StorageError> {
        let name = SegmentFile { offset: base_offset, kind: FileKind::Log, state: FileState::Cleaned }.name();
        let path = dir.load().join(name);
        let file = disk.open_or_create(&path).attempt("create", &path)?;
        file.set_len(0).attempt("truncate", &path)?;
        Ok(Output {
            base_offset,
            disk,
            dir,
            file,
            index_interval,
            size: 0,
            written: 0,
            bytes_since_index: 0,
            offsets: Vec::new(),
            times: Vec::new(),
            largest: TimestampAt { timestamp: -1, offset: base_offset },
            aborted: Vec::new(),
            kinds: Vec::new(),
        })
    }

    /// Indexes a batch that will follow those before it. The error says why it cannot.
    pub(super) fn note(&mut self, header: &BatchHeader) -> Result<(), String> {
        let relative = i32::try_from(header.last_offset().saturating_sub(self.base_offset));
        let position = i32::try_from(self.size);
        let end = self.size + header.size as u64;
        let (Ok(relative_offset), Ok(position), true) = (relative, position, end <= MAX_BYTES) else {
            return Err(format!(
                "offset {} does not fit into one segment from {}",
                header.last_offset(),
                self.base_offset
            ));
        };
        if header.max_timestamp > self.largest.timestamp {
            self.largest = TimestampAt { timestamp: header.max_timestamp, offset: header.last_offset() };
        }
        if self.bytes_since_index > self.index_interval {
            self.offsets.push(OffsetEntry { relative_offset, position });
            self.note_time();
            self.bytes_since_index = 0;
        }
        self.size = end;
        self.bytes_since_index += header.size as u64;
        Ok(())
    }

    fn note_time(&mut self) {
        let Ok(relative_offset) = i32::try_from(self.largest.offset.saturating_sub(self.base_offset)) else { return };
        let entry = TimeEntry { timestamp: self.largest.timestamp, relative_offset };
        let grows = |last: &TimeEntry| entry.timestamp > last.timestamp && relative_offset >= last.relative_offset;
        if entry.timestamp >= 0 && self.times.last().is_none_or(grows) {
            self.times.push(entry);
        }
    }

    /// Lists a transaction whose abort marker was written.
    pub(super) fn note_aborted(&mut self, txn: AbortedTxn) {
        self.aborted.push(txn);
    }

    /// The aborted transactions that it lists.
    pub(super) fn aborted(&self) -> &[AbortedTxn] {
        &self.aborted
    }

    /// Writes batches that were noted.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let written = self.file.write_at(&mut [IoSlice::new(bytes)], self.written);
        written.attempt_at("write", || self.path(FileKind::Log, FileState::Cleaned))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes the indexes and makes all of it survive a crash. `modified_ms` is the time that the log file gets.
    pub(super) fn finish(&mut self, modified_ms: i64) -> Result<(), StorageError> {
        self.note_time();
        let offsets: Vec<u8> = self.offsets.iter().flat_map(Entry::encode).collect();
        let times: Vec<u8> = self.times.iter().flat_map(Entry::encode).collect();
        let aborted: Vec<u8> = self.aborted.iter().flat_map(AbortedTxn::encode).collect();
        self.kinds = vec![FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex];
        self.put_file(FileKind::OffsetIndex, &offsets)?;
        self.put_file(FileKind::TimeIndex, &times)?;
        if !aborted.is_empty() {
            self.kinds.push(FileKind::TxnIndex);
            self.put_file(FileKind::TxnIndex, &aborted)?;
        }
        let path = self.path(FileKind::Log, FileState::Cleaned);
        self.file.set_modified_ms(modified_ms).attempt("set the time of", &path)?;
        self.file.sync_all().attempt("sync", &path)
    }

    fn put_file(&self, kind: FileKind, bytes: &[u8]) -> Result<(), StorageError> {
        let path = self.path(kind, FileState::Cleaned);
        let put = || {
            let file = self.disk.open_or_create(&path)?;
            file.set_len(0)?;
            file.write_at(&mut [IoSlice::new(bytes)], 0)?;
            file.sync_data()
        };
        put().attempt("write", &path)
    }

    /// The files that there are once it is finished.
    pub(crate) fn kinds(&self) -> &[FileKind] {
        &self.kinds
    }

    /// One of its files, in a state.
    pub(crate) fn path(&self, kind: FileKind, state: FileState) -> PathBuf {
        self.dir.load().join(SegmentFile { offset: self.base_offset, kind, state }.name())
    }

    /// Removes what was written.
    pub(super) fn discard(self) -> Result<(), StorageError> {
        for kind in FileKind::SEGMENT {
            let path = self.path(kind, FileState::Cleaned);
            match self.disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).attempt("remove", &path),
                _ => {}
            }
        }
        Ok(())
    }
}
