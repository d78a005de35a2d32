//! Whether the files of a log that was just opened say the same: what must hold after every start, whatever came before.

use std::collections::BTreeMap;

use super::*;
use crate::be::{i32_at, i64_at};
use crate::file_name::{FileKind, FileState, SegmentFile};
use crate::txn_index::AbortedTxn;

/// Panics, with `story`, unless batches are whole and in order and every index tells the truth about them.
pub(super) fn check_files(disk: &MemDisk, log: &Log, story: &str) {
    let names: Vec<String> = disk.read_dir(&dir()).unwrap().into_iter().map(|entry| entry.name).collect();
    let files: Vec<SegmentFile> = names.iter().filter_map(|name| SegmentFile::parse(name)).collect();
    let temporary = |file: &&SegmentFile| matches!(file.state, FileState::Cleaned | FileState::Swap);
    assert_eq!(files.iter().find(temporary), None, "{story}: {names:?}");
    let in_use = |file: &&SegmentFile| file.kind == FileKind::Log && file.state == FileState::Plain;
    let bases: Vec<i64> = files.iter().filter(in_use).map(|file| file.offset).collect();
    assert!(!bases.is_empty(), "{story}: {names:?}");
    let mut next_offset = bases[0];
    let mut open_transactions = BTreeMap::new();
    for (number, base) in bases.iter().enumerate() {
        let segment =
            Found { base: *base, log_start: log.log_start_offset().0, batches: batches(disk, *base, story), story };
        let end = bases.get(number + 1).copied().unwrap_or(log.log_end_offset().0);
        segment.offsets_grow(next_offset.max(*base), end);
        segment.offset_index_is_true(&bytes(disk, *base, FileKind::OffsetIndex).unwrap());
        segment.time_index_is_true(&bytes(disk, *base, FileKind::TimeIndex).unwrap(), end != log.log_end_offset().0);
        let aborted = bytes(disk, *base, FileKind::TxnIndex).unwrap_or_default();
        segment.txn_index_is_true(&AbortedTxn::decode_all(&aborted).unwrap(), &mut open_transactions);
        for batch in segment.readable().filter(|batch| batch.header.base_offset >= segment.log_start) {
            let epoch = log.epoch_for_offset(Offset(batch.header.base_offset));
            assert_eq!(epoch, Some(LeaderEpoch(batch.header.leader_epoch)), "{story}: {}", batch.header.base_offset);
        }
        next_offset = end;
    }
}

fn bytes(disk: &MemDisk, base: i64, kind: FileKind) -> Option<Vec<u8>> {
    disk.read_all(&dir().join(kind.name(base)), 1 << 20).ok()
}

fn batches(disk: &MemDisk, base: i64, story: &str) -> Vec<(usize, Batch)> {
    let mut rest = Bytes::from(bytes(disk, base, FileKind::Log).unwrap());
    let len = rest.len();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let position = len - rest.len();
        let batch = Batch::parse(&rest).unwrap_or_else(|error| panic!("{story}: {base} at {position}: {error}"));
        batch.check_crc().unwrap_or_else(|error| panic!("{story}: {base} at {position}: {error}"));
        rest = rest.slice(batch.header.size..);
        found.push((position, batch));
    }
    found
}

/// One segment.
struct Found<'a> {
    base: i64,
    log_start: i64,
    batches: Vec<(usize, Batch)>,
    story: &'a str,
}

impl Found<'_> {
    /// Batches that reach behind the log's start.
    fn readable(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().map(|(_, batch)| batch).filter(|batch| batch.header.last_offset() >= self.log_start)
    }

    fn offsets_grow(&self, mut next_offset: i64, end: i64) {
        for (position, batch) in &self.batches {
            let header = batch.header;
            assert!(header.base_offset >= next_offset, "{}: {} at {position}: {header:?}", self.story, self.base);
            next_offset = header.next_offset();
        }
        assert!(next_offset <= end, "{}: {} reaches {next_offset}, the next begins at {end}", self.story, self.base);
    }

    fn offset_index_is_true(&self, index: &[u8]) {
        assert_eq!(index.len() % 8, 0, "{}: {}", self.story, self.base);
        let mut before = (-1, -1);
        for entry in index.chunks(8) {
            let (relative, position) = (i32_at(entry, 0).unwrap(), i32_at(entry, 4).unwrap());
            assert!(relative > before.0 && position > before.1, "{}: {} {before:?}", self.story, self.base);
            before = (relative, position);
            let named = self.batches.iter().find(|(at, _)| *at == position as usize);
            let last_offset = named.map(|(_, batch)| batch.header.last_offset());
            assert_eq!(last_offset, Some(self.base + i64::from(relative)), "{}: {}", self.story, self.base);
        }
    }

    fn time_index_is_true(&self, index: &[u8], is_closed: bool) {
        assert_eq!(index.len() % 12, 0, "{}: {}", self.story, self.base);
        let largest_until = |offset: i64| {
            let until = self.batches.iter().filter(|(_, batch)| batch.header.last_offset() <= offset);
            until.map(|(_, batch)| batch.header.max_timestamp).max().unwrap_or(-1)
        };
        let mut last = -1;
        for entry in index.chunks(12) {
            let (timestamp, offset) = (i64_at(entry, 0).unwrap(), self.base + i64::from(i32_at(entry, 8).unwrap()));
            assert!(timestamp > last, "{}: {}: {timestamp} behind {last}", self.story, self.base);
            assert_eq!(largest_until(offset), timestamp, "{}: {} at offset {offset}", self.story, self.base);
            last = timestamp;
        }
        if is_closed {
            assert_eq!(last, largest_until(i64::MAX), "{}: {} is closed", self.story, self.base);
        }
    }

    /// Follows the transactions through the segment, for the next one to go on from. Of those that began before the log's
    /// start only the index may know; they can make an entry begin earlier, and hold the last stable offset back.
    fn txn_index_is_true(&self, index: &[AbortedTxn], open: &mut BTreeMap<i64, i64>) {
        for batch in self.readable() {
            let (producer_id, last_offset) = (batch.header.producer_id, batch.header.last_offset());
            match batch.end_transaction_marker().unwrap().map(|marker| marker.control_type) {
                Some(ControlType::Abort) if open.contains_key(&producer_id) => {
                    let first_offset = open.remove(&producer_id).unwrap();
                    let last_stable_offset = open.values().min().copied().unwrap_or(last_offset + 1);
                    let entry =
                        index.iter().find(|txn| (txn.producer_id, txn.last_offset) == (producer_id, last_offset));
                    let entry = entry.unwrap_or_else(|| panic!("{}: {} lacks {producer_id}", self.story, self.base));
                    let is_as_expected = if self.log_start == 0 {
                        (entry.first_offset, entry.last_stable_offset) == (first_offset, last_stable_offset)
                    } else {
                        entry.first_offset <= first_offset && entry.last_stable_offset <= last_stable_offset
                    };
                    assert!(is_as_expected, "{}: {}: {entry:?}, but {first_offset}", self.story, self.base);
                }
                Some(_) => {
                    open.remove(&producer_id);
                }
                None if batch.header.is_transactional() => {
                    open.entry(producer_id).or_insert(batch.header.base_offset);
                }
                None => {}
            }
        }
        for txn in index {
            let ends_here = |(_, batch): &(usize, Batch)| {
                (batch.header.last_offset(), batch.header.producer_id) == (txn.last_offset, txn.producer_id)
            };
            assert!(self.batches.iter().any(ends_here), "{}: {}: {txn:?}", self.story, self.base);
        }
    }
}
