//! Messages of formats 0 and 1, as producers before 0.11 send them, consumers of that age want them, and old segments hold
//! them.
//!
//! ```text
//! offset 8 | size of what follows 4 | CRC-32 of what follows 4 | magic 1 | attributes 1 | timestamp 8 (magic 1 only) |
//! key length 4 (-1 null), key | value length 4 (-1 null), value
//! attributes: 0–2 codec | 3 log append time (magic 1)
//! ```
//!
//! A compressed message is a wrapper: its value unpacks to a set of plain messages. The wrapper's offset is that of the
//! last inner one. Inner offsets are absolute in format 0; in format 1 they count from the first message's. Old librdkafka
//! produces wrappers with offset 0 whatever they hold: then the inner offsets are taken as they are. A format 1 wrapper with
//! log append time dictates all inner timestamps. Java's reader is `AbstractLegacyRecordBatch.DeepRecordsIterator`.

use std::fmt;

use bytes::Bytes;

use crate::batch::{
    Batch, BatchError, BatchHeader, LOG_APPEND_TIME, LOG_OVERHEAD, NO_HEADERS, NO_SEQUENCE, NO_TIMESTAMP, Record,
    RecordRef, TimestampType, Window, bad_compression, bad_stream, bad_window,
};
use crate::be::{i32_at, i64_at, put_at, u32_at};
use crate::compression::{Codec, Lz4Checksum, compress, decompress, decompress_all};
use crate::memory::ConversionMemory;

/// From the checksum on, without key and value: no message of format 0 is smaller.
const OVERHEAD: usize = 14;

/// The messages that a plain message or a compressed wrapper holds, with absolute offsets. `limit` bounds unpacking.
pub(crate) fn records(batch: &Batch, limit: usize) -> Result<Vec<Record>, BatchError> {
    let codec = batch.header.codec()?;
    let mut records = Vec::new();
    let mut keep = |message: Message<'_>, from: &Bytes| -> Result<(), BatchError> {
        let record = message.checked()?;
        records.push(Record {
            offset: record.offset,
            timestamp: record.timestamp,
            sequence: NO_SEQUENCE,
            key: record.key.map(|key| from.slice_ref(key)),
            value: record.value.map(|value| from.slice_ref(value)),
            headers: Vec::new(),
        });
        Ok(())
    };
    if codec == Codec::None {
        keep(outer(batch)?, &batch.bytes)?;
        return Ok(records);
    }
    let unpacked = decompress_all(codec, packed(batch)?, lz4(batch), limit).map_err(bad_compression(codec))?;
    let base = inner_base(batch)?;
    let mut rest: &[u8] = &unpacked;
    for index in 0.. {
        if rest.is_empty() {
            break;
        }
        let size = inner_size(rest, index)?;
        let bytes = rest.get(..LOG_OVERHEAD + size).ok_or_else(|| bad(index, "cut short"))?;
        keep(inner(batch, bytes, base, index)?, &unpacked)?;
        rest = rest.get(bytes.len()..).unwrap_or_default();
    }
    Ok(records)
}

