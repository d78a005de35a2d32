//! Records of magic 2 batches.
//!
//! ```text
//! length varint | attributes 1 (0) | timestamp delta varlong | offset delta varint | key length varint (-1 null), key |
//! value length varint (-1 null), value | header count varint | per header: key length varint, key, value length, value
//! ```
//!
//! One parser for a record in one piece ([`Body`]); around it two walks over batches: [`walk`] looks at shapes, [`each`]
//! hands out keys and values. Unpacked records come in pieces of a window; [`Skim`] passes over those that are larger.

use bytes::Bytes;

use super::window::{WINDOW, Window, WindowError};
use super::{BatchError, BatchHeader, NO_SEQUENCE, TimestampType};
use crate::be::{put_varlong, varlong_at};
use crate::memory::ConversionMemory;

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
    /// Bytes of the key; `None` for a null key.
    pub key_len: Option<usize>,
    /// Bytes of the value; `None` for a null value.
    pub value_len: Option<usize>,
}

/// A record of any format, where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Position in the batch, from 0.
    pub index: usize,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds, -1 none (magic 0).
    pub timestamp: i64,
    /// `None` is Kafka's null.
    pub key: Option<&'a [u8]>,
    /// `None` is Kafka's null.
    pub value: Option<&'a [u8]>,
    /// Count and headers as magic 2 encodes them.
    pub(crate) headers: &'a [u8],
}

/// [`RecordRef::headers`] of a record without headers.
pub(crate) const NO_HEADERS: &[u8] = &[0];

/// Writes one record. `headers` are encoded, with their count.
pub(crate) fn put_record(
    out: &mut Vec<u8>,
    offset_delta: i64,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[u8],
) {
    let field = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| varlong_len(bytes.len() as i64) + bytes.len());
    let size = 1 + varlong_len(timestamp_delta) + varlong_len(offset_delta) + field(key) + field(value) + headers.len();
    put_varlong(out, size as i64);
    out.push(0);
    put_varlong(out, timestamp_delta);
    put_varlong(out, offset_delta);
    put_bytes(out, key);
    put_bytes(out, value);
    out.extend_from_slice(headers);
}

/// Headers as a record holds them.
pub(crate) fn put_headers(out: &mut Vec<u8>, headers: &[Header]) {
    put_varlong(out, headers.len() as i64);
    for header in headers {
        put_bytes(out, Some(&header.key));
        put_bytes(out, header.value.as_deref());
    }
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

/// Bytes of a zig-zag varint.
fn varlong_len(value: i64) -> usize {
    let bits = 64 - (((value << 1) ^ (value >> 63)) as u64 | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Walks over the fields of a record in memory.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn varlong(&mut self, field: &str) -> Result<i64, String> {
        let (value, len) = varlong(self.bytes.get(self.at..).unwrap_or_default(), field)?;
        self.at += len;
        Ok(value)
    }

    fn varint(&mut self, field: &str) -> Result<i32, String> {
        as_varint(self.varlong(field)?, field)
    }

    fn field(&mut self, field: &str) -> Result<Option<&'a [u8]>, String> {
        let Ok(len) = usize::try_from(self.varint(field)?) else { return Ok(None) };
        match self.bytes.get(self.at..).and_then(|left| left.get(..len)) {
            Some(bytes) => {
                self.at += len;
                Ok(Some(bytes))
            }
            None => Err(too_long(field, len, self.left())),
        }
    }
}

#[cold]
fn too_long(field: &str, len: usize, left: usize) -> String {
    format!("{field} of {len} bytes, {left} are left")
}

fn as_varint(value: i64, field: &str) -> Result<i32, String> {
    i32::try_from(value).map_err(|_| format!("{field} {value} does not fit 32 bits"))
}

/// Bytes of the longest varint.
const MAX_VARLONG: usize = 10;

/// The zig-zag varint at the start of `bytes`, and its length.
#[inline]
fn varlong(bytes: &[u8], field: &str) -> Result<(i64, usize), String> {
    let mut value = 0u64;
    for (count, byte) in bytes.iter().take(MAX_VARLONG).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * count);
        if byte & 0x80 == 0 {
            return Ok(((value >> 1) as i64 ^ -((value & 1) as i64), count + 1));
        }
    }
    Err(bad_varlong(bytes.len(), field))
}

