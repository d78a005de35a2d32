//! Whole files of arbitrary bytes, put where a log would have them; for fuzzing. Files with a parser of their own have
//! their `fuzz(bytes)` beside it. Nothing here may panic, loop for ever, or take more memory than a multiple of the bytes.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use world::clock::ManualClock;
use world::{Disk, MemDisk};
use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

use crate::batch::{BatchBuilder, Batches};
use crate::checkpoint::LEADER_EPOCH_FILE;
use crate::file_name::{FileKind, FileState, SegmentFile};
use crate::health::DirHealth;
use crate::log::{LoadHints, Log, LogContext};
use crate::log_config::LogConfig;
use crate::memory::ConversionMemory;
use crate::offset_index::OffsetIndex;
use crate::producer_state::AppendOrigin;
use crate::time_index::{TimeIndex, TimestampAt};

const DIR: &str = "/logs/t-0";

fn disk_with(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> MemDisk {
    let disk = MemDisk::new();
    // A disk in memory without a plan to fail does not fail.
    let _ = disk.create_dir_all(Path::new(DIR));
    for (name, bytes) in files {
        if let Ok(file) = disk.open_or_create(&Path::new(DIR).join(name)) {
            let _ = file.write_at(&mut [IoSlice::new(&bytes)], 0);
        }
    }
    disk
}

/// An offset index: asked, cut and extended.
pub fn offset_index(bytes: &[u8]) {
    let disk = disk_with([(FileKind::OffsetIndex.name(100), bytes.to_vec())]);
    let index = OffsetIndex::new(Arc::new(disk), crate::log_path::LogPath::new(PathBuf::from(DIR)), 100, 1 << 20);
    let _ = (index.is_sane(1 << 20), index.last(), index.is_full());
    for at in [i64::MIN, 0, 100, 150, 1 << 33, i64::MAX] {
        let _ = (index.lookup(at), index.upper_bound(at.unsigned_abs()));
    }
    let _ = (index.append(200, 5000), index.append(i64::MAX, u64::MAX));
    let _ = (index.truncate_to(150), index.truncate_to(i64::MIN));
}

/// A time index: asked, cut and extended.
pub fn time_index(bytes: &[u8]) {
    let disk = disk_with([(FileKind::TimeIndex.name(100), bytes.to_vec())]);
    let index = TimeIndex::new(Arc::new(disk), crate::log_path::LogPath::new(PathBuf::from(DIR)), 100, 1 << 20);
    let _ = (index.is_sane(), index.last(), index.is_full());
    for at in [i64::MIN, -1, 0, 1_600_000_000_000, i64::MAX] {
        let _ = (index.lookup(at), index.maybe_append(TimestampAt { timestamp: at, offset: 200 }));
    }
    let _ = (index.truncate_to(150), index.truncate_to(i64::MIN));
}

/// A segment's file of batches, in a log that was stopped cleanly and in one that was not.
pub fn segment(bytes: &[u8]) {
    for clean_shutdown in [true, false] {
        open_and_use(&disk_with([(FileKind::Log.name(100), bytes.to_vec())]), clean_shutdown);
    }
}

/// All files of a partition's directory: each piece is a byte that chooses the name, two for the length, and the content.
pub fn log_dir(bytes: &[u8]) {
    for clean_shutdown in [true, false] {
        open_and_use(&disk_with(files(bytes)), clean_shutdown);
    }
}

fn files(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    while let [choice, high, low, rest @ ..] = bytes {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (content, rest) = rest.split_at(len);
        files.push((name(*choice), content.to_vec()));
        bytes = rest;
    }
    files
}

fn name(choice: u8) -> String {
    let states = [FileState::Plain, FileState::Deleted, FileState::Cleaned, FileState::Swap];
    let offset = [0, 1, 100, 5_000_000_000][usize::from(choice >> 5 & 3)];
    match (FileKind::ALL.get(usize::from(choice & 7)), states[usize::from(choice >> 3 & 3)]) {
        (Some(kind), state) => SegmentFile { offset, kind: *kind, state }.name(),
        (None, FileState::Plain) => "partition.metadata".to_owned(),
        (None, _) => LEADER_EPOCH_FILE.to_owned(),
    }
}

/// A damaged log may refuse anything; what it gives must be within its bounds.
fn open_and_use(disk: &MemDisk, clean_shutdown: bool) {
    let context = LogContext {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::new(1_600_000_000_000)),
        health: Arc::new(DirHealth::new(PathBuf::from("/logs"), None)),
        producer_id_expiration: Duration::from_secs(86_400),
        memory: ConversionMemory::default(),
    };
    let hints = LoadHints { clean_shutdown, ..LoadHints::default() };
    let partition = TopicPartition::new("t", 0);
    let Ok(log) = Log::open(Path::new(DIR), partition, LogConfig::default(), hints, context) else { return };
    let end = log.log_end_offset();
    assert!(log.log_start_offset() <= end, "{} to {end}", log.log_start_offset());
    read(&log, end);
    for timestamp in [i64::MIN, 0, 1_600_000_000_000, i64::MAX] {
        let _ = log.offset_for_timestamp(timestamp);
    }
    let _ = log.offset_of_max_timestamp();
    let mut builder = BatchBuilder::new();
    builder.append(0, None, Some(b"life goes on"), &[]);
    if let Ok(batch) = builder.build() {
        let _ = log.append_as_leader(batch, LeaderEpoch(1), AppendOrigin::Client);
    }
    let _ = (log.truncate_to(Offset(end.0 / 2)), log.apply_retention(i64::MAX), log.close());
}

fn read(log: &Log, end: Offset) {
    let mut next = log.log_start_offset();
    while next < end {
        let Ok(slice) = log.read(next, 1000, end, true).map(|fetched| fetched.slice) else { return };
        let Some(bytes) = slice.and_then(|slice| slice.read().ok()) else { return };
        let offsets = Batches::new(Bytes::clone(&bytes)).flatten().map(|batch| batch.header.next_offset());
        match offsets.max().filter(|after| *after > next.0) {
            Some(after) => next = Offset(after),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Batches, of which now and then a byte is wrong.
    fn batches() -> impl Strategy<Value = Vec<u8>> {
        let batch = (0i64..300, 1usize..4, any::<u16>(), proptest::bool::weighted(0.3));
        let built = batch.prop_map(|(base_offset, count, position, is_damaged)| {
            let mut builder = BatchBuilder::new().base_offset(base_offset);
            (0..count).for_each(|_| builder.append(1_600_000_000_000, None, Some(b"value"), &[]));
            let mut bytes = builder.build().unwrap().to_vec();
            let position = usize::from(position) % bytes.len();
            bytes[position] ^= if is_damaged { 0x21 } else { 0 };
            bytes
        });
        proptest::collection::vec(built, 0..8).prop_map(|parts| parts.concat())
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let content = prop_oneof![batches(), proptest::collection::vec(any::<u8>(), 0..100)];
        (any::<u8>(), content).prop_map(|(choice, content)| {
            [&[choice][..], &(content.len() as u16).to_be_bytes()[..], &content[..]].concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn arbitrary_files_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), batches in batches(),
            dir in proptest::collection::vec(piece(), 0..8),
        ) {
            offset_index(&bytes);
            time_index(&bytes);
            segment(&bytes);
            segment(&batches);
            log_dir(&bytes);
            log_dir(&dir.concat());
        }
    }
}
