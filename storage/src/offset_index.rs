//! `<base offset>.index`: where in a segment to start looking for an offset. Sparse: an entry when more than
//! `index.interval.bytes` were appended since the last one.
//!
//! ```text
//! offset − base offset 4 | position in the segment's file 4
//! ```
//!
//! The offset is the LAST of the batch that starts at the position, so the batch found by a floor search may begin
//! before the wanted offset but never ends behind the one that holds it. Offsets and positions grow strictly.

use std::sync::Arc;

use world::Disk;

use crate::access::Access;
use crate::be::i32_at;
use crate::entry_file::{Entry, EntryFile};
use crate::error::StorageError;
use crate::file_name::FileKind;
use crate::log_path::SharedDir;

/// Offset index of one segment.
#[derive(Debug)]
pub(crate) struct OffsetIndex {
    base_offset: i64,
    max_entries: usize,
    entries: EntryFile<OffsetEntry>,
}

/// One entry, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) relative_offset: i32,
    pub(crate) position: i32,
}

impl Entry for OffsetEntry {
    const SIZE: usize = 8;

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(OffsetEntry { relative_offset: i32_at(bytes, 0)?, position: i32_at(bytes, 4)? })
    }

    fn encode(&self) -> Vec<u8> {
        [self.relative_offset.to_be_bytes(), self.position.to_be_bytes()].concat()
    }

    fn is_real(&self) -> bool {
        self.position != 0
    }
}

/// The byte position of a batch, and the last offset of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetPosition {
    pub(crate) offset: i64,
    pub(crate) position: u64,
}