#[cold]
fn bad_varlong(there: usize, field: &str) -> String {
    if there < MAX_VARLONG {
        format!("{field} is cut short")
    } else {
        format!("{field} is longer than a varint can be")
    }
}

/// The fields behind a record's length.
struct Body<'a> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [u8],
}

impl<'a> Body<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Body<'a>, String> {
        if bytes.is_empty() {
            return Err("attributes are missing".into());
        }
        let mut cursor = Cursor { bytes, at: 1 };
        let timestamp_delta = cursor.varlong("timestamp delta")?;
        let offset_delta = cursor.varint("offset delta")?;
        let key = cursor.field("key")?;
        let value = cursor.field("value")?;
        let headers = bytes.get(cursor.at..).unwrap_or_default();
        for_each_header(&mut cursor, |_, _| {})?;
        match cursor.left() {
            0 => Ok(Body { timestamp_delta, offset_delta, key, value, headers }),
            left => Err(format!("{left} bytes of its length are unused")),
        }
    }

    /// A whole record at the start of `bytes` and what it takes, if nothing is wrong with it. Anything else is for [`length`]
    /// and [`Body::parse`], which find out what is; this one is much faster because it does not ask.
    #[inline(always)]
    fn quick(bytes: &'a [u8]) -> Option<(Body<'a>, usize)> {
        let (len, start) = varlong_at(bytes, 0)?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        let record = bytes.get(..end)?;
        let (timestamp_delta, at) = varlong_at(record, start + 1)?;
        let (offset_delta, at) = varlong_at(record, at)?;
        let (key, at) = quick_field(record, at)?;
        let (value, at) = quick_field(record, at)?;
        let headers = record.get(at..)?;
        if headers != NO_HEADERS {
            quick_headers(headers)?;
        }
        let offset_delta = i32::try_from(offset_delta).ok()?;
        Some((Body { timestamp_delta, offset_delta, key, value, headers }, end))
    }

    fn shape(&self, index: usize, header: &BatchHeader) -> RecordShape {
        RecordShape {
            index,
            offset_delta: self.offset_delta,
            timestamp: timestamp_of(header, self.timestamp_delta),
            key_len: self.key.map(<[u8]>::len),
            value_len: self.value.map(<[u8]>::len),
        }
    }

    fn record(&self, index: usize, header: &BatchHeader) -> RecordRef<'a> {
        RecordRef {
            index,
            offset: header.base_offset.wrapping_add(i64::from(self.offset_delta)),
            timestamp: timestamp_of(header, self.timestamp_delta),
            key: self.key,
            value: self.value,
            headers: self.headers,
        }
    }
}

#[inline(always)]
fn quick_field(bytes: &[u8], at: usize) -> Option<(Option<&[u8]>, usize)> {
    let (len, start) = varlong_at(bytes, at)?;
    match i32::try_from(len).ok()? {
        len @ 0.. => {
            let end = start.checked_add(len as usize)?;
            Some((Some(bytes.get(start..end)?), end))
        }
        _ => Some((None, start)),
    }
}

/// Nothing unless the headers fill `bytes`.
fn quick_headers(bytes: &[u8]) -> Option<()> {
    let (count, mut at) = varlong_at(bytes, 0)?;
    for _ in 0..u32::try_from(count).ok()? {
        let (key, value_at) = quick_field(bytes, at)?;
        (_, at) = quick_field(bytes, value_at)?;
        key?;
    }
    (at == bytes.len()).then_some(())
}

fn for_each_header<'a>(
    cursor: &mut Cursor<'a>,
    mut visit: impl FnMut(&'a [u8], Option<&'a [u8]>),
) -> Result<(), String> {
    let count = header_count(cursor.varint("header count")?, cursor.left())?;
    for _ in 0..count {
        let key = cursor.field("header key")?.ok_or("a header key is null")?;
        visit(key, cursor.field("header value")?);
    }
    Ok(())
}

fn header_count(count: i32, left: usize) -> Result<usize, String> {
    // A header takes at least two bytes.
    match usize::try_from(count) {
        Ok(fits) if fits <= left / 2 => Ok(fits),
        _ => Err(format!("header count {count} in {left} bytes")),
    }
}

