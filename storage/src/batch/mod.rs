//! Record batches: what producers send, segments hold and consumers fetch.
//!
//! [`BatchHeader`] is read from the first bytes and costs nothing more; records are only looked at when somebody asks
//! ([`Batch::records`], [`Batch::for_each_shape`]). Magic 0 and 1 share the view: their single message or compressed
//! wrapper is "a batch" too, of which only the last offset is known without unpacking (`crate::legacy`).
//!
//! ```text
//! magic 2    0 base offset 8 | length after this field 4 | leader epoch 4 | magic 1 | CRC-32C of all behind it 4 |
//!           21 attributes 2 | last offset delta 4 | base timestamp 8 | max timestamp 8 | producer id 8 |
//!           51 producer epoch 2 | base sequence 4 | record count 4 | 61 records (compressed as a whole)
//! attributes  0–2 codec | 3 log append time | 4 transactional | 5 control | 6 base timestamp is a delete horizon
//! ```
//!
//! The first 16 bytes are outside the checksum, so a leader assigns offsets and epoch without touching the rest.
//! After compaction offsets have gaps, and a batch may hold no record at all; offsets and sequence of the header stay.

mod builder;
mod control;
mod raw;
mod record;
mod window;

use bytes::Bytes;

use crate::be::put_at;
use crate::be::{i16_at, i32_at, i64_at, u32_at};
use crate::compression::{Codec, Lz4Checksum, decompress, decompress_all};
use crate::legacy;
use crate::memory::{ConversionMemory, NoRoom};
use record::Records;

pub use builder::{BatchBuilder, ProducerFields};
pub use control::{ControlType, EndTransactionMarker};
pub(crate) use raw::RawRecords;
pub use record::{Header, Record, RecordRef, RecordShape};
pub(crate) use record::{NO_HEADERS, bad_stream, bad_window, put_record};
pub(crate) use window::Window;

/// Offset and length field: what precedes the counted part of a batch.
pub const LOG_OVERHEAD: usize = 12;
/// Enough to know the size and the format.
pub const HEADER_SIZE_UP_TO_MAGIC: usize = 17;
/// Header of a magic 2 batch.
pub const HEADER_SIZE: usize = 61;
/// No legacy message is smaller (offset, size, CRC, magic, attributes, two lengths).
const LEGACY_MIN_SIZE: usize = LOG_OVERHEAD + MIN_LENGTH as usize;
/// What no length field of any format is below.
const MIN_LENGTH: i32 = 14;

pub(crate) const COMPRESSION_MASK: i16 = 0x07;
pub(crate) const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
pub(crate) const DELETE_HORIZON: i16 = 0x40;

/// "No timestamp" in batches and records.
pub const NO_TIMESTAMP: i64 = -1;
/// "No sequence".
pub const NO_SEQUENCE: i32 = -1;