/// Hands out the message itself, or those in a wrapper, one at a time; memory stays bounded by a window and what `memory`
/// allows. What single messages are worth is for the visitor to judge ([`Message::checked`]).
pub(crate) fn for_each_message<E: From<BatchError>>(
    batch: &Batch,
    memory: &ConversionMemory,
    mut visit: impl FnMut(Message<'_>) -> Result<(), E>,
) -> Result<(), E> {
    if batch.header.codec()? == Codec::None {
        return visit(outer(batch)?);
    }
    let base = inner_base(batch)?;
    let mut window = unpack(batch)?;
    for index in 0.. {
        let Some(size) = next_inner(batch, &mut window, index)? else { break };
        let all = LOG_OVERHEAD + size;
        let is_there = window.see(all, memory).map_err(|error| bad_window(&batch.header, error))?;
        let bytes = window.seen().get(..all).filter(|_| is_there).ok_or_else(|| bad(index, "cut short"))?;
        visit(inner(batch, bytes, base, index)?)?;
        window.pass(all);
    }
    Ok(())
}

/// What is to be added to the inner offsets of a wrapper.
fn inner_base(batch: &Batch) -> Result<i64, BatchError> {
    let last = last_inner_offset(batch)?;
    let wrapper = batch.header.base_offset;
    if batch.header.magic == 0 || wrapper == 0 {
        return Ok(0);
    }
    if wrapper < last {
        let what =
            format!("the wrapper's offset {wrapper} is less than the last inner message's {last} and it is not zero");
        return Err(BatchError::BadRecord { index: 0, what });
    }
    Ok(wrapper - last)
}

fn last_inner_offset(batch: &Batch) -> Result<i64, BatchError> {
    let mut window = unpack(batch)?;
    let mut last = None;
    for index in 0.. {
        let Some(size) = next_inner(batch, &mut window, index)? else { break };
        last = i64_at(window.seen(), 0);
        if !window.skip(LOG_OVERHEAD + size).map_err(|error| bad_stream(&batch.header, &error))? {
            return Err(bad(index, "cut short"));
        }
    }
    last.ok_or_else(|| bad(0, "a compressed wrapper holds no message"))
}

/// The size of the message that comes next, if one does.
fn next_inner(batch: &Batch, window: &mut Window, index: usize) -> Result<Option<usize>, BatchError> {
    let is_there = window.see_few(LOG_OVERHEAD).map_err(|error| bad_stream(&batch.header, &error))?;
    if !is_there && window.seen().is_empty() { Ok(None) } else { inner_size(window.seen(), index).map(Some) }
}

fn inner_size(bytes: &[u8], index: usize) -> Result<usize, BatchError> {
    let size = i32_at(bytes, 8).ok_or_else(|| bad(index, "cut short"))?;
    let fits = usize::try_from(size).ok().filter(|size| *size >= OVERHEAD);
    fits.ok_or(BatchError::BadLength(size))
}

fn unpack(batch: &Batch) -> Result<Window, BatchError> {
    let codec = batch.header.codec()?;
    decompress(codec, packed(batch)?, lz4(batch)).map(Window::new).map_err(bad_compression(codec))
}

fn packed(batch: &Batch) -> Result<Bytes, BatchError> {
    let value = outer(batch)?.value.ok_or_else(|| bad(0, "a compressed wrapper has no value"))?;
    Ok(batch.bytes.slice_ref(value))
}

fn lz4(batch: &Batch) -> Lz4Checksum {
    lz4_checksum(batch.header.magic)
}

/// Which lz4 header checksum messages of a format use.
pub(crate) fn lz4_checksum(magic: u8) -> Lz4Checksum {
    if magic == 0 { Lz4Checksum::Magic0 } else { Lz4Checksum::Standard }
}

/// The message that a batch of an old format is, packed or not.
fn outer(batch: &Batch) -> Result<Message<'_>, BatchError> {
    let message = Message::parse(&batch.bytes, 0)?;
    // Its checksum is that of the batch, and is checked there.
    Ok(Message { is_outer: true, ..message })
}

fn inner<'a>(batch: &Batch, bytes: &'a [u8], base: i64, index: usize) -> Result<Message<'a>, BatchError> {
    let message = Message::parse(bytes, index)?;
    let timestamp_type = batch.header.timestamp_type();
    let dictated = timestamp_type == TimestampType::LogAppendTime && message.magic > 0;
    Ok(Message {
        offset: base.wrapping_add(message.offset),
        timestamp: if dictated { batch.header.max_timestamp } else { message.timestamp },
        timestamp_type: if message.magic > 0 { timestamp_type } else { TimestampType::CreateTime },
        has_wrappers_magic: message.magic == batch.header.magic,
        ..message
    })
}