/// Where a batch's records are.
pub(super) enum Records<'a> {
    /// In memory, not packed.
    Plain(&'a [u8]),
    /// Behind a codec.
    Packed(Window),
}

/// Looks at the shape of all declared records and checks that nothing is left behind them.
pub(super) fn walk(
    header: &BatchHeader,
    records: Records<'_>,
    mut visit: impl FnMut(RecordShape),
) -> Result<(), BatchError> {
    let count = declared_count(header)?;
    match records {
        Records::Plain(mut bytes) => {
            for index in 0..count {
                visit(take(&mut bytes, index)?.shape(index, header));
            }
            nothing_left(bytes.is_empty(), count)
        }
        Records::Packed(mut window) => walk_packed(header, &mut window, count, visit),
    }
}

fn walk_packed(
    header: &BatchHeader,
    window: &mut Window,
    count: usize,
    mut visit: impl FnMut(RecordShape),
) -> Result<(), BatchError> {
    for index in 0..count {
        let bad = |what| BatchError::BadRecord { index, what };
        if let Some((body, len)) = Body::quick(window.seen()) {
            visit(body.shape(index, header));
            window.pass(len);
            continue;
        }
        window.see_few(MAX_VARLONG).map_err(|error| bad_stream(header, &error))?;
        let (body, len) = length(window.seen()).map_err(bad)?;
        window.pass(len);
        if body > WINDOW {
            visit(Skim { window, left: body, header }.shape(index)?);
            continue;
        }
        let is_there = window.see_few(body).map_err(|error| bad_stream(header, &error))?;
        let bytes = window.seen().get(..body).filter(|_| is_there);
        let bytes = bytes.ok_or_else(|| bad(too_long("record", body, window.seen().len())))?;
        visit(Body::parse(bytes).map_err(bad)?.shape(index, header));
        window.pass(body);
    }
    let more = window.see_few(1).map_err(|error| bad_stream(header, &error))?;
    nothing_left(!more, count)
}

/// Hands out all declared records and checks that nothing is left behind them. Stops at the visitor's first error.
pub(super) fn each<E: From<BatchError>>(
    header: &BatchHeader,
    records: Records<'_>,
    memory: &ConversionMemory,
    mut visit: impl FnMut(RecordRef<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let count = declared_count(header)?;
    match records {
        Records::Plain(mut bytes) => {
            for index in 0..count {
                visit(take(&mut bytes, index)?.record(index, header))?;
            }
            Ok(nothing_left(bytes.is_empty(), count)?)
        }
        Records::Packed(mut window) => each_packed(header, &mut window, count, memory, visit),
    }
}

fn each_packed<E: From<BatchError>>(
    header: &BatchHeader,
    window: &mut Window,
    count: usize,
    memory: &ConversionMemory,
    mut visit: impl FnMut(RecordRef<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for index in 0..count {
        let bad = |what| BatchError::BadRecord { index, what };
        window.see_few(MAX_VARLONG).map_err(|error| bad_stream(header, &error))?;
        let (body, len) = length(window.seen()).map_err(bad)?;
        window.pass(len);
        let is_there = window.see(body, memory).map_err(|error| bad_window(header, error))?;
        let bytes = window.seen().get(..body).filter(|_| is_there);
        let bytes = bytes.ok_or_else(|| bad(too_long("record", body, window.seen().len())))?;
        visit(Body::parse(bytes).map_err(bad)?.record(index, header))?;
        window.pass(body);
    }
    let more = window.see_few(1).map_err(|error| bad_stream(header, &error))?;
    Ok(nothing_left(!more, count)?)
}

/// Slices all declared records out of `bytes` and checks that nothing is left behind them.
pub(super) fn read_all(header: &BatchHeader, bytes: &Bytes) -> Result<Vec<Record>, BatchError> {
    // A record takes at least 7 bytes, so a lying count cannot ask for more room than the data justify.
    let mut records = Vec::with_capacity(declared_count(header)?.min(bytes.len() / 7));
    let mut rest: &[u8] = bytes;
    let slice = |part: &[u8]| bytes.slice_ref(part);
    for index in 0..declared_count(header)? {
        let body = take(&mut rest, index)?;
        let mut headers = Vec::new();
        let mut cursor = Cursor { bytes: body.headers, at: 0 };
        let listed = for_each_header(&mut cursor, |key, value| {
            headers.push(Header { key: slice(key), value: value.map(slice) })
        });
        listed.map_err(|what| BatchError::BadRecord { index, what })?;
        records.push(Record {
            offset: header.base_offset.wrapping_add(i64::from(body.offset_delta)),
            timestamp: timestamp_of(header, body.timestamp_delta),
            sequence: sequence_of(header, body.offset_delta),
            key: body.key.map(slice),
            value: body.value.map(slice),
            headers,
        });
    }
    nothing_left(rest.is_empty(), records.len())?;
    Ok(records)
}

/// Takes one record off the front.
fn take<'a>(bytes: &mut &'a [u8], index: usize) -> Result<Body<'a>, BatchError> {
    if let Some((body, len)) = Body::quick(bytes) {
        *bytes = bytes.get(len..).unwrap_or_default();
        return Ok(body);
    }
    take_damaged(bytes, index)
}

