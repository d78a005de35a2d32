//! Records from one format or codec into another: for the log, when a topic wants them otherwise than they came
//! ([`rebuild`]), and for consumers that do not know magic 2 ([`down_convert`], and [`DownConversion`] for whole fetches).
//!
//! Records pass one at a time from the reader of the old batch into the packer of the new one, so that memory holds a window
//! of the old, one record, and the new batch as far as it is packed, which is given up when it grows too large.
//!
//! Rules: Kafka's `MemoryRecordsBuilder`, `LogValidator.buildRecordsAndAssignOffsets`, `RecordsUtil.downConvert`. Into magic 0
//! and 1 go neither headers (dropped for consumers, refused on append) nor control records nor producers.

mod lazy;

use std::io::{self, Write};

use bytes::Bytes;
use zk_paths::ids::TopicPartition;

use crate::batch::{
    Batch, BatchError, BatchHeader, HEADER_SIZE, LOG_APPEND_TIME, NO_HEADERS, NO_TIMESTAMP, RecordRef, TimestampType,
    put_record,
};
use crate::compression::{Codec, Compression, Lz4Checksum, Packer};
use crate::legacy::{self, Stamp};
use crate::log_config::{LogConfig, TopicCompression};
use crate::memory::ConversionMemory;
use crate::producer_state::AppendOrigin;
use crate::ready::{LateWrapper, ReadyBatch};
use crate::validate::{AppendError, Terms, prepare_for_leader};

pub use lazy::{DownConversion, DownConversionError};

/// What is to come out of an append.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rebuild<'a> {
    /// Whose producer and transaction it goes on with.
    pub(crate) first: BatchHeader,
    pub(crate) target: Compression,
    pub(crate) magic: u8,
    pub(crate) terms: &'a Terms<'a>,
}

/// Builds batches anew, for a log.
pub(crate) fn rebuild(batches: &[Batch], wanted: Rebuild<'_>) -> Result<Vec<ReadyBatch>, AppendError> {
    match (wanted.magic, wanted.target.codec) {
        (0 | 1, Codec::Zstd) => {
            let message = format!("ZStandard compression is not supported for magic {}", wanted.magic);
            Err(AppendError::UnsupportedCompression { message })
        }
        (2, _) => wanted.batch(batches).map(|batch| vec![batch]),
        (_, Codec::None) => wanted.messages(batches),
        (0, _) => wanted.late_wrapper(batches).map(|batch| vec![batch]),
        (_, _) => wanted.wrapper(batches).map(|batch| vec![batch]),
    }
}