impl OffsetIndex {
    /// `max_bytes` is `segment.index.bytes`: when so much is used the segment is rolled.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: SharedDir, base_offset: i64, max_bytes: usize) -> OffsetIndex {
        let entries = EntryFile::new(disk, dir, FileKind::OffsetIndex.name(base_offset));
        OffsetIndex { base_offset, max_entries: max_bytes / OffsetEntry::SIZE, entries }
    }

    /// The last entry at or before `offset`, or the segment's start.
    pub(crate) fn lookup(&self, offset: i64) -> Result<OffsetPosition, StorageError> {
        self.lookup_with(offset, Access::Disk)
    }

    pub(crate) fn lookup_with(&self, offset: i64, access: Access) -> Result<OffsetPosition, StorageError> {
        let relative = offset.saturating_sub(self.base_offset);
        let found = self.entries.search_with(|entry| i64::from(entry.relative_offset) <= relative, access)?;
        let start = OffsetPosition { offset: self.base_offset, position: 0 };
        Ok(found.map_or(start, |(_, entry)| self.absolute(entry)))
    }

    /// The first entry whose position is at or behind `position`; bounds the offsets of a slice of the segment.
    pub(crate) fn upper_bound(&self, position: u64) -> Result<Option<OffsetPosition>, StorageError> {
        let before = |entry: &OffsetEntry| u64::try_from(entry.position).is_ok_and(|at| at < position);
        let next = self.entries.search(before)?.map_or(0, |(number, _)| number + 1);
        Ok(self.entries.at(next)?.map(|entry| self.absolute(entry)))
    }

    /// Adds an entry; one that does not grow is left out.
    pub(crate) fn append(&self, offset: i64, position: u64) -> Result<(), StorageError> {
        let relative_offset = i32::try_from(offset.saturating_sub(self.base_offset));
        let (Ok(relative_offset), Ok(position)) = (relative_offset, i32::try_from(position)) else { return Ok(()) };
        let last = self.entries.last()?;
        if last.is_some_and(|last| last.relative_offset >= relative_offset) || position == 0 {
            return Ok(());
        }
        self.entries.append(OffsetEntry { relative_offset, position })
    }

    pub(crate) fn is_full(&self) -> Result<bool, StorageError> {
        Ok(self.entries.count()? >= self.max_entries)
    }

    /// The last entry's offset, or the base offset.
    pub(crate) fn last(&self) -> Result<OffsetPosition, StorageError> {
        let start = OffsetPosition { offset: self.base_offset, position: 0 };
        Ok(self.entries.last()?.map_or(start, |entry| self.absolute(entry)))
    }

    /// Drops entries at and behind `offset`.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<(), StorageError> {
        let relative = offset.saturating_sub(self.base_offset);
        let kept = self.entries.search(|entry| i64::from(entry.relative_offset) < relative)?;
        self.entries.truncate(kept.map_or(0, |(number, _)| number + 1))
    }

    pub(crate) fn files(&self) -> &EntryFile<OffsetEntry> {
        &self.entries
    }

    /// Whether file and segment can belong together: whole entries, the last within the segment.
    pub(crate) fn is_sane(&self, segment_size: u64) -> Result<bool, StorageError> {
        let last = self.entries.last()?;
        let within =
            |e: OffsetEntry| e.relative_offset >= 0 && u64::try_from(e.position).is_ok_and(|at| at < segment_size);
        Ok(self.entries.is_whole()? && last.is_none_or(within))
    }

    fn absolute(&self, entry: OffsetEntry) -> OffsetPosition {
        let position = u64::try_from(entry.position).unwrap_or(0);
        OffsetPosition { offset: self.base_offset.saturating_add(i64::from(entry.relative_offset)), position }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::log_path::LogPath;
    use world::MemDisk;

    use super::*;

    fn index(disk: &MemDisk) -> OffsetIndex {
        let dir = LogPath::new(PathBuf::from("/"));
        OffsetIndex::new(Arc::new(disk.clone()), dir, 1000, 8 * 400)
    }

    #[test]
    fn floors_are_found_in_memory_and_on_disk() {
        let disk = MemDisk::new();
        let open = index(&disk);
        for n in 1..=300 {
            open.append(1000 + n * 10, n as u64 * 100).unwrap();
        }
        open.append(1000 + 3000, 99_999).unwrap();
        let written = index(&disk);
        open.append(1000 + 3001, 100_000).unwrap();
        assert!((200..300).contains(&written.entries.count().unwrap()), "the newest are written together");
        open.truncate_to(1000 + 3001).unwrap();
        let reopened = index(&disk);
        for index in [&open, &reopened] {
            assert_eq!(index.entries.count().unwrap(), 300);
            for (wanted, offset, position) in [
                (0, 1000, 0),
                (1009, 1000, 0),
                (1010, 1010, 100),
                (1019, 1010, 100),
                (2555, 2550, 15_500),
                (9999, 4000, 30_000),
            ] {
                assert_eq!(index.lookup(wanted).unwrap(), OffsetPosition { offset, position }, "{wanted}");
            }
            assert_eq!(index.upper_bound(101).unwrap(), Some(OffsetPosition { offset: 1020, position: 200 }));
            assert_eq!(index.upper_bound(100).unwrap(), Some(OffsetPosition { offset: 1010, position: 100 }));
            assert_eq!(index.upper_bound(30_001).unwrap(), None);
            assert!(!index.is_full().unwrap() && index.is_sane(30_001).unwrap() && !index.is_sane(30_000).unwrap());
        }
    }

    #[test]
    fn truncation_drops_the_offset_and_what_follows() {
        let disk = MemDisk::new();
        let index = index(&disk);
        for n in 1..=300 {
            index.append(1000 + n * 10, n as u64 * 100).unwrap();
        }
        index.truncate_to(1100).unwrap();
        assert_eq!(index.last().unwrap(), OffsetPosition { offset: 1090, position: 900 });
        index.append(1100, 950).unwrap();
        assert_eq!(index.lookup(5000).unwrap().position, 950);
        index.truncate_to(0).unwrap();
        assert_eq!(index.entries.count().unwrap(), 0);
    }

    #[test]
    fn javas_preallocated_zeros_do_not_count() {
        let disk = MemDisk::new();
        let index_file = index(&disk);
        index_file.append(1010, 100).unwrap();
        index_file.append(1020, 200).unwrap();
        index_file.files().close().unwrap();
        let file = disk.open(&index_file.entries.path()).unwrap();
        file.set_len(8 * 1000).unwrap();
        let reopened = index(&disk);
        assert_eq!(reopened.entries.count().unwrap(), 2);
        assert_eq!(reopened.last().unwrap(), OffsetPosition { offset: 1020, position: 200 });
    }
}