#[cold]
fn take_damaged<'a>(bytes: &mut &'a [u8], index: usize) -> Result<Body<'a>, BatchError> {
    let bad = |what| BatchError::BadRecord { index, what };
    let (body, len) = length(bytes).map_err(bad)?;
    let rest = bytes.get(len..).unwrap_or_default();
    let (record, rest) = rest.split_at_checked(body).ok_or_else(|| bad(too_long("record", body, rest.len())))?;
    *bytes = rest;
    Body::parse(record).map_err(bad)
}

/// A record's length and the bytes of that field.
fn length(bytes: &[u8]) -> Result<(usize, usize), String> {
    let (value, len) = varlong(bytes, "length")?;
    let value = as_varint(value, "length")?;
    Ok((usize::try_from(value).map_err(|_| format!("length {value}"))?, len))
}

fn declared_count(header: &BatchHeader) -> Result<usize, BatchError> {
    let what = || format!("the batch declares {} records", header.record_count);
    usize::try_from(header.record_count).map_err(|_| BatchError::BadRecord { index: 0, what: what() })
}

fn nothing_left(nothing: bool, count: usize) -> Result<(), BatchError> {
    let what = || "bytes are left behind the last declared record".to_owned();
    if nothing { Ok(()) } else { Err(BatchError::BadRecord { index: count, what: what() }) }
}

pub(crate) fn bad_stream(header: &BatchHeader, error: &std::io::Error) -> BatchError {
    let codec = header.codec().map_or("unknown", |codec| codec.name());
    BatchError::BadCompression { codec, what: error.to_string() }
}

pub(crate) fn bad_window(header: &BatchHeader, error: WindowError) -> BatchError {
    match error {
        WindowError::Stream(error) => bad_stream(header, &error),
        WindowError::NoRoom(error) => BatchError::NoRoom(error),
    }
}

/// Passes over a record that is larger than a window.
struct Skim<'w> {
    window: &'w mut Window,
    /// Bytes of the record that are left.
    left: usize,
    header: &'w BatchHeader,
}