impl Rebuild<'_> {
    /// One batch of magic 2.
    fn batch(&self, batches: &[Batch]) -> Result<ReadyBatch, AppendError> {
        let mut packer = self.packer(Lz4Checksum::Standard, vec![0; HEADER_SIZE])?;
        let (mut base_timestamp, mut max_timestamp, mut count) = (None, NO_TIMESTAMP, 0i32);
        let mut encoded = Vec::new();
        self.each(batches, |record| {
            let base = *base_timestamp.get_or_insert(record.timestamp);
            max_timestamp = max_timestamp.max(record.timestamp);
            encoded.clear();
            let delta = record.timestamp.wrapping_sub(base);
            put_record(&mut encoded, count.into(), delta, record.key, record.value, record.headers);
            count += 1;
            self.pack(&mut packer, &encoded)
        })?;
        let mut bytes = packer.finish().map_err(|error| self.codec_failed(&error))?;
        let is_append_time = self.stamps();
        let flags = self.first.attributes & !7 & !LOG_APPEND_TIME;
        let header = BatchHeader {
            base_offset: 0,
            magic: 2,
            attributes: flags | i16::from(self.target.codec.id()) | if is_append_time { LOG_APPEND_TIME } else { 0 },
            last_offset_delta: count - 1,
            base_timestamp: base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: if is_append_time { self.terms.now_ms } else { max_timestamp },
            record_count: count,
            ..self.first
        };
        // Attributes of old formats have no meaning in the new one.
        let header =
            if self.first.magic < 2 { BatchHeader { attributes: header.attributes & 0x0f, ..header } } else { header };
        header.seal(&mut bytes);
        self.ready(bytes.into())
    }

    /// Messages of magic 0 or 1, each for itself.
    fn messages(&self, batches: &[Batch]) -> Result<Vec<ReadyBatch>, AppendError> {
        let mut ready = Vec::new();
        self.each(batches, |record| {
            let mut out = Vec::new();
            legacy::put_message(&mut out, 0, self.stamp(record.timestamp), record.key, record.value);
            ready.push(self.ready(out.into())?);
            Ok(())
        })?;
        Ok(ready)
    }

    /// One wrapper of magic 1.
    fn wrapper(&self, batches: &[Batch]) -> Result<ReadyBatch, AppendError> {
        let mut out = Vec::new();
        let wrapper = legacy::begin_wrapper(&mut out, 1);
        let mut packer = self.packer(legacy::lz4_checksum(1), out)?;
        let (mut max_timestamp, mut count) = (NO_TIMESTAMP, 0);
        let mut encoded = Vec::new();
        self.each(batches, |record| {
            let stamp = self.stamp(record.timestamp);
            max_timestamp = max_timestamp.max(stamp.timestamp);
            encoded.clear();
            legacy::put_message(&mut encoded, count, stamp, record.key, record.value);
            count += 1;
            self.pack(&mut packer, &encoded)
        })?;
        let mut out = packer.finish().map_err(|error| self.codec_failed(&error))?;
        legacy::end_wrapper(&mut out, wrapper, 0, self.stamp(max_timestamp), self.target.codec);
        Ok(self.ready(out.into())?.with_offsets(count))
    }

    /// One wrapper of magic 0, to be packed when its offsets are known.
    fn late_wrapper(&self, batches: &[Batch]) -> Result<ReadyBatch, AppendError> {
        let (mut messages, mut count) = (Vec::new(), 0);
        self.each(batches, |record| {
            legacy::put_message(&mut messages, count, self.stamp(record.timestamp), record.key, record.value);
            count += 1;
            // Unpacked they may be larger than allowed, but not without bound.
            self.check(messages.len() / LATE_RATIO)
        })?;
        let mut empty = Vec::new();
        let wrapper = legacy::begin_wrapper(&mut empty, 0);
        legacy::end_wrapper(&mut empty, wrapper, 0, self.stamp(NO_TIMESTAMP), self.target.codec);
        let late = LateWrapper { messages, compression: self.target };
        Ok(self.ready(empty.into())?.with_offsets(count).packed_late(late))
    }

    fn each(
        &self,
        batches: &[Batch],
        mut visit: impl FnMut(RecordRef<'_>) -> Result<(), AppendError>,
    ) -> Result<(), AppendError> {
        for batch in batches {
            let walked = batch.for_each_record(self.terms.memory, |record| {
                if self.magic < 2 && record.headers != NO_HEADERS {
                    let message = format!("Magic v{} does not support record headers", self.magic);
                    return Err(Failed::Append(AppendError::UnsupportedForMessageFormat { message }));
                }
                Ok(visit(record)?)
            });
            walked.map_err(|failed| match failed {
                Failed::Append(error) => error,
                Failed::Batch(error) => self.terms.corrupt(error),
            })?;
        }
        Ok(())
    }

    fn packer(&self, lz4: Lz4Checksum, out: Vec<u8>) -> Result<Packer, AppendError> {
        Packer::new(self.target, lz4, out).map_err(|error| self.codec_failed(&error))
    }

    fn pack(&self, packer: &mut Packer, encoded: &[u8]) -> Result<(), AppendError> {
        packer.write_all(encoded).map_err(|error| self.codec_failed(&error))?;
        self.check(packer.written())
    }

    fn check(&self, size: usize) -> Result<(), AppendError> {
        let max = self.terms.config.max_message_bytes;
        if size <= max {
            return Ok(());
        }
        Err(AppendError::MessageTooLarge { partition: self.terms.partition.clone(), size, max })
    }

    fn ready(&self, bytes: Bytes) -> Result<ReadyBatch, AppendError> {
        let batch = Batch::parse(&bytes).map_err(|error| self.terms.corrupt(error))?;
        ReadyBatch::untouched(batch).map_err(|error| self.terms.corrupt(error))
    }

    /// The topic has log append time.
    fn stamps(&self) -> bool {
        self.terms.config.timestamp_type == TimestampType::LogAppendTime
    }

    fn stamp(&self, timestamp: i64) -> Stamp {
        let timestamp = if self.stamps() { self.terms.now_ms } else { timestamp };
        Stamp { magic: self.magic, timestamp, timestamp_type: self.terms.config.timestamp_type }
    }

    fn codec_failed(&self, error: &io::Error) -> AppendError {
        let codec = self.target.codec.name();
        self.terms.corrupt(BatchError::BadCompression { codec, what: error.to_string() })
    }
}

/// Unpacked bytes that are held for each packed byte which a topic allows.
const LATE_RATIO: usize = 32;

/// Ends a walk: an answer, or damage that is yet to be told where.
enum Failed {
    Append(AppendError),
    Batch(BatchError),
}

impl From<BatchError> for Failed {
    fn from(error: BatchError) -> Failed {
        Failed::Batch(error)
    }
}

impl From<AppendError> for Failed {
    fn from(error: AppendError) -> Failed {
        Failed::Append(error)
    }
}

/// Why a batch cannot be converted for a consumer.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// UNSUPPORTED_COMPRESSION_TYPE: zstd, which no old consumer can read.
    #[error("Down-conversion of zstandard-compressed batches is not supported")]
    Zstd,
    /// What is stored cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A codec failed to pack.
    #[error("could not pack: {0}")]
    Codec(#[from] io::Error),
}