/// Why bytes are not a batch. Answers of a check, not faults: the same text goes to producers and into recovery logs.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum BatchError {
    /// Fewer bytes than the header, or than the length it declares.
    #[error("batch cut short: {need} bytes needed, {have} there")]
    Truncated {
        /// What the header declares or needs.
        need: usize,
        /// What there is.
        have: usize,
    },
    /// A length that no batch of this format can have.
    #[error("batch length {0} is impossible")]
    BadLength(i32),
    /// Not 0, 1 or 2.
    #[error("unknown magic {0}")]
    BadMagic(i8),
    /// The bytes were changed since they were written.
    #[error("stored CRC {stored:#010x}, computed {computed:#010x}")]
    BadCrc {
        /// In the batch.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// A codec number nobody gave out.
    #[error("unknown compression codec {0}")]
    BadCodec(u8),
    /// The records do not fit what the header or their own lengths say.
    #[error("record {index}: {what}")]
    BadRecord {
        /// Position in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Compressed data could not be unpacked.
    #[error("{codec} data: {what}")]
    BadCompression {
        /// Name of the codec.
        codec: &'static str,
        /// What its reader said.
        what: String,
    },
    /// A record is too large to be unpacked.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

/// Who set the timestamps of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer.
    #[default]
    CreateTime,
    /// The leader, on append; all records then have the batch's max timestamp.
    LogAppendTime,
}

/// The fields of a batch that cost no unpacking. For magic 0 and 1 the fields that they lack hold Kafka's "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// First offset; of legacy messages the only known one, which is the last.
    pub base_offset: i64,
    /// All bytes of the batch, from the base offset on.
    pub size: usize,
    /// Epoch of the leader that appended it, -1 when unknown.
    pub leader_epoch: i32,
    /// Format: 0, 1 or 2.
    pub magic: u8,
    /// Checksum as stored.
    pub crc: u32,
    /// Bits, see the module's head.
    pub attributes: i16,
    /// Last offset minus base offset; 0 for legacy messages.
    pub last_offset_delta: i32,
    /// Reference of the records' deltas, or the delete horizon.
    pub base_timestamp: i64,
    /// Largest timestamp of the records, -1 none.
    pub max_timestamp: i64,
    /// -1 none.
    pub producer_id: i64,
    /// -1 none.
    pub producer_epoch: i16,
    /// -1 none.
    pub base_sequence: i32,
    /// Records declared; -1 for legacy messages, which do not say.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which may end anywhere behind it. Checks sizes, not content.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let truncated = |need| BatchError::Truncated { need, have: bytes.len() };
        let base_offset = i64_at(bytes, 0).ok_or(truncated(HEADER_SIZE_UP_TO_MAGIC))?;
        let length = i32_at(bytes, 8).ok_or(truncated(HEADER_SIZE_UP_TO_MAGIC))?;
        if length < MIN_LENGTH {
            return Err(BatchError::BadLength(length));
        }
        let magic = bytes.get(16).map(|byte| *byte as i8).ok_or(truncated(HEADER_SIZE_UP_TO_MAGIC))?;
        let size = usize::try_from(length).map_err(|_| BatchError::BadLength(length))? + LOG_OVERHEAD;
        let least = match magic {
            0 | 1 => LEGACY_MIN_SIZE + 8 * magic as usize,
            2 => HEADER_SIZE,
            _ => return Err(BatchError::BadMagic(magic)),
        };
        if size < least {
            return Err(BatchError::BadLength(length));
        }
        let fields = if magic == 2 { Self::v2_fields(bytes) } else { Self::legacy_fields(bytes, magic as u8) };
        let header = fields.ok_or(truncated(least))?;
        Ok(BatchHeader { base_offset, size, ..header })
    }

    fn v2_fields(bytes: &[u8]) -> Option<BatchHeader> {
        Some(BatchHeader {
            base_offset: 0,
            size: 0,
            leader_epoch: i32_at(bytes, 12)?,
            magic: 2,
            crc: u32_at(bytes, 17)?,
            attributes: i16_at(bytes, 21)?,
            last_offset_delta: i32_at(bytes, 23)?,
            base_timestamp: i64_at(bytes, 27)?,
            max_timestamp: i64_at(bytes, 35)?,
            producer_id: i64_at(bytes, 43)?,
            producer_epoch: i16_at(bytes, 51)?,
            base_sequence: i32_at(bytes, 53)?,
            record_count: i32_at(bytes, 57)?,
        })
    }

    fn legacy_fields(bytes: &[u8], magic: u8) -> Option<BatchHeader> {
        let timestamp = if magic == 1 { i64_at(bytes, 18)? } else { NO_TIMESTAMP };
        Some(BatchHeader {
            base_offset: 0,
            size: 0,
            leader_epoch: -1,
            magic,
            crc: u32_at(bytes, 12)?,
            attributes: i16::from(*bytes.get(17)?),
            last_offset_delta: 0,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: NO_SEQUENCE,
            record_count: -1,
        })
    }

    /// Fills in the header at the start of `bytes`, which hold the records behind it; length and checksum follow from
    /// them. Magic 2 only.
    pub(crate) fn seal(&self, bytes: &mut [u8]) {
        let length = (bytes.len() - LOG_OVERHEAD) as i32;
        put_at(bytes, 0, &self.base_offset.to_be_bytes());
        put_at(bytes, 8, &length.to_be_bytes());
        put_at(bytes, 12, &self.leader_epoch.to_be_bytes());
        put_at(bytes, 16, &[2]);
        put_at(bytes, 21, &self.attributes.to_be_bytes());
        put_at(bytes, 23, &self.last_offset_delta.to_be_bytes());
        put_at(bytes, 27, &self.base_timestamp.to_be_bytes());
        put_at(bytes, 35, &self.max_timestamp.to_be_bytes());
        put_at(bytes, 43, &self.producer_id.to_be_bytes());
        put_at(bytes, 51, &self.producer_epoch.to_be_bytes());
        put_at(bytes, 53, &self.base_sequence.to_be_bytes());
        put_at(bytes, 57, &self.record_count.to_be_bytes());
        let crc = crate::crc::crc32c(bytes.get(21..).unwrap_or_default());
        put_at(bytes, 17, &crc.to_be_bytes());
    }

    /// Offset of the last record (or of the last one before compaction).
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offset that follows the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Sequence of the last record; sequences wrap from 2^31-1 to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        if last > i64::from(i32::MAX) { (last - i64::from(i32::MAX) - 1) as i32 } else { last as i32 }
    }

    /// How the records are compressed.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        let id = (self.attributes & COMPRESSION_MASK) as u8;
        let codec = Codec::from_id(id).filter(|codec| self.magic == 2 || *codec != Codec::Zstd);
        codec.ok_or(BatchError::BadCodec(id))
    }

    /// Who set the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic > 0 && self.attributes & LOG_APPEND_TIME != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Part of a transaction (or its marker).
    pub fn is_transactional(&self) -> bool {
        self.magic == 2 && self.attributes & TRANSACTIONAL != 0
    }

    /// Holds a control record, which consumers do not see.
    pub fn is_control(&self) -> bool {
        self.magic == 2 && self.attributes & CONTROL != 0
    }

    /// When the tombstones in it may go, if a cleaning has stamped that (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.magic == 2 && self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// Written by an idempotent or transactional producer.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > -1
    }
}