impl Skim<'_> {
    fn shape(&mut self, index: usize) -> Result<RecordShape, BatchError> {
        let bad = |what: String| BatchError::BadRecord { index, what };
        self.skip(1, "attributes", index)?;
        let timestamp_delta = self.varlong("timestamp delta", index)?;
        let offset_delta = as_varint(self.varlong("offset delta", index)?, "offset delta").map_err(bad)?;
        let key_len = self.field("key", index)?;
        let value_len = self.field("value", index)?;
        let count = as_varint(self.varlong("header count", index)?, "header count").map_err(bad)?;
        for _ in 0..header_count(count, self.left).map_err(bad)? {
            self.field("header key", index)?.ok_or_else(|| bad("a header key is null".into()))?;
            self.field("header value", index)?;
        }
        if self.left > 0 {
            return Err(bad(format!("{} bytes of its length are unused", self.left)));
        }
        let timestamp = timestamp_of(self.header, timestamp_delta);
        Ok(RecordShape { index, offset_delta, timestamp, key_len, value_len })
    }

    fn varlong(&mut self, field: &str, index: usize) -> Result<i64, BatchError> {
        self.window.see_few(MAX_VARLONG).map_err(|error| bad_stream(self.header, &error))?;
        let seen = self.window.seen();
        let own = seen.get(..self.left.min(seen.len())).unwrap_or_default();
        let (value, len) = varlong(own, field).map_err(|what| BatchError::BadRecord { index, what })?;
        self.window.pass(len);
        self.left -= len;
        Ok(value)
    }

    fn field(&mut self, field: &str, index: usize) -> Result<Option<usize>, BatchError> {
        let len = as_varint(self.varlong(field, index)?, field);
        let len = len.map_err(|what| BatchError::BadRecord { index, what })?;
        let Ok(len) = usize::try_from(len) else { return Ok(None) };
        self.skip(len, field, index)?;
        Ok(Some(len))
    }

    fn skip(&mut self, len: usize, field: &str, index: usize) -> Result<(), BatchError> {
        let bad = |what: String| Err(BatchError::BadRecord { index, what });
        if len > self.left {
            return bad(too_long(field, len, self.left));
        }
        self.left -= len;
        match self.window.skip(len) {
            Ok(true) => Ok(()),
            Ok(false) => bad(format!("{field} cut short")),
            Err(error) => Err(bad_stream(self.header, &error)),
        }
    }
}

fn timestamp_of(header: &BatchHeader, delta: i64) -> i64 {
    match header.timestamp_type() {
        TimestampType::LogAppendTime => header.max_timestamp,
        TimestampType::CreateTime => header.base_timestamp.wrapping_add(delta),
    }
}

fn sequence_of(header: &BatchHeader, offset_delta: i32) -> i32 {
    if header.base_sequence == NO_SEQUENCE {
        return NO_SEQUENCE;
    }
    let sequence = i64::from(header.base_sequence) + i64::from(offset_delta);
    (sequence & i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Fields<'a> = (i64, i32, Option<&'a [u8]>, Option<&'a [u8]>, &'a [u8]);

    fn fields<'a>(body: &Body<'a>) -> Fields<'a> {
        (body.timestamp_delta, body.offset_delta, body.key, body.value, body.headers)
    }

    fn slow(mut bytes: &[u8]) -> Option<(Body<'_>, usize)> {
        let before = bytes.len();
        let body = take_damaged(&mut bytes, 0).ok()?;
        Some((body, before - bytes.len()))
    }

    fn record() -> impl Strategy<Value = Vec<u8>> {
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..150));
        let header = (proptest::collection::vec(any::<u8>(), 0..5), bytes());
        let headers = proptest::collection::vec(header, 0..4);
        (any::<i64>(), any::<i32>(), bytes(), bytes(), headers).prop_map(|(timestamp, offset, key, value, headers)| {
            let header =
                |(key, value): (Vec<u8>, Option<Vec<u8>>)| Header { key: key.into(), value: value.map(Bytes::from) };
            let (mut encoded, mut out) = (Vec::new(), Vec::new());
            put_headers(&mut encoded, &headers.into_iter().map(header).collect::<Vec<_>>());
            put_record(&mut out, offset.into(), timestamp, key.as_deref(), value.as_deref(), &encoded);
            out
        })
    }

    proptest! {
        #[test]
        fn the_quick_parser_takes_what_the_other_takes(
            record in record(), tail in proptest::collection::vec(any::<u8>(), 0..9),
            at in any::<prop::sample::Index>(), put in proptest::option::of(any::<u8>()),
        ) {
            let mut bytes = [record.clone(), tail].concat();
            if let Some(put) = put {
                *at.get_mut(&mut bytes[..record.len().min(9)]) = put;
            }
            let (quick, slow) = (Body::quick(&bytes), slow(&bytes));
            let of = |found: &Option<(Body<'_>, usize)>| found.as_ref().map(|(_, len)| *len);
            prop_assert_eq!(of(&quick), of(&slow));
            prop_assert_eq!(quick.as_ref().map(|(body, _)| fields(body)), slow.as_ref().map(|(body, _)| fields(body)));
            prop_assert!(put.is_some() || of(&quick) == Some(record.len()));
        }
    }
}