/// Appends to `out` what a batch is in format 0 or 1. That may be nothing: control batches have no old form, and of a batch
/// that is not packed only records from `first_offset` on are converted, as some versions of librdkafka need it.
pub fn down_convert(
    batch: &Batch,
    magic: u8,
    first_offset: i64,
    memory: &ConversionMemory,
    out: &mut Vec<u8>,
) -> Result<(), ConvertError> {
    if batch.header.is_control() {
        return Ok(());
    }
    let codec = batch.header.codec()?;
    if codec == Codec::Zstd {
        return Err(ConvertError::Zstd);
    }
    if batch.header.magic <= magic {
        out.extend_from_slice(&batch.bytes);
        return Ok(());
    }
    if codec != Codec::None {
        return down_convert_packed(batch, magic, codec, memory, out);
    }
    let timestamp_type = batch.header.timestamp_type();
    batch.for_each_record(memory, |record| {
        if record.offset >= first_offset {
            let stamp = Stamp { magic, timestamp: record.timestamp, timestamp_type };
            legacy::put_message(out, record.offset, stamp, record.key, record.value);
        }
        Ok(())
    })
}

/// A wrapper for a batch; inner offsets are absolute in magic 0 and count from the first record's in magic 1, with the
/// gaps that compaction left.
fn down_convert_packed(
    batch: &Batch,
    magic: u8,
    codec: Codec,
    memory: &ConversionMemory,
    out: &mut Vec<u8>,
) -> Result<(), ConvertError> {
    let start = out.len();
    let timestamp_type = batch.header.timestamp_type();
    let wrapper = legacy::begin_wrapper(out, magic);
    let mut packer = Packer::new(codec.into(), legacy::lz4_checksum(magic), std::mem::take(out))?;
    let (mut first, mut last, mut max_timestamp) = (None, None, NO_TIMESTAMP);
    let mut encoded = Vec::new();
    let walked = batch.for_each_record(memory, |record| {
        let base = *first.get_or_insert(record.offset);
        last = Some(record.offset);
        max_timestamp = max_timestamp.max(record.timestamp);
        encoded.clear();
        let stamp = Stamp { magic, timestamp: record.timestamp, timestamp_type };
        let offset = if magic == 0 { record.offset } else { record.offset - base };
        legacy::put_message(&mut encoded, offset, stamp, record.key, record.value);
        Ok::<(), ConvertError>(packer.write_all(&encoded)?)
    });
    *out = packer.finish()?;
    walked?;
    match last {
        Some(last) => {
            let stamp = Stamp { magic, timestamp: max_timestamp, timestamp_type };
            legacy::end_wrapper(out, wrapper, last, stamp, codec);
        }
        // Compaction has taken all of its records.
        None => out.truncate(start),
    }
    Ok(())
}

/// Feeds arbitrary bytes to everything that an append or an old consumer's fetch does with batches; for fuzzing. Must neither
/// panic nor take memory without bound.
pub fn fuzz(bytes: &[u8]) {
    let (Some((choice, bytes)), memory) = (bytes.split_first(), ConversionMemory::new(1 << 20)) else { return };
    let bytes = Bytes::copy_from_slice(bytes);
    for batch in crate::batch::Batches::new(bytes.clone()).flatten() {
        for magic in [0, 1] {
            let _ = down_convert(&batch, magic, 0, &memory, &mut Vec::new());
        }
    }
    let codec = Codec::from_id(choice & 7).unwrap_or_default();
    let config = LogConfig {
        compression: TopicCompression::Fixed(codec.into()),
        record_magic: (choice >> 3) % 3,
        timestamp_type: if choice & 32 == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime },
        ..LogConfig::default()
    };
    let partition = TopicPartition::new("t", 0);
    let origin = if choice & 64 == 0 { AppendOrigin::Client } else { AppendOrigin::Coordinator };
    let terms = Terms { partition: &partition, config: &config, origin, now_ms: 1 << 40, memory: &memory };
    if let Ok(mut prepared) = prepare_for_leader(&bytes, &terms) {
        let _ = prepared.assign(7, 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::batch::BatchBuilder;
    use crate::legacy::tests::{message, wrapper};

    /// A batch of any format, behind the byte that chooses what a topic makes of it.
    fn sample(magic: u8, codec: Codec, choice: u8) -> Vec<u8> {
        let batch = if magic == 2 {
            let mut builder = BatchBuilder::new().compression(codec);
            (0..5).for_each(|n| builder.append(100 + n, Some(b"key"), Some(b"some value"), &[]));
            builder.build().unwrap()
        } else {
            let inner: Vec<u8> = (0..3).flat_map(|n| message(magic, n, 100 + n, 0, Some(b"key"), b"value")).collect();
            if codec == Codec::None { inner.into() } else { wrapper(magic, 2, codec, &inner) }
        };
        [&[choice], batch.as_ref()].concat()
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&bytes);
        }

        #[test]
        fn damage_behind_a_right_checksum_never_panics(
            magic in 0u8..3, codec in 0u8..4, choice in any::<u8>(), position in 21usize..120, value in any::<u8>(),
        ) {
            let mut bytes = sample(magic, Codec::from_id(codec).unwrap(), choice);
            if let Some(byte) = bytes.get_mut(position) {
                *byte = value;
            }
            let crc = if magic == 2 { crate::crc::crc32c(&bytes[22..]) } else { 0 };
            if magic == 2 {
                bytes[18..22].copy_from_slice(&crc.to_be_bytes());
            }
            fuzz(&bytes);
        }
    }
}