/// One whole batch in memory.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its header.
    pub header: BatchHeader,
    /// All of its bytes, header included.
    pub bytes: Bytes,
}

impl Batch {
    /// Takes the batch at the start of `bytes`, all of which must be there; what follows is not looked at.
    pub fn parse(bytes: &Bytes) -> Result<Batch, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        if header.size > bytes.len() {
            return Err(BatchError::Truncated { need: header.size, have: bytes.len() });
        }
        Ok(Batch { header, bytes: bytes.slice(..header.size) })
    }

    /// Compares the checksum: CRC-32C for magic 2, CRC-32 of the message for 0 and 1.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = match self.header.magic {
            2 => crate::crc::crc32c(self.bytes.get(21..).unwrap_or_default()),
            _ => crc32fast::hash(self.bytes.get(16..).unwrap_or_default()),
        };
        let stored = self.header.crc;
        if stored == computed { Ok(()) } else { Err(BatchError::BadCrc { stored, computed }) }
    }

    /// The records, unpacked. Uncompressed ones are slices of the batch. Unpacking to more than `limit` bytes is an
    /// error, as is a count that does not match.
    pub fn records(&self, limit: usize) -> Result<Vec<Record>, BatchError> {
        if self.header.magic < 2 {
            return legacy::records(self, limit);
        }
        let codec = self.header.codec()?;
        let unpacked = decompress_all(codec, self.payload(), Lz4Checksum::Standard, limit);
        record::read_all(&self.header, &unpacked.map_err(bad_compression(codec))?)
    }

    /// Walks over the records without keeping keys or values; memory stays bounded however far they unpack. Checks
    /// every length and the count. Magic 2 only.
    pub fn for_each_shape(&self, visit: impl FnMut(RecordShape)) -> Result<(), BatchError> {
        match self.header.codec()? {
            Codec::None => record::walk(&self.header, Records::Plain(&self.payload()), visit),
            codec => record::walk(&self.header, Records::Packed(self.window(codec)?), visit),
        }
    }

    /// Walks over the records of any format with their keys and values, one at a time; memory stays bounded by a window
    /// and what `memory` allows. Checks every length and the count. Stops at the first error of `visit`.
    pub fn for_each_record<E: From<BatchError>>(
        &self,
        memory: &ConversionMemory,
        mut visit: impl FnMut(RecordRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.header.magic < 2 {
            return legacy::for_each_message(self, memory, |message| visit(message.checked()?));
        }
        match self.header.codec()? {
            Codec::None => record::each(&self.header, Records::Plain(&self.payload()), memory, visit),
            codec => record::each(&self.header, Records::Packed(self.window(codec)?), memory, visit),
        }
    }

    /// What follows the header of a magic 2 batch.
    fn payload(&self) -> Bytes {
        self.bytes.slice(HEADER_SIZE.min(self.bytes.len())..)
    }

    fn window(&self, codec: Codec) -> Result<Window, BatchError> {
        decompress(codec, self.payload(), Lz4Checksum::Standard).map(Window::new).map_err(bad_compression(codec))
    }

    /// The control record, if this is a control batch of a known kind with its record still there.
    pub fn end_transaction_marker(&self) -> Result<Option<EndTransactionMarker>, BatchError> {
        if !self.header.is_control() || self.header.record_count == 0 {
            return Ok(None);
        }
        let records = self.records(CONTROL_LIMIT)?;
        Ok(records.first().and_then(EndTransactionMarker::from_record))
    }
}

/// A control record is some 30 bytes; nothing larger is unpacked.
const CONTROL_LIMIT: usize = 64 * 1024;

pub(crate) fn bad_compression(codec: Codec) -> impl Fn(std::io::Error) -> BatchError {
    move |error| BatchError::BadCompression { codec: codec.name(), what: error.to_string() }
}

/// The batches in `bytes`, one after the other. Stops at a batch that is cut short at the end, as a fetch response
/// may hold; any other damage is an item and ends the walk.
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// Walks over `bytes`.
    pub fn new(bytes: Bytes) -> Batches {
        Batches { rest: bytes }
    }

    /// What has not been walked over yet; behind the last batch, the part that is cut short.
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        match Batch::parse(&self.rest) {
            Ok(batch) => {
                self.rest = self.rest.slice(batch.header.size..);
                Some(Ok(batch))
            }
            Err(BatchError::Truncated { .. }) => None,
            Err(error) => {
                self.rest = Bytes::new();
                Some(Err(error))
            }
        }
    }
}

/// Feeds arbitrary bytes to everything that reads batches; for fuzzing. Must neither panic nor allocate without bound.
pub fn fuzz(bytes: &[u8]) {
    for batch in Batches::new(Bytes::copy_from_slice(bytes)).flatten() {
        let _ = batch.check_crc();
        let _ = batch.records(1 << 20);
        let _ = batch.for_each_shape(|_| {});
        let _ = batch.for_each_record(&ConversionMemory::new(1 << 20), |_| Ok::<(), BatchError>(()));
        let _ = batch.end_transaction_marker();
    }
}

#[cfg(test)]
mod tests;
