//! Messages of formats 0 and 1, as producers before 0.11 send them and old segments hold them: reading, and writing them
//! again in the format they had.
//!
//! ```text
//! offset 8 | size of what follows 4 | CRC-32 of what follows 4 | magic 1 | attributes 1 | timestamp 8 (magic 1 only) |
//! key length 4 (-1 null), key | value length 4 (-1 null), value
//! ```
//!
//! A compressed message is a wrapper: its value unpacks to a set of plain messages. The wrapper's offset is that of the
//! last inner one. Inner offsets are absolute in format 0; in format 1 they count from 0, and the first absolute offset
//! is the wrapper's minus the last inner one. A format 1 wrapper with log append time dictates all inner timestamps.

use bytes::Bytes;

use crate::batch::{
    Batch, BatchError, BatchHeader, LOG_APPEND_TIME, LOG_OVERHEAD, NO_SEQUENCE, NO_TIMESTAMP, Record, TimestampType,
    bad_compression,
};
use crate::be::{i32_at, put_at};
use crate::compression::{Codec, Lz4Checksum, compress, decompress_all};

/// The messages that a plain message or a compressed wrapper holds, with absolute offsets. `limit` bounds unpacking.
pub(crate) fn records(batch: &Batch, limit: usize) -> Result<Vec<Record>, BatchError> {
    let codec = batch.header.codec()?;
    let outer = message(batch, 0)?;
    if codec == Codec::None {
        return Ok(vec![outer]);
    }
    let lz4 = if batch.header.magic == 0 { Lz4Checksum::Magic0 } else { Lz4Checksum::Standard };
    let packed = outer.value.ok_or_else(|| bad(0, "a compressed wrapper has no value"))?;
    let unpacked = decompress_all(codec, packed, lz4, limit).map_err(bad_compression(codec))?;
    let mut inner = inner_records(batch, unpacked)?;
    if batch.header.magic == 1 {
        make_absolute(&mut inner, batch.header.base_offset);
    }
    if batch.header.timestamp_type() == TimestampType::LogAppendTime {
        inner.iter_mut().for_each(|record| record.timestamp = batch.header.max_timestamp);
    }
    Ok(inner)
}

/// Writes a message as an old client would. `attributes`: codec of the value and timestamp type, as in a header.
pub(crate) fn put_message(
    out: &mut Vec<u8>,
    magic: u8,
    offset: i64,
    timestamp: i64,
    attributes: u8,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let start = out.len();
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[magic, attributes]);
    if magic == 1 {
        out.extend_from_slice(&timestamp.to_be_bytes());
    }
    for field in [key, value] {
        out.extend_from_slice(&field.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        out.extend_from_slice(field.unwrap_or_default());
    }
    let body = out.get(start + LOG_OVERHEAD + 4..).unwrap_or_default();
    let (size, crc) = (body.len() as i32 + 4, crc32fast::hash(body));
    put_at(out, start + 8, &size.to_be_bytes());
    put_at(out, start + LOG_OVERHEAD, &crc.to_be_bytes());
}

/// Writes some of the records of a compressed wrapper as a wrapper of the same format, codec and timestamp type. Its
/// offset is that of the last record, its timestamp the largest one.
pub(crate) fn put_wrapper(out: &mut Vec<u8>, former: &BatchHeader, records: &[Record]) -> Result<(), BatchError> {
    let (codec, magic) = (former.codec()?, former.magic);
    let first = records.first().map_or(0, |record| record.offset);
    let is_append_time = former.timestamp_type() == TimestampType::LogAppendTime;
    let stamp = if is_append_time { LOG_APPEND_TIME } else { 0 };
    let mut inner = Vec::new();
    for record in records {
        let offset = if magic == 1 { record.offset - first } else { record.offset };
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        put_message(&mut inner, magic, offset, record.timestamp, stamp as u8, key, value);
    }
    let lz4 = if magic == 0 { Lz4Checksum::Magic0 } else { Lz4Checksum::Standard };
    let packed = compress(codec.into(), &inner, lz4).map_err(bad_compression(codec))?;
    let newest = records.iter().map(|record| record.timestamp).max().unwrap_or(NO_TIMESTAMP);
    let timestamp = if is_append_time { former.max_timestamp } else { newest };
    let last = records.last().map_or(former.base_offset, |record| record.offset);
    put_message(out, magic, last, timestamp, stamp as u8 | codec.id(), None, Some(&packed));
    Ok(())
}

fn inner_records(outer: &Batch, mut unpacked: Bytes) -> Result<Vec<Record>, BatchError> {
    let mut inner = Vec::new();
    while !unpacked.is_empty() {
        let index = inner.len();
        let message_batch = Batch::parse(&unpacked).map_err(|error| bad(index, &error.to_string()))?;
        if message_batch.header.magic != outer.header.magic {
            return Err(bad(index, "its magic is not the wrapper's"));
        }
        if message_batch.header.codec()? != Codec::None {
            return Err(bad(index, "a compressed message inside a compressed wrapper"));
        }
        message_batch.check_crc()?;
        inner.push(message(&message_batch, index)?);
        unpacked = unpacked.slice(message_batch.header.size..);
    }
    if inner.is_empty() { Err(bad(0, "a compressed wrapper holds no message")) } else { Ok(inner) }
}

