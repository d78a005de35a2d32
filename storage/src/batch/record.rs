//! Records of magic 2 batches.
//!
//! ```text
//! length varint | attributes 1 (0) | timestamp delta varlong | offset delta varint | key length varint (-1 null), key |
//! value length varint (-1 null), value | header count varint | per header: key length varint, key, value length, value
//! ```
//!
//! Two readers share one set of checks: [`read_all`] slices records out of memory, [`walk`] looks at their shape only,
//! from memory or from an unpacking stream.

use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;

use super::{BatchError, BatchHeader, NO_SEQUENCE, TimestampType};
use crate::be::put_varlong;

/// One record, of any format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// Milliseconds, -1 none (magic 0).
    pub timestamp: i64,
    /// Its sequence, -1 none.
    pub sequence: i32,
    /// `None` is Kafka's null.
    pub key: Option<Bytes>,
    /// `None` is Kafka's null: a tombstone on compacted topics.
    pub value: Option<Bytes>,
    /// Empty for magic 0 and 1.
    pub headers: Vec<Header>,
}

/// A record header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// UTF-8, unchecked.
    pub key: Bytes,
    /// `None` is Kafka's null.
    pub value: Option<Bytes>,
}

/// What append checks need to know of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordShape {
    /// Position in the batch, from 0.
    pub index: usize,
    /// Distance from the base offset.
    pub offset_delta: i32,
    /// Its timestamp as the batch means it.
    pub timestamp: i64,
    /// Whether there is a key, empty or not.
    pub has_key: bool,
    /// Bytes of the record with its length field.
    pub size: usize,
}

/// Writes one record.
pub(crate) fn put_record(
    out: &mut Vec<u8>,
    offset_delta: i64,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header],
) {
    let mut body = Vec::with_capacity(24 + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len));
    body.push(0);
    put_varlong(&mut body, timestamp_delta);
    put_varlong(&mut body, offset_delta);
    put_bytes(&mut body, key);
    put_bytes(&mut body, value);
    put_varlong(&mut body, headers.len() as i64);
    for header in headers {
        put_bytes(&mut body, Some(&header.key));
        put_bytes(&mut body, header.value.as_deref());
    }
    put_varlong(out, body.len() as i64);
    out.extend_from_slice(&body);
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(out, -1),
        Some(bytes) => {
            put_varlong(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}

/// Where bytes come from, one after the other. `None` means the end, `Err` damage in the compressed stream.
pub(super) trait Source {
    fn byte(&mut self) -> Result<Option<u8>, String>;
    /// Passes over `count` bytes; `false` when there are not as many.
    fn skip(&mut self, count: usize) -> Result<bool, String>;
    /// Bytes taken so far.
    fn consumed(&self) -> usize;
}

/// Bytes in memory.
pub(super) struct SliceSource<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> SliceSource<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> SliceSource<'a> {
        SliceSource { bytes, position: 0 }
    }
}

impl Source for SliceSource<'_> {
    fn byte(&mut self) -> Result<Option<u8>, String> {
        let byte = self.bytes.get(self.position).copied();
        self.position += usize::from(byte.is_some());
        Ok(byte)
    }

    fn skip(&mut self, count: usize) -> Result<bool, String> {
        let there = self.bytes.len() - self.position >= count;
        self.position += if there { count } else { 0 };
        Ok(there)
    }

    fn consumed(&self) -> usize {
        self.position
    }
}

/// Bytes out of an unpacking stream.
pub(super) struct StreamSource {
    stream: BufReader<Box<dyn Read + Send>>,
    position: usize,
}

impl StreamSource {
    pub(super) fn new(stream: Box<dyn Read + Send>) -> StreamSource {
        StreamSource { stream: BufReader::with_capacity(32 * 1024, stream), position: 0 }
    }
}

impl Source for StreamSource {
    fn byte(&mut self) -> Result<Option<u8>, String> {
        let byte = self.stream.fill_buf().map_err(|error| error.to_string())?.first().copied();
        if byte.is_some() {
            self.stream.consume(1);
            self.position += 1;
        }
        Ok(byte)
    }

    fn skip(&mut self, count: usize) -> Result<bool, String> {
        let mut left = count;
        while left > 0 {
            let there = self.stream.fill_buf().map_err(|error| error.to_string())?.len().min(left);
            if there == 0 {
                return Ok(false);
            }
            self.stream.consume(there);
            self.position += there;
            left -= there;
        }
        Ok(true)
    }

    fn consumed(&self) -> usize {
        self.position
    }
}

/// Walks over all declared records and checks that nothing is left behind them.
pub(super) fn walk<S: Source>(
    header: &BatchHeader,
    mut source: S,
    mut visit: impl FnMut(RecordShape),
) -> Result<(), BatchError> {
    let count = declared_count(header)?;
    for index in 0..count {
        let mut reader = RecordReader { source: &mut source, end: None };
        let shape = reader.shape(index, header).map_err(|what| BatchError::BadRecord { index, what })?;
        visit(shape);
    }
    let left = source.byte().map_err(|what| BatchError::BadRecord { index: count, what })?;
    nothing_left(left.is_none(), count)
}

/// Slices all declared records out of `bytes` and checks that nothing is left behind them.
pub(super) fn read_all(header: &BatchHeader, bytes: Bytes) -> Result<Vec<Record>, BatchError> {
    let count = declared_count(header)?;
    let mut source = SliceSource::new(&bytes);
    // A record takes at least 7 bytes, so a lying count cannot ask for more room than the data justify.
    let mut records = Vec::with_capacity(count.min(bytes.len() / 7));
    for index in 0..count {
        let mut reader = RecordReader { source: &mut source, end: None };
        let record = reader.record(index, header, &bytes).map_err(|what| BatchError::BadRecord { index, what })?;
        records.push(record);
    }
    nothing_left(source.consumed() == bytes.len(), count)?;
    Ok(records)
}

