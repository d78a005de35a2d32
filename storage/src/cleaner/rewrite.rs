//! Writes what is left of a batch: the batch as it was if nothing changes, else a new one around the records that stay.
//!
//! Base offset, last offset, sequence, producer and leader epoch stay as they were produced; the count, the largest
//! timestamp and the base timestamp follow the records that are left. A batch with tombstones gets a delete horizon in place of its base
//! timestamp (KIP-534). Uncompressed batches come out byte for byte as Kafka's `MemoryRecords.filterTo` writes them.

use std::ops::Range;

use super::offset_map::KeyHash;
use super::retain::{Fate, KeyFacts, Round, Verdict};
use crate::batch::{
    Batch, BatchError, BatchHeader, COMPRESSION_MASK, DELETE_HORIZON, HEADER_SIZE, LOG_OVERHEAD, NO_TIMESTAMP,
    RawRecords, Record, TimestampType, bad_compression,
};
use crate::be::{put_at, put_varlong};
use crate::compression::{Codec, Lz4Checksum, compress, decompress_all};
use crate::legacy;

/// What unpacking one batch may take.
pub(super) const UNPACK_LIMIT: usize = 256 << 20;

/// What was found in a batch, and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rewritten {
    /// Records that were looked at.
    pub(super) records_read: u64,
    /// Of them stayed.
    pub(super) records_kept: u64,
    /// Of them had no key.
    pub(super) records_invalid: u64,
    /// What was written; `None` when nothing was.
    pub(super) written: Option<BatchHeader>,
    /// What was written is what was there.
    pub(super) is_same: bool,
}

/// A record in the unpacked bytes.
#[derive(Debug, Clone)]
struct Kept {
    range: Range<usize>,
    rest: usize,
    timestamp: i64,
    offset: i64,
    has_value: bool,
    /// Only until it is judged.
    hash: Option<KeyHash>,
    key: KeyFacts,
}

/// Rewrites batches; keeps its buffers between them.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    /// All records of a batch, and then those that stay.
    kept: Vec<Kept>,
    records: Vec<u8>,
}

