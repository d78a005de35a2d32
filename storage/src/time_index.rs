//! `<base offset>.timeindex`: up to which offset a segment has no larger timestamp than this. Written together with an
//! offset index entry, and once more when the segment is rolled or closed, so that its last entry is the segment's
//! largest timestamp.
//!
//! ```text
//! timestamp 8 | offset − base offset 4
//! ```
//!
//! Timestamps grow strictly, offsets do not fall. The last slot is kept for the entry at the roll.

use std::sync::Arc;

use world::Disk;

use crate::be::{i32_at, i64_at};
use crate::entry_file::{Entry, EntryFile};
use crate::error::StorageError;
use crate::file_name::FileKind;
use crate::log_path::SharedDir;

/// Time index of one segment.
#[derive(Debug)]
pub(crate) struct TimeIndex {
    base_offset: i64,
    max_entries: usize,
    entries: EntryFile<TimeEntry>,
}

/// One entry, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative_offset: i32,
}

impl Entry for TimeEntry {
    const SIZE: usize = 12;

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(TimeEntry { timestamp: i64_at(bytes, 0)?, relative_offset: i32_at(bytes, 8)? })
    }

    fn encode(&self) -> Vec<u8> {
        [&self.timestamp.to_be_bytes()[..], &self.relative_offset.to_be_bytes()[..]].concat()
    }

    fn is_real(&self) -> bool {
        self.timestamp > 0 || self.relative_offset != 0
    }
}

/// A timestamp and the offset of the batch that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampAt {
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
}

impl TimeIndex {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: SharedDir, base_offset: i64, max_bytes: usize) -> TimeIndex {
        let entries = EntryFile::new(disk, dir, FileKind::TimeIndex.name(base_offset));
        TimeIndex { base_offset, max_entries: max_bytes / TimeEntry::SIZE, entries }
    }

    /// The last entry at or before `timestamp`; without one, no timestamp at the base offset.
    pub(crate) fn lookup(&self, timestamp: i64) -> Result<TimestampAt, StorageError> {
        let found = self.entries.search(|entry| entry.timestamp <= timestamp)?;
        Ok(found.map_or(self.nothing(), |(_, entry)| self.absolute(entry)))
    }

    /// The last entry; without one, no timestamp at the base offset.
    pub(crate) fn last(&self) -> Result<TimestampAt, StorageError> {
        Ok(self.entries.last()?.map_or(self.nothing(), |entry| self.absolute(entry)))
    }

    /// Adds an entry if its timestamp grows and its offset does not fall.
    pub(crate) fn maybe_append(&self, entry: TimestampAt) -> Result<(), StorageError> {
        let Ok(relative_offset) = i32::try_from(entry.offset.saturating_sub(self.base_offset)) else { return Ok(()) };
        let last = self.last()?;
        if entry.timestamp <= last.timestamp || entry.offset < last.offset {
            return Ok(());
        }
        self.entries.append(TimeEntry { timestamp: entry.timestamp, relative_offset })
    }

    pub(crate) fn is_full(&self) -> Result<bool, StorageError> {
        Ok(self.entries.count()? + 1 >= self.max_entries)
    }

    /// Drops entries at and behind `offset`.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<(), StorageError> {
        let relative = offset.saturating_sub(self.base_offset);
        let kept = self.entries.search(|entry| i64::from(entry.relative_offset) < relative)?;
        self.entries.truncate(kept.map_or(0, |(number, _)| number + 1))
    }

    pub(crate) fn files(&self) -> &EntryFile<TimeEntry> {
        &self.entries
    }

    /// Whether this can be a time index: whole entries, the last not before the first.
    pub(crate) fn is_sane(&self) -> Result<bool, StorageError> {
        let (first, last) = (self.entries.at(0)?, self.entries.last()?);
        let ordered = match (first, last) {
            (Some(first), Some(last)) => last.timestamp >= first.timestamp && last.relative_offset >= 0,
            _ => true,
        };
        Ok(ordered && self.entries.is_whole()?)
    }

    fn nothing(&self) -> TimestampAt {
        TimestampAt { timestamp: -1, offset: self.base_offset }
    }

    fn absolute(&self, entry: TimeEntry) -> TimestampAt {
        let offset = self.base_offset.saturating_add(i64::from(entry.relative_offset));
        TimestampAt { timestamp: entry.timestamp, offset }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::log_path::LogPath;
    use world::MemDisk;

    use super::*;

    #[test]
    fn only_growing_entries_are_kept_and_found() {
        let dir = LogPath::new(PathBuf::from("/"));
        let index = TimeIndex::new(Arc::new(MemDisk::new()), dir, 50, 12 * 4);
        assert_eq!(index.last().unwrap(), TimestampAt { timestamp: -1, offset: 50 });
        for (timestamp, offset) in [(100, 60), (100, 70), (90, 80), (200, 90), (300, 85)] {
            index.maybe_append(TimestampAt { timestamp, offset }).unwrap();
        }
        assert_eq!(index.entries.count().unwrap(), 2);
        assert!(!index.is_full().unwrap());
        index.maybe_append(TimestampAt { timestamp: 400, offset: 95 }).unwrap();
        assert!(index.is_full().unwrap());
        for (wanted, timestamp, offset) in [(99, -1, 50), (100, 100, 60), (399, 200, 90), (400, 400, 95)] {
            assert_eq!(index.lookup(wanted).unwrap(), TimestampAt { timestamp, offset });
        }
        index.truncate_to(95).unwrap();
        assert_eq!(index.last().unwrap().timestamp, 200);
        assert!(index.is_sane().unwrap());
    }
}
