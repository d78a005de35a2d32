//! `<offset>.snapshot`: the producers as they were when the log ended at that offset, so that loading need not read the
//! whole log. Taken at every roll and at a clean stop.
//!
//! ```text
//! version 2 (1) | CRC-32C of all behind it 4 | count 4 | entries of 46:
//! producer id 8 | epoch 2 | last sequence 4 | last offset 8 | offset delta 4 | timestamp 8 | coordinator epoch 4 |
//! first offset of its open transaction 8 (-1 none)
//! ```
//!
//! Only the last batch of each producer is kept, so older duplicates are not recognised after a restart (as in Kafka).

use std::path::Path;

use world::Disk;

use crate::be::{i16_at, i32_at, i64_at, u32_at};
use crate::error::{Attempt, StorageError};
use crate::producer_state::{BatchMetadata, ProducerEntry, ProducerState};

const HEADER: usize = 10;
const ENTRY: usize = 46;
/// Room for 20 million producers.
const MAX_FILE: u64 = 1 << 30;

/// Reads a snapshot file. `Err(Damaged)` for one that is not whole.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<(i64, ProducerEntry)>, StorageError> {
    let bytes = disk.read_all(path, MAX_FILE).attempt("read", path)?;
    decode(&bytes).map_err(|what| StorageError::Damaged { path: path.to_owned(), what })
}

/// Writes a snapshot file; not synced, as the roll that takes it must not wait. The checksum tells after a crash.
pub(crate) fn write(disk: &dyn Disk, path: &Path, state: &ProducerState) -> Result<(), StorageError> {
    let file = disk.open_or_create(path).attempt("create", path)?;
    let bytes = encode(state);
    file.set_len(0).attempt("truncate", path)?;
    file.write_at(&mut [std::io::IoSlice::new(&bytes)], 0).attempt("write", path)
}

/// The file's bytes.
pub fn encode(state: &ProducerState) -> Vec<u8> {
    let mut body = (state.producers().len() as i32).to_be_bytes().to_vec();
    let mut producers: Vec<_> = state.producers().iter().collect();
    producers.sort_by_key(|(producer_id, _)| **producer_id);
    for (producer_id, entry) in producers {
        let last = entry.batches.back();
        body.extend_from_slice(&producer_id.to_be_bytes());
        body.extend_from_slice(&entry.producer_epoch.to_be_bytes());
        body.extend_from_slice(&last.map_or(-1, |batch| batch.last_sequence).to_be_bytes());
        body.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset).to_be_bytes());
        body.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        body.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        body.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        body.extend_from_slice(&entry.txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let mut out = 1i16.to_be_bytes().to_vec();
    out.extend_from_slice(&crate::crc::crc32c(&body).to_be_bytes());
    out.extend_from_slice(&body);
    out
}

/// Reads the file's bytes.
pub fn decode(bytes: &[u8]) -> Result<Vec<(i64, ProducerEntry)>, String> {
    let short = || format!("cut short after {} bytes", bytes.len());
    let version = i16_at(bytes, 0).ok_or_else(short)?;
    if version != 1 {
        return Err(format!("version {version} is not 1"));
    }
    let stored = u32_at(bytes, 2).ok_or_else(short)?;
    let computed = crate::crc::crc32c(bytes.get(6..).unwrap_or_default());
    if stored != computed {
        return Err(format!("stored CRC {stored:#010x}, computed {computed:#010x}"));
    }
    let count = i32_at(bytes, 6).and_then(|count| usize::try_from(count).ok()).ok_or_else(short)?;
    let entries = bytes.get(HEADER..).unwrap_or_default();
    if entries.len() / ENTRY != count || entries.len() % ENTRY != 0 {
        return Err(format!("{count} entries declared, {} bytes there", entries.len()));
    }
    entries.chunks(ENTRY).map(|entry| decode_entry(entry).ok_or_else(short)).collect()
}

fn decode_entry(bytes: &[u8]) -> Option<(i64, ProducerEntry)> {
    let (last_offset, timestamp) = (i64_at(bytes, 14)?, i64_at(bytes, 26)?);
    let last =
        BatchMetadata { last_sequence: i32_at(bytes, 10)?, last_offset, offset_delta: i32_at(bytes, 22)?, timestamp };
    let entry = ProducerEntry {
        producer_epoch: i16_at(bytes, 8)?,
        batches: (last_offset >= 0).then_some(last).into_iter().collect(),
        coordinator_epoch: i32_at(bytes, 34)?,
        last_timestamp: timestamp,
        txn_first_offset: i64_at(bytes, 38).filter(|offset| *offset >= 0),
    };
    Some((i64_at(bytes, 0)?, entry))
}

/// Feeds arbitrary bytes to the reader; for fuzzing. The checksum is made right, so that what lies behind it is reached.
pub fn fuzz(bytes: &[u8]) {
    let _ = decode(bytes);
    let mut valid = 1i16.to_be_bytes().to_vec();
    valid.extend_from_slice(&crate::crc::crc32c(bytes).to_be_bytes());
    valid.extend_from_slice(bytes);
    let _ = decode(&valid);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn snapshots_keep_the_last_batch_and_the_open_transaction() {
        let mut state = ProducerState::new(0);
        let batch = |last_sequence| BatchMetadata { last_sequence, last_offset: 70, offset_delta: 3, timestamp: 9 };
        let entry = ProducerEntry {
            producer_epoch: 2,
            batches: [batch(1), batch(5)].into_iter().collect(),
            coordinator_epoch: 4,
            last_timestamp: 9,
            txn_first_offset: Some(60),
        };
        state.restore(11, entry.clone());
        state.restore(3, ProducerEntry::default());
        let read = decode(&encode(&state)).unwrap();
        assert_eq!(read[0], (3, ProducerEntry::default()));
        assert_eq!(read[1], (11, ProducerEntry { batches: [batch(5)].into_iter().collect(), ..entry }));
        let mut bytes = encode(&state);
        for position in 0..bytes.len() {
            bytes[position] ^= 1;
            assert!(decode(&bytes).is_err(), "{position}");
            bytes[position] ^= 1;
        }
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..150)) {
            fuzz(&bytes);
        }
    }
}