/// One message, where it lies. Its format is not necessarily a known one, and its checksum not necessarily right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// Position in its wrapper, from 0.
    pub(crate) index: usize,
    pub(crate) offset: i64,
    pub(crate) magic: u8,
    pub(crate) attributes: u8,
    pub(crate) timestamp: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// False for a message inside a wrapper of another format.
    pub(crate) has_wrappers_magic: bool,
    is_outer: bool,
    stored_crc: u32,
    /// What the checksum covers.
    covered: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the message that `bytes` are.
    fn parse(bytes: &'a [u8], index: usize) -> Result<Message<'a>, BatchError> {
        let short = || bad(index, "cut short");
        let magic = bytes.get(16).copied().ok_or_else(short)?;
        let attributes = bytes.get(17).copied().ok_or_else(short)?;
        let (timestamp, key_at) = match magic {
            0 => (NO_TIMESTAMP, 18),
            _ => (i64_at(bytes, 18).ok_or_else(short)?, 26),
        };
        let (key, value_at) = field(bytes, key_at).ok_or_else(|| bad(index, "key cut short"))?;
        let (value, end) = field(bytes, value_at).ok_or_else(|| bad(index, "value cut short"))?;
        if end != bytes.len() {
            return Err(bad(index, "bytes are left behind its value"));
        }
        Ok(Message {
            index,
            offset: i64_at(bytes, 0).ok_or_else(short)?,
            magic,
            attributes,
            timestamp,
            timestamp_type: match i16::from(attributes) & LOG_APPEND_TIME {
                0 => TimestampType::CreateTime,
                _ if magic == 0 => TimestampType::CreateTime,
                _ => TimestampType::LogAppendTime,
            },
            key,
            value,
            has_wrappers_magic: true,
            is_outer: false,
            stored_crc: u32_at(bytes, 12).ok_or_else(short)?,
            covered: bytes.get(16..).unwrap_or_default(),
        })
    }

    /// Whether it came out of a wrapper.
    pub(crate) fn is_inner(&self) -> bool {
        !self.is_outer
    }

    /// Whether it names a codec, which only wrappers may.
    pub(crate) fn is_compressed(&self) -> bool {
        self.attributes & 7 != 0
    }

    /// Compares the checksum, which for inner messages nobody has done yet.
    pub(crate) fn check_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.stored_crc, crc32fast::hash(self.covered));
        if self.is_outer || stored == computed { Ok(()) } else { Err(BatchError::BadCrc { stored, computed }) }
    }

    /// The record that it is, if it is what its wrapper says.
    pub(crate) fn checked(self) -> Result<RecordRef<'a>, BatchError> {
        if !self.has_wrappers_magic {
            return Err(bad(self.index, "its magic is not the wrapper's"));
        }
        if self.is_compressed() && !self.is_outer {
            return Err(bad(self.index, "a compressed message inside a compressed wrapper"));
        }
        self.check_crc()?;
        Ok(self.record())
    }

    /// The record that it is.
    pub(crate) fn record(self) -> RecordRef<'a> {
        let Message { index, offset, timestamp, key, value, .. } = self;
        RecordRef { index, offset, timestamp, key, value, headers: NO_HEADERS }
    }
}

/// As Kafka prints one in its answers (`LegacyRecord.toString`).
impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = Codec::from_id(self.attributes & 7).map_or("?", Codec::name).to_uppercase();
        let Message { offset, magic, attributes, stored_crc, timestamp, .. } = self;
        write!(f, "LegacyRecordBatch(offset={offset}, Record(magic={magic}, attributes={attributes}, ")?;
        write!(f, "compression={codec}, crc={stored_crc}, ")?;
        match (magic, self.timestamp_type) {
            (0, _) => {}
            (_, TimestampType::CreateTime) => write!(f, "CreateTime={timestamp}, ")?,
            (_, TimestampType::LogAppendTime) => write!(f, "LogAppendTime={timestamp}, ")?,
        }
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        write!(f, "key={} bytes, value={} bytes))", len(self.key), len(self.value))
    }
}

/// A length and its bytes, with the position behind them.
fn field(bytes: &[u8], position: usize) -> Option<(Option<&[u8]>, usize)> {
    let start = position + 4;
    let Ok(len) = usize::try_from(i32_at(bytes, position)?) else { return Some((None, start)) };
    let end = start.checked_add(len)?;
    Some((Some(bytes.get(start..end)?), end))
}

fn bad(index: usize, what: &str) -> BatchError {
    BatchError::BadRecord { index, what: what.to_owned() }
}

/// What a message says of itself besides key and value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// 0 or 1.
    pub(crate) magic: u8,
    /// Format 0 has none and leaves it out.
    pub(crate) timestamp: i64,
    /// Likewise.
    pub(crate) timestamp_type: TimestampType,
}

impl Stamp {
    fn attributes(&self, codec: Codec) -> u8 {
        let stamped = self.magic > 0 && self.timestamp_type == TimestampType::LogAppendTime;
        codec.id() | if stamped { LOG_APPEND_TIME as u8 } else { 0 }
    }
}