fn declared_count(header: &BatchHeader) -> Result<usize, BatchError> {
    let what = || format!("the batch declares {} records", header.record_count);
    usize::try_from(header.record_count).map_err(|_| BatchError::BadRecord { index: 0, what: what() })
}

fn nothing_left(nothing: bool, count: usize) -> Result<(), BatchError> {
    let what = || "bytes are left behind the last declared record".to_owned();
    if nothing { Ok(()) } else { Err(BatchError::BadRecord { index: count, what: what() }) }
}

/// Reads one record; every field must end within the record's own length.
struct RecordReader<'s, S> {
    source: &'s mut S,
    end: Option<usize>,
}

impl<S: Source> RecordReader<'_, S> {
    fn shape(&mut self, index: usize, header: &BatchHeader) -> Result<RecordShape, String> {
        let start = self.source.consumed();
        let (timestamp_delta, offset_delta) = self.head()?;
        let has_key = self.skip_bytes("key")?;
        self.skip_bytes("value")?;
        for _ in 0..self.header_count()? {
            if !self.skip_bytes("header key")? {
                return Err("a header key is null".into());
            }
            self.skip_bytes("header value")?;
        }
        self.finish()?;
        let timestamp = timestamp_of(header, timestamp_delta);
        Ok(RecordShape { index, offset_delta, timestamp, has_key, size: self.source.consumed() - start })
    }

    fn record(&mut self, index: usize, header: &BatchHeader, bytes: &Bytes) -> Result<Record, String> {
        let (timestamp_delta, offset_delta) = self.head()?;
        let key = self.slice("key", bytes)?;
        let value = self.slice("value", bytes)?;
        let mut headers = Vec::new();
        for _ in 0..self.header_count()? {
            let key = self.slice("header key", bytes)?.ok_or("a header key is null")?;
            headers.push(Header { key, value: self.slice("header value", bytes)? });
        }
        self.finish()?;
        Ok(Record {
            offset: header.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp: timestamp_of(header, timestamp_delta),
            sequence: sequence_of(header, offset_delta, index),
            key,
            value,
            headers,
        })
    }

    /// Length, attributes and the two deltas.
    fn head(&mut self) -> Result<(i64, i32), String> {
        let size = self.varint("length")?;
        let size = usize::try_from(size).map_err(|_| format!("length {size}"))?;
        self.end = Some(self.source.consumed().saturating_add(size));
        self.byte("attributes")?;
        Ok((self.varlong("timestamp delta")?, self.varint("offset delta")?))
    }

    fn header_count(&mut self) -> Result<usize, String> {
        let count = self.varint("header count")?;
        let count = usize::try_from(count).map_err(|_| format!("header count {count}"))?;
        // A header takes at least two bytes.
        if count > self.left() / 2 { Err(format!("header count {count} in {} bytes", self.left())) } else { Ok(count) }
    }

    fn finish(&mut self) -> Result<(), String> {
        match self.left() {
            0 => Ok(()),
            left => Err(format!("{left} bytes of its length are unused")),
        }
    }

    fn left(&self) -> usize {
        self.end.map_or(usize::MAX, |end| end.saturating_sub(self.source.consumed()))
    }

    /// Passes over a length and its bytes; whether they were not null.
    fn skip_bytes(&mut self, field: &str) -> Result<bool, String> {
        let Some(len) = self.len(field)? else { return Ok(false) };
        if self.source.skip(len)? { Ok(true) } else { Err(format!("{field} cut short")) }
    }

    fn slice(&mut self, field: &str, bytes: &Bytes) -> Result<Option<Bytes>, String> {
        let from = |reader: &Self| reader.source.consumed();
        let Some(len) = self.len(field)? else { return Ok(None) };
        let start = from(self);
        if !self.source.skip(len)? {
            return Err(format!("{field} cut short"));
        }
        Ok(Some(bytes.slice(start..start + len)))
    }

    /// A length that fits the record, or `None` for null.
    fn len(&mut self, field: &str) -> Result<Option<usize>, String> {
        let len = self.varint(field)?;
        if len < 0 {
            return Ok(None);
        }
        let len = len as usize;
        let left = self.left();
        if len > left { Err(format!("{field} of {len} bytes, {left} are left")) } else { Ok(Some(len)) }
    }

    fn byte(&mut self, field: &str) -> Result<u8, String> {
        if self.left() == 0 {
            return Err(format!("{field} is beyond its length"));
        }
        self.source.byte()?.ok_or_else(|| format!("{field} is missing"))
    }

    fn varint(&mut self, field: &str) -> Result<i32, String> {
        let value = self.varlong(field)?;
        i32::try_from(value).map_err(|_| format!("{field} {value} does not fit 32 bits"))
    }

    fn varlong(&mut self, field: &str) -> Result<i64, String> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte(field)?;
            value |= u64::from(byte & 0x7f) << shift.min(63);
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(format!("{field} is longer than a varint can be"))
    }
}

fn timestamp_of(header: &BatchHeader, delta: i64) -> i64 {
    match header.timestamp_type() {
        TimestampType::LogAppendTime => header.max_timestamp,
        TimestampType::CreateTime => header.base_timestamp.wrapping_add(delta),
    }
}

fn sequence_of(header: &BatchHeader, offset_delta: i32, _index: usize) -> i32 {
    if header.base_sequence == NO_SEQUENCE {
        return NO_SEQUENCE;
    }
    let sequence = i64::from(header.base_sequence) + i64::from(offset_delta);
    (sequence & i64::from(i32::MAX)) as i32
}