/// Inner offsets of format 1 count from the first message, unless some old client wrote absolute ones.
fn make_absolute(inner: &mut [Record], wrapper_offset: i64) {
    let last = inner.last().map_or(0, |record| record.offset);
    for record in inner {
        record.offset = wrapper_offset.wrapping_sub(last).wrapping_add(record.offset);
    }
}

/// Reads the one message of `batch`.
fn message(batch: &Batch, index: usize) -> Result<Record, BatchError> {
    let key_at = LOG_OVERHEAD + 6 + if batch.header.magic == 1 { 8 } else { 0 };
    let (key, value_at) = field(&batch.bytes, key_at).ok_or_else(|| bad(index, "key cut short"))?;
    let (value, end) = field(&batch.bytes, value_at).ok_or_else(|| bad(index, "value cut short"))?;
    if end != batch.bytes.len() {
        return Err(bad(index, "bytes are left behind its value"));
    }
    Ok(Record {
        offset: batch.header.base_offset,
        timestamp: batch.header.max_timestamp,
        sequence: NO_SEQUENCE,
        key,
        value,
        headers: Vec::new(),
    })
}

/// A length and its bytes, with the position behind them.
fn field(bytes: &Bytes, position: usize) -> Option<(Option<Bytes>, usize)> {
    let start = position + 4;
    let Ok(len) = usize::try_from(i32_at(bytes, position)?) else { return Some((None, start)) };
    let end = start.checked_add(len).filter(|end| *end <= bytes.len())?;
    Some((Some(bytes.slice(start..end)), end))
}

fn bad(index: usize, what: &str) -> BatchError {
    BatchError::BadRecord { index, what: what.to_owned() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message of format 0 or 1, as an old client would write it.
    pub(crate) fn put_message(
        magic: u8,
        offset: i64,
        timestamp: i64,
        attributes: u8,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Vec<u8> {
        let mut out = Vec::new();
        super::put_message(&mut out, magic, offset, timestamp, attributes, key, Some(value));
        out
    }

    pub(crate) fn wrapper(magic: u8, last_offset: i64, codec: Codec, inner: &[u8]) -> Bytes {
        let lz4 = if magic == 0 { Lz4Checksum::Magic0 } else { Lz4Checksum::Standard };
        let packed = compress(codec.into(), inner, lz4).unwrap();
        put_message(magic, last_offset, 77, codec.id(), None, &packed).into()
    }

    #[test]
    fn plain_messages_are_read() {
        for magic in [0, 1] {
            let batch = Batch::parse(&put_message(magic, 5, 1000, 0, Some(b"k"), b"v").into()).unwrap();
            batch.check_crc().unwrap();
            let records = batch.records(100).unwrap();
            assert_eq!((records.len(), records[0].offset), (1, 5));
            assert_eq!(records[0].timestamp, if magic == 1 { 1000 } else { -1 });
            assert_eq!((records[0].key.as_deref(), records[0].value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
        }
    }

    #[test]
    fn wrappers_give_absolute_offsets() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
            let absolute: Vec<u8> = (40..43).flat_map(|n| put_message(0, n, -1, 0, None, b"v")).collect();
            let relative: Vec<u8> = (0..3).flat_map(|n| put_message(1, n, 10 + n, 0, None, b"v")).collect();
            for (magic, inner) in [(0, absolute), (1, relative)] {
                let batch = Batch::parse(&wrapper(magic, 42, codec, &inner)).unwrap();
                batch.check_crc().unwrap();
                let offsets: Vec<_> = batch.records(10_000).unwrap().iter().map(|record| record.offset).collect();
                assert_eq!(offsets, [40, 41, 42], "{codec:?} magic {magic}");
            }
        }
    }

    #[test]
    fn a_wrapper_is_written_again_with_fewer_records() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
            for magic in [0, 1] {
                let message =
                    |n: i64| put_message(magic, if magic == 0 { 40 + n } else { n }, 10 + n, 0, Some(b"k"), b"v");
                let batch =
                    Batch::parse(&wrapper(magic, 43, codec, &(0..4).flat_map(message).collect::<Vec<_>>())).unwrap();
                let kept = &batch.records(10_000).unwrap()[1..3];
                let mut out = Vec::new();
                put_wrapper(&mut out, &batch.header, kept).unwrap();
                let again = Batch::parse(&out.into()).unwrap();
                again.check_crc().unwrap();
                assert_eq!(again.records(10_000).unwrap(), kept, "{codec:?} magic {magic}");
                assert_eq!(again.header.base_offset, 42);
                assert_eq!(again.header.max_timestamp, if magic == 1 { 12 } else { -1 });
            }
        }
    }

    #[test]
    fn nonsense_inside_a_wrapper_is_refused() {
        let mixed = [put_message(1, 0, 1, 0, None, b"v"), put_message(0, 1, 1, 0, None, b"v")].concat();
        let nested = put_message(1, 0, 1, 1, None, b"v");
        let mut cut = put_message(1, 0, 1, 0, None, b"value");
        cut.truncate(30);
        for inner in [mixed, nested, cut, Vec::new()] {
            assert!(Batch::parse(&wrapper(1, 1, Codec::Gzip, &inner)).unwrap().records(10_000).is_err());
        }
    }
}