impl Rewriter {
    /// Writes what stays of `batch` behind `out`. `horizon_ms` is the one that a batch gets which needs one now.
    pub(super) fn rewrite(
        &mut self,
        batch: &Batch,
        fate: Fate,
        round: &Round<'_>,
        horizon_ms: i64,
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, BatchError> {
        let Fate::Filter { discard_records, keep_empty, wants_horizon } = fate else { return Ok(Rewritten::default()) };
        if batch.header.magic < 2 {
            return rewrite_legacy(batch, keep_empty, round, out);
        }
        let mut done = Rewritten::default();
        let unpacked = unpack(batch)?;
        let has_tombstone = self.filter(batch, &unpacked, discard_records, round, &mut done)?;
        let start = out.len();
        if self.kept.is_empty() {
            if keep_empty {
                put_empty(batch, out);
            }
        } else {
            let horizon = batch.header.delete_horizon_ms();
            let needs_horizon = horizon.is_none() && (has_tombstone || wants_horizon);
            done.is_same = done.records_kept == done.records_read && !needs_horizon;
            match done.is_same {
                true => out.extend_from_slice(&batch.bytes),
                false => self.put_batch(batch, &unpacked, horizon.or(needs_horizon.then_some(horizon_ms)), out)?,
            }
        }
        let written = out.get(start..).filter(|written| !written.is_empty());
        done.written = written.map(BatchHeader::parse).transpose()?;
        Ok(done)
    }

    /// Notes the records that stay. Answers whether a tombstone is among them.
    fn filter(
        &mut self,
        batch: &Batch,
        unpacked: &[u8],
        discard: bool,
        round: &Round<'_>,
        done: &mut Rewritten,
    ) -> Result<bool, BatchError> {
        let header = &batch.header;
        self.read(batch, unpacked, round)?;
        done.records_read = self.kept.len() as u64;
        if discard {
            self.kept.clear();
            return Ok(false);
        }
        // One look right behind the other, see `offset_map.rs`.
        for record in &mut self.kept {
            record.key = record.hash.map_or(KeyFacts::NoKey, |hash| round.look_up(hash));
        }
        let mut invalid = 0;
        self.kept.retain(|record| {
            let verdict = round.judge(header, record.offset, record.key, record.has_value);
            invalid += u64::from(verdict == Verdict::Invalid);
            verdict == Verdict::Keep
        });
        done.records_invalid = invalid;
        done.records_kept = self.kept.len() as u64;
        Ok(self.kept.iter().any(|record| !record.has_value))
    }

    /// Notes all records.
    fn read(&mut self, batch: &Batch, unpacked: &[u8], round: &Round<'_>) -> Result<(), BatchError> {
        let header = &batch.header;
        let is_append_time = header.timestamp_type() == TimestampType::LogAppendTime;
        self.kept.clear();
        for record in RawRecords::new(unpacked, header.record_count)? {
            let record = record?;
            let created = header.base_timestamp.wrapping_add(record.timestamp_delta);
            self.kept.push(Kept {
                range: record.range,
                rest: record.rest,
                timestamp: if is_append_time { header.max_timestamp } else { created },
                offset: header.base_offset.wrapping_add(record.offset_delta),
                has_value: record.has_value,
                hash: record.key.map(|key| round.map.hash(key)),
                key: KeyFacts::NoKey,
            });
        }
        Ok(())
    }

    fn put_batch(
        &mut self,
        batch: &Batch,
        unpacked: &[u8],
        horizon: Option<i64>,
        out: &mut Vec<u8>,
    ) -> Result<(), BatchError> {
        let header = &batch.header;
        let codec = header.codec()?;
        let first_timestamp = self.kept.first().map_or(NO_TIMESTAMP, |kept| kept.timestamp);
        let base_timestamp = horizon.unwrap_or(first_timestamp);
        let start = out.len();
        out.extend_from_slice(batch.bytes.get(..HEADER_SIZE).unwrap_or_default());
        if codec == Codec::None {
            put_records(&self.kept, header, unpacked, base_timestamp, out);
        } else {
            self.records.clear();
            put_records(&self.kept, header, unpacked, base_timestamp, &mut self.records);
            let packed =
                compress(codec.into(), &self.records, Lz4Checksum::Standard).map_err(bad_compression(codec))?;
            out.extend_from_slice(&packed);
        }
        let newest = self.kept.iter().map(|kept| kept.timestamp).max().unwrap_or(NO_TIMESTAMP).max(NO_TIMESTAMP);
        let attributes = header.attributes | if horizon.is_some() { DELETE_HORIZON } else { 0 };
        finish_header(out, start, attributes, base_timestamp, newest, self.kept.len() as i32);
        Ok(())
    }
}

/// The records of a magic 2 batch, unpacked.
pub(super) fn unpack(batch: &Batch) -> Result<bytes::Bytes, BatchError> {
    let codec = batch.header.codec()?;
    let packed = batch.bytes.slice(HEADER_SIZE.min(batch.bytes.len())..);
    // An empty batch says that it is uncompressed, and one that was emptied by somebody else need not.
    if batch.header.record_count == 0 && packed.is_empty() {
        return Ok(packed);
    }
    decompress_all(codec, packed, Lz4Checksum::Standard, UNPACK_LIMIT).map_err(bad_compression(codec))
}

/// Copies records. Whole stretches while their timestamp deltas stay true, one by one otherwise.
fn put_records(kept: &[Kept], header: &BatchHeader, unpacked: &[u8], base_timestamp: i64, out: &mut Vec<u8>) {
    let is_append_time = header.timestamp_type() == TimestampType::LogAppendTime;
    if base_timestamp != header.base_timestamp || is_append_time {
        kept.iter().for_each(|record| put_record(record, unpacked, base_timestamp, out));
        return;
    }
    let mut rest = kept;
    while let Some((first, mut later)) = rest.split_first() {
        let mut end = first.range.end;
        while let Some((next, after)) = later.split_first().filter(|(next, _)| next.range.start == end) {
            end = next.range.end;
            later = after;
        }
        out.extend_from_slice(unpacked.get(first.range.start..end).unwrap_or_default());
        rest = later;
    }
}

/// Copies a record with another timestamp delta.
fn put_record(record: &Kept, unpacked: &[u8], base_timestamp: i64, out: &mut Vec<u8>) {
    let rest = unpacked.get(record.rest..record.range.end).unwrap_or_default();
    let delta = record.timestamp.wrapping_sub(base_timestamp);
    put_varlong(out, (1 + varlong_size(delta) + rest.len()) as i64);
    out.push(0);
    put_varlong(out, delta);
    out.extend_from_slice(rest);
}

fn varlong_size(value: i64) -> usize {
    let bits = 64 - (((value << 1) ^ (value >> 63)) as u64 | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// A batch without records, which keeps offsets, sequence, producer and largest timestamp.
fn put_empty(batch: &Batch, out: &mut Vec<u8>) {
    let header = &batch.header;
    let start = out.len();
    out.extend_from_slice(batch.bytes.get(..HEADER_SIZE).unwrap_or_default());
    let attributes = header.attributes & !(COMPRESSION_MASK | DELETE_HORIZON);
    finish_header(out, start, attributes, NO_TIMESTAMP, header.max_timestamp, 0);
}

/// Fills in what changed in the copied header at `start`, of a batch that ends where `out` does.
fn finish_header(
    out: &mut [u8],
    start: usize,
    attributes: i16,
    base_timestamp: i64,
    max_timestamp: i64,
    record_count: i32,
) {
    let length = (out.len() - start - LOG_OVERHEAD) as i32;
    put_at(out, start + 8, &length.to_be_bytes());
    put_at(out, start + 21, &attributes.to_be_bytes());
    put_at(out, start + 27, &base_timestamp.to_be_bytes());
    put_at(out, start + 35, &max_timestamp.to_be_bytes());
    put_at(out, start + 57, &record_count.to_be_bytes());
    let crc = crate::crc::crc32c(out.get(start + 21..).unwrap_or_default());
    put_at(out, start + 17, &crc.to_be_bytes());
}

/// The same for formats 0 and 1, which have no empty batches: one that must not vanish stays as it is. (Kafka declares the
/// partition uncleanable then.)
fn rewrite_legacy(
    batch: &Batch,
    keep_empty: bool,
    round: &Round<'_>,
    out: &mut Vec<u8>,
) -> Result<Rewritten, BatchError> {
    let records = batch.records(UNPACK_LIMIT)?;
    let mut done = Rewritten { records_read: records.len() as u64, ..Rewritten::default() };
    let stays = |record: &Record, done: &mut Rewritten| {
        let key = record.key.as_deref().map_or(KeyFacts::NoKey, |key| round.look_up(round.map.hash(key)));
        let verdict = round.judge(&batch.header, record.offset, key, record.value.is_some());
        done.records_invalid += u64::from(verdict == Verdict::Invalid);
        verdict == Verdict::Keep
    };
    let kept: Vec<Record> = records.iter().filter(|record| stays(record, &mut done)).cloned().collect();
    done.records_kept = kept.len() as u64;
    done.is_same = kept.len() == records.len() || (kept.is_empty() && keep_empty);
    let start = out.len();
    if done.is_same {
        out.extend_from_slice(&batch.bytes);
    } else if !kept.is_empty() {
        legacy::put_wrapper(out, &batch.header, &kept)?;
    }
    let written = out.get(start..).filter(|written| !written.is_empty());
    done.written = written.map(BatchHeader::parse).transpose()?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::offset_map::{MapLimits, OffsetMap};
    use super::*;
    use crate::batch::{BatchBuilder, ProducerFields};
    use crate::be::varlong_at;

    const NOW: i64 = 1_700_000_000_000;

    fn filter(discard_records: bool, keep_empty: bool, wants_horizon: bool) -> Fate {
        Fate::Filter { discard_records, keep_empty, wants_horizon }
    }

    /// A batch of `count` records with the keys 0, 1, …, the odd ones without value.
    fn batch(builder: BatchBuilder, count: u8) -> Batch {
        let mut builder = builder.base_offset(100);
        for number in 0..count {
            let value = (number % 2 == 0).then_some(&b"value"[..]);
            builder.append(NOW + i64::from(number) * 1000, Some(&[number]), value, &[]);
        }
        Batch::parse(&builder.build().unwrap()).unwrap()
    }

    /// Rewrites with a map in which the first `superseded` keys have newer records.
    fn rewrite(batch: &Batch, fate: Fate, superseded: u8) -> (Rewritten, Vec<u8>) {
        let mut map = OffsetMap::new(MapLimits::new(1 << 20, 0.9), 100);
        (0..superseded).for_each(|key| assert!(map.put(map.hash(&[key]), 1000)));
        map.latest_offset = 2000;
        let round = Round { map: &map, now_ms: NOW, upper_bound: 0, keep_legacy_tombstones: true };
        let mut out = b"before".to_vec();
        let done = Rewriter::default().rewrite(batch, fate, &round, NOW + 60_000, &mut out).unwrap();
        out.drain(..6);
        (done, out)
    }

    #[test]
    fn what_does_not_change_is_copied() {
        for codec in [Codec::None, Codec::Gzip] {
            let batch = batch(BatchBuilder::new().compression(codec).delete_horizon(NOW + 1), 3);
            let (done, out) = rewrite(&batch, filter(false, false, false), 0);
            assert!(done.is_same && out == batch.bytes, "{codec:?}");
            assert_eq!((done.records_read, done.records_kept), (3, 3));
        }
    }

    #[test]
    fn what_is_left_keeps_its_place_and_its_time() {
        let producer = ProducerFields { id: 7, epoch: 2, base_sequence: 40 };
        for codec in [Codec::None, Codec::Snappy] {
            for stamp in [false, true] {
                let builder = BatchBuilder::new().compression(codec).producer(producer).leader_epoch(9);
                let batch = batch(if stamp { builder.log_append_time(NOW + 5) } else { builder }, 5);
                let (done, out) = rewrite(&batch, filter(false, false, false), 2);
                let again = Batch::parse(&out.into()).unwrap();
                again.check_crc().unwrap();
                assert_eq!(done.written, Some(again.header));
                assert!(!done.is_same);
                let all = batch.records(1000).unwrap();
                assert_eq!(again.records(1000).unwrap(), all[2..], "offsets, times and sequences too");
                let expected = BatchHeader {
                    size: again.header.size,
                    crc: again.header.crc,
                    attributes: batch.header.attributes | DELETE_HORIZON,
                    base_timestamp: NOW + 60_000,
                    max_timestamp: if stamp { NOW + 5 } else { NOW + 4000 },
                    record_count: 3,
                    ..batch.header
                };
                assert_eq!(again.header, expected, "{codec:?} {stamp}");
            }
        }
    }

    #[test]
    fn an_empty_batch_keeps_its_header() {
        let batch = batch(BatchBuilder::new().compression(Codec::Gzip).delete_horizon(NOW + 1), 2);
        assert!(rewrite(&batch, filter(false, false, false), 2).1.is_empty());
        assert_eq!(rewrite(&batch, Fate::Drop, 0), (Rewritten::default(), Vec::new()));
        for (fate, superseded) in [(filter(false, true, false), 2), (filter(true, true, true), 0)] {
            let (done, out) = rewrite(&batch, fate, superseded);
            let empty = Batch::parse(&out.into()).unwrap();
            empty.check_crc().unwrap();
            assert_eq!((empty.header.size, empty.header.record_count, done.records_kept), (HEADER_SIZE, 0, 0));
            assert_eq!((empty.header.attributes, empty.header.base_timestamp), (0, -1));
            assert_eq!(empty.header.last_offset(), batch.header.last_offset());
            assert_eq!(empty.header.max_timestamp, batch.header.max_timestamp);
            // And once more, when nobody needs it.
            assert!(rewrite(&empty, filter(false, false, false), 0).1.is_empty());
        }
    }

    #[test]
    fn sizes_of_varints_are_their_lengths() {
        for value in [0, -1, 63, -64, 64, -65, 8191, 8192, 1 << 40, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);
            assert_eq!((varlong_size(value), varlong_at(&bytes, 0)), (bytes.len(), Some((value, bytes.len()))));
        }
    }

    proptest! {
        #[test]
        fn damage_is_an_error_or_leaves_a_whole_batch(
            count in 0..6u8, codec in 0..5u8, at in any::<u16>(), byte in any::<u8>(), keep_empty in any::<bool>(),
        ) {
            let whole = batch(BatchBuilder::new().compression(Codec::from_id(codec).unwrap()), count);
            let mut bytes = whole.bytes.to_vec();
            let at = 16 + usize::from(at) % (bytes.len() - 16);
            bytes[at] = byte;
            let map = OffsetMap::new(MapLimits::new(1 << 20, 0.9), 10);
            let round = Round { map: &map, now_ms: NOW, upper_bound: 0, keep_legacy_tombstones: true };
            let Ok(damaged) = Batch::parse(&bytes.into()) else { return Ok(()) };
            let mut out = Vec::new();
            let fate = filter(false, keep_empty, true);
            if let Ok(done) = Rewriter::default().rewrite(&damaged, fate, &round, NOW, &mut out) {
                prop_assert_eq!(done.written.is_some(), !out.is_empty());
                if !out.is_empty() && !done.is_same {
                    let again = Batch::parse(&out.into()).unwrap();
                    again.check_crc().unwrap();
                }
            }
        }
    }
}