/// Writes a plain message.
pub(crate) fn put_message(out: &mut Vec<u8>, offset: i64, stamp: Stamp, key: Option<&[u8]>, value: Option<&[u8]>) {
    let start = out.len();
    put_head(out, stamp, Codec::None);
    for bytes in [key, value] {
        out.extend_from_slice(&bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        out.extend_from_slice(bytes.unwrap_or_default());
    }
    seal(out, start, offset);
}

/// Writes some of the records of a compressed wrapper as a wrapper of the same format, codec and timestamp type. Its
/// offset is that of the last record, its timestamp the largest one.
pub(crate) fn put_wrapper(out: &mut Vec<u8>, former: &BatchHeader, records: &[Record]) -> Result<(), BatchError> {
    let (codec, magic, timestamp_type) = (former.codec()?, former.magic, former.timestamp_type());
    let first = records.first().map_or(0, |record| record.offset);
    let mut inner = Vec::new();
    for record in records {
        let offset = if magic == 1 { record.offset.wrapping_sub(first) } else { record.offset };
        let stamp = Stamp { magic, timestamp: record.timestamp, timestamp_type };
        put_message(&mut inner, offset, stamp, record.key.as_deref(), record.value.as_deref());
    }
    let newest = records.iter().map(|record| record.timestamp).max().unwrap_or(NO_TIMESTAMP);
    let timestamp = if timestamp_type == TimestampType::LogAppendTime { former.max_timestamp } else { newest };
    let last = records.last().map_or(former.base_offset, |record| record.offset);
    let wrapper = begin_wrapper(out, magic);
    let packed = compress(codec.into(), &inner, lz4_checksum(magic)).map_err(bad_compression(codec))?;
    out.extend_from_slice(&packed);
    end_wrapper(out, wrapper, last, Stamp { magic, timestamp, timestamp_type }, codec);
    Ok(())
}

/// Begins a wrapper: what is appended behind it, packed, will be its value. Answers what [`end_wrapper`] needs.
pub(crate) fn begin_wrapper(out: &mut Vec<u8>, magic: u8) -> Wrapper {
    let start = out.len();
    put_head(out, Stamp { magic, timestamp: 0, timestamp_type: TimestampType::CreateTime }, Codec::None);
    out.extend_from_slice(&(-1i32).to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    Wrapper { start, value_at: out.len() }
}

/// A wrapper under construction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrapper {
    start: usize,
    value_at: usize,
}

/// Ends the wrapper; `offset` is that of its last message.
pub(crate) fn end_wrapper(out: &mut [u8], wrapper: Wrapper, offset: i64, stamp: Stamp, codec: Codec) {
    let value_len = (out.len() - wrapper.value_at) as i32;
    put_at(out, wrapper.value_at - 4, &value_len.to_be_bytes());
    put_at(out, wrapper.start + 17, &[stamp.attributes(codec)]);
    if stamp.magic > 0 {
        put_at(out, wrapper.start + 18, &stamp.timestamp.to_be_bytes());
    }
    seal(out, wrapper.start, offset);
}

/// Everything up to the key's length; offset, size and checksum are left for [`seal`].
fn put_head(out: &mut Vec<u8>, stamp: Stamp, codec: Codec) {
    out.extend_from_slice(&[0; LOG_OVERHEAD + 4]);
    out.extend_from_slice(&[stamp.magic, stamp.attributes(codec)]);
    if stamp.magic > 0 {
        out.extend_from_slice(&stamp.timestamp.to_be_bytes());
    }
}

/// Fills in offset, size and checksum of the message from `start` to the end.
fn seal(out: &mut [u8], start: usize, offset: i64) {
    let crc = crc32fast::hash(out.get(start + LOG_OVERHEAD + 4..).unwrap_or_default());
    let size = (out.len() - start - LOG_OVERHEAD) as i32;
    put_at(out, start, &offset.to_be_bytes());
    put_at(out, start + 8, &size.to_be_bytes());
    put_at(out, start + 12, &crc.to_be_bytes());
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message of format 0 or 1, as an old client would write it: written by itself, to judge the code above by.
    pub(crate) fn message(
        magic: u8,
        offset: i64,
        timestamp: i64,
        attributes: u8,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Vec<u8> {
        let mut body = vec![magic, attributes];
        if magic == 1 {
            body.extend_from_slice(&timestamp.to_be_bytes());
        }
        body.extend_from_slice(&key.map_or(-1, |key| key.len() as i32).to_be_bytes());
        body.extend_from_slice(key.unwrap_or_default());
        body.extend_from_slice(&(value.len() as i32).to_be_bytes());
        body.extend_from_slice(value);
        let mut out = offset.to_be_bytes().to_vec();
        out.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
        out.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
        out.extend_from_slice(&body);
        out
    }

    pub(crate) fn wrapper(magic: u8, last_offset: i64, codec: Codec, inner: &[u8]) -> Bytes {
        let lz4 = if magic == 0 { Lz4Checksum::Magic0 } else { Lz4Checksum::Standard };
        let packed = compress(codec.into(), inner, lz4).unwrap();
        message(magic, last_offset, 77, codec.id(), None, &packed).into()
    }

    #[test]
    fn plain_messages_are_read() {
        for magic in [0, 1] {
            let batch = Batch::parse(&message(magic, 5, 1000, 0, Some(b"k"), b"v").into()).unwrap();
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
            let absolute: Vec<u8> = (40..43).flat_map(|n| message(0, n, -1, 0, None, b"v")).collect();
            let relative: Vec<u8> = (0..3).flat_map(|n| message(1, n, 10 + n, 0, None, b"v")).collect();
            for (magic, inner) in [(0, absolute), (1, relative)] {
                let batch = Batch::parse(&wrapper(magic, 42, codec, &inner)).unwrap();
                batch.check_crc().unwrap();
                let offsets: Vec<_> = batch.records(10_000).unwrap().iter().map(|record| record.offset).collect();
                assert_eq!(offsets, [40, 41, 42], "{codec:?} magic {magic}");
            }
        }
    }

    #[test]
    fn what_is_written_is_what_old_clients_write() {
        for magic in [0, 1] {
            let stamp = Stamp { magic, timestamp: 70, timestamp_type: TimestampType::CreateTime };
            let mut out = b"before".to_vec();
            put_message(&mut out, 9, stamp, Some(b"k"), Some(b"v"));
            assert_eq!(out[6..], message(magic, 9, 70, 0, Some(b"k"), b"v"));
            let inner = [message(magic, 0, 70, 0, None, b"a"), message(magic, 1, 77, 0, None, b"b")].concat();
            let mut out = b"before".to_vec();
            let begun = begin_wrapper(&mut out, magic);
            out.extend_from_slice(&compress(Codec::Gzip.into(), &inner, Lz4Checksum::Standard).unwrap());
            end_wrapper(&mut out, begun, 12, Stamp { timestamp: 77, ..stamp }, Codec::Gzip);
            assert_eq!(out[6..], wrapper(magic, 12, Codec::Gzip, &inner));
        }
    }

    #[test]
    fn wrappers_of_old_librdkafka_have_offset_0() {
        let inner: Vec<u8> = (0..3).flat_map(|n| message(1, n, 10, 0, None, b"v")).collect();
        let offsets = |offset| {
            let batch = Batch::parse(&wrapper(1, offset, Codec::Snappy, &inner)).unwrap();
            batch.records(1000).map(|records| records.iter().map(|record| record.offset).collect::<Vec<_>>())
        };
        assert_eq!(offsets(0).unwrap(), [0, 1, 2]);
        assert!(offsets(1).unwrap_err().to_string().contains("less than the last inner message"), "{:?}", offsets(1));
    }

    #[test]
    fn a_wrapper_is_written_again_with_fewer_records() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
            for magic in [0, 1] {
                let message = |n: i64| message(magic, if magic == 0 { 40 + n } else { n }, 10 + n, 0, Some(b"k"), b"v");
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
        let mixed = [message(1, 0, 1, 0, None, b"v"), message(0, 1, 1, 0, None, b"v")].concat();
        let nested = message(1, 0, 1, 1, None, b"v");
        let mut cut = message(1, 0, 1, 0, None, b"value");
        cut.truncate(30);
        for inner in [mixed, nested, cut, Vec::new()] {
            assert!(Batch::parse(&wrapper(1, 1, Codec::Gzip, &inner)).unwrap().records(10_000).is_err());
        }
    }
}
