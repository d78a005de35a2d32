//! What a leader demands of records before it appends them, and how they get their offsets.
//!
//! Everything that needs no offset is done before the log's lock is taken: checksum, walk over the records, recompression
//! or conversion. `Prepared::assign` then fills in offsets and leader epoch, which are outside the checksum, so the
//! common batch goes to the file as it came but for its first 16 bytes.
//!
//! Rules: Kafka's `LogValidator` and `UnifiedLog.analyzeAndValidateRecords`. Surprises: with create time, a batch whose
//! header lies about its max timestamp is corrected, not refused; a batch whose offset deltas are not 0, 1, 2, … is
//! built anew (Kafka does so only when it is compressed, and else leaves the wrong deltas in the log).

use bytes::Bytes;

use crate::batch::{
    Batch, BatchBuilder, BatchError, BatchHeader, Batches, EndTransactionMarker, HEADER_SIZE, LOG_OVERHEAD,
    NO_TIMESTAMP, ProducerFields, Record, TimestampType,
};
use crate::be::put_at;
use crate::compression::{Codec, Compression};
use crate::crc::crc32c_of_two;
use crate::error::StorageError;
use crate::log_config::{LogConfig, millis};
use crate::producer_state::{AppendOrigin, ProducerError};

/// Bytes up to the leader epoch's end: what a leader rewrites.
const ASSIGNED: usize = LOG_OVERHEAD + 4;
/// Records that must be built anew are unpacked in memory, up to this many bytes.
const REBUILD_LIMIT: usize = 256 << 20;
/// Record errors that an answer carries.
const MAX_RECORD_ERRORS: usize = 100;

/// Why records were not appended. All but [`AppendError::Fault`] are answers to whoever sent them.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// CORRUPT_MESSAGE: wrong checksum, or not a batch at all.
    #[error("corrupt record batch: {0}")]
    CorruptRecord(#[from] BatchError),
    /// MESSAGE_TOO_LARGE: above `max.message.bytes`.
    #[error("a batch of {size} bytes, at most {max} are allowed")]
    MessageTooLarge {
        /// Of the batch.
        size: usize,
        /// Allowed.
        max: usize,
    },
    /// RECORD_LIST_TOO_LARGE: above `segment.bytes`.
    #[error("{size} bytes do not fit into a segment of {max}")]
    BatchTooLarge {
        /// Of all batches.
        size: usize,
        /// Of a segment.
        max: u64,
    },
    /// INVALID_RECORD: breaks a rule of the topic or the protocol.
    #[error("{message}")]
    InvalidRecord {
        /// What is wrong.
        message: String,
        /// Which records, if it is about single ones.
        record_errors: Vec<RecordError>,
    },
    /// INVALID_TIMESTAMP.
    #[error("{message}")]
    InvalidTimestamp {
        /// What is wrong.
        message: String,
        /// Which records.
        record_errors: Vec<RecordError>,
    },
    /// UNSUPPORTED_COMPRESSION_TYPE: zstd where nobody may expect it.
    #[error("{message}")]
    UnsupportedCompression {
        /// Where that is.
        message: String,
    },
    /// Sequence, epoch or transaction state of the producer.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// A follower got records that do not continue its log.
    #[error("append begins at offset {first_offset}, the log ends at {log_end_offset}")]
    UnexpectedOffset {
        /// Of the records.
        first_offset: i64,
        /// Of the log.
        log_end_offset: i64,
    },
    /// A follower got batches in the wrong order.
    #[error("offset {offset} follows {previous}")]
    OffsetsOutOfOrder {
        /// Last offset of a batch.
        offset: i64,
        /// Last offset of the batch before it.
        previous: i64,
    },
    /// The disk failed (KAFKA_STORAGE_ERROR).
    #[error(transparent)]
    Fault(#[from] StorageError),
}

/// What the version of a Produce request promises of the records of a partition: from 3 on exactly one batch of format 2,
/// and zstd only from 7 on (`ProduceRequest.validateRecords`). For the handler, before it looks for the log. A broken
/// batch passes: the log finds and names the damage.
pub fn check_produce_version(records: &[u8], api_version: i16) -> Result<(), AppendError> {
    if api_version < 3 {
        return Ok(());
    }
    let only = |what: &str| Err(invalid(format!("Produce requests with version {api_version} {what}")));
    // What is incomplete at the end is left out of the log, and then nothing would be left to acknowledge.
    let none = || only("must have at least one record batch per partition");
    let header = match BatchHeader::parse(records) {
        Ok(header) if header.size <= records.len() => header,
        Ok(_) | Err(BatchError::Truncated { .. }) => return none(),
        Err(_) => return Ok(()),
    };
    if header.magic != 2 {
        return only("are only allowed to contain record batches with magic version 2");
    }
    if api_version < 7 && header.codec() == Ok(Codec::Zstd) {
        return Err(AppendError::UnsupportedCompression {
            message: format!(
                "Produce requests with version {api_version} are not allowed to use ZStandard compression"
            ),
        });
    }
    if header.size < records.len() {
        return only("are only allowed to contain exactly one record batch per partition");
    }
    Ok(())
}

/// One refused record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// Position in the batch, from 0.
    pub batch_index: i32,
    /// Why.
    pub message: String,
}

/// A batch on its way to the file: a patched beginning in front of the untouched rest.
#[derive(Debug, Clone)]
pub(crate) struct ReadyBatch {
    /// The header as it will be in the file.
    pub(crate) header: BatchHeader,
    /// What it ends, if it is a control batch.
    pub(crate) marker: Option<EndTransactionMarker>,
    pub(crate) head: [u8; HEADER_SIZE],
    /// Bytes of `head` that are used; the rest begins there.
    pub(crate) head_len: usize,
    pub(crate) bytes: Bytes,
}

impl ReadyBatch {
    /// A batch that is written as it is.
    pub(crate) fn untouched(batch: Batch) -> Result<ReadyBatch, BatchError> {
        let marker = batch.end_transaction_marker()?;
        Ok(ReadyBatch { header: batch.header, marker, head: [0; HEADER_SIZE], head_len: 0, bytes: batch.bytes })
    }

    /// The two parts to write.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        let head = self.head.get(..self.head_len).unwrap_or_default();
        (head, self.bytes.get(self.head_len..).unwrap_or_default())
    }

    /// Patches the first `len` bytes.
    fn use_head(&mut self, len: usize) {
        if let (Some(head), Some(bytes)) = (self.head.get_mut(self.head_len..len), self.bytes.get(self.head_len..len)) {
            head.copy_from_slice(bytes);
            self.head_len = len;
        }
    }

    /// Sets type and value of the max timestamp; the checksum follows.
    fn set_max_timestamp(&mut self, kind: TimestampType, max_timestamp: i64) {
        if self.header.timestamp_type() == kind && self.header.max_timestamp == max_timestamp {
            return;
        }
        const LOG_APPEND_TIME: i16 = 0x08;
        self.use_head(HEADER_SIZE);
        self.header.attributes = match kind {
            TimestampType::LogAppendTime => self.header.attributes | LOG_APPEND_TIME,
            TimestampType::CreateTime => self.header.attributes & !LOG_APPEND_TIME,
        };
        self.header.max_timestamp = max_timestamp;
        put_at(&mut self.head, 21, &self.header.attributes.to_be_bytes());
        put_at(&mut self.head, 35, &max_timestamp.to_be_bytes());
        let (head, rest) = self.parts();
        let crc = crc32c_of_two(head.get(21..).unwrap_or_default(), rest);
        self.header.crc = crc;
        put_at(&mut self.head, 17, &crc.to_be_bytes());
    }
}

/// Records that passed every check that needs no offset.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) batches: Vec<ReadyBatch>,
    /// Set when the topic has log append time.
    pub(crate) log_append_time: Option<i64>,
    /// Records in all batches.
    pub(crate) record_count: u64,
    /// Bytes of all batches.
    pub(crate) size: usize,
}

impl Prepared {
    /// Gives out offsets from `next_offset` on.
    pub(crate) fn assign(&mut self, mut next_offset: i64, leader_epoch: i32) {
        for batch in &mut self.batches {
            batch.use_head(ASSIGNED);
            batch.header.base_offset = next_offset;
            batch.header.leader_epoch = leader_epoch;
            put_at(&mut batch.head, 0, &next_offset.to_be_bytes());
            put_at(&mut batch.head, LOG_OVERHEAD, &leader_epoch.to_be_bytes());
            next_offset = batch.header.next_offset();
        }
    }

    pub(crate) fn max_timestamp(&self) -> i64 {
        self.batches.iter().map(|batch| batch.header.max_timestamp).max().unwrap_or(NO_TIMESTAMP)
    }
}

/// Checks what a leader is asked to append. Incomplete bytes behind the last whole batch are left out.
pub(crate) fn prepare_for_leader(
    records: &Bytes,
    config: &LogConfig,
    origin: AppendOrigin,
    now_ms: i64,
) -> Result<Prepared, AppendError> {
    let batches = Batches::new(records.clone()).collect::<Result<Vec<Batch>, BatchError>>()?;
    for batch in &batches {
        check_batch(batch, config, origin)?;
    }
    let Some(first) = batches.first() else {
        return Ok(Prepared { batches: Vec::new(), log_append_time: None, record_count: 0, size: 0 });
    };
    check_company(first, &batches, origin)?;
    let source = first.header.codec()?;
    let mut checker = Checker { config, now_ms, errors: Vec::new(), bad_timestamp: false };
    let ready = if first.header.magic == 2 {
        batches.into_iter().map(|batch| checker.prepare(batch, config.compression.target(source))).collect()
    } else {
        checker.convert(&batches, config.compression.target(source)).map(|batch| vec![batch])
    }?;
    finish(ready, config, now_ms)
}

fn finish(batches: Vec<ReadyBatch>, config: &LogConfig, now_ms: i64) -> Result<Prepared, AppendError> {
    for batch in &batches {
        check_size(batch.header.size, config)?;
    }
    let size = batches.iter().map(|batch| batch.header.size).sum();
    if size as u64 > config.segment_bytes {
        return Err(AppendError::BatchTooLarge { size, max: config.segment_bytes });
    }
    let record_count = batches.iter().map(|batch| u64::try_from(batch.header.record_count).unwrap_or(0)).sum();
    let log_append_time = (config.timestamp_type == TimestampType::LogAppendTime).then_some(now_ms);
    Ok(Prepared { batches, log_append_time, record_count, size })
}

/// What the header alone tells.
fn check_batch(batch: &Batch, config: &LogConfig, origin: AppendOrigin) -> Result<(), AppendError> {
    let header = &batch.header;
    if header.magic == 2 && origin == AppendOrigin::Client {
        check_client_batch(header)?;
    }
    check_size(header.size, config)?;
    Ok(batch.check_crc()?)
}

fn check_client_batch(header: &BatchHeader) -> Result<(), AppendError> {
    let message = if header.base_offset != 0 {
        format!("the base offset of a produced batch must be 0, it is {}", header.base_offset)
    } else if header.record_count <= 0 {
        format!("a batch cannot hold {} records", header.record_count)
    } else if i64::from(header.last_offset_delta) + 1 != i64::from(header.record_count) {
        format!("{} records between offset deltas 0 and {}", header.record_count, header.last_offset_delta)
    } else if header.is_control() {
        "clients may not write control records".to_owned()
    } else if header.has_producer_id() && header.base_sequence < 0 {
        format!("sequence {} of producer {}", header.base_sequence, header.producer_id)
    } else {
        return Ok(());
    };
    Err(invalid(message))
}

fn check_size(size: usize, config: &LogConfig) -> Result<(), AppendError> {
    let max = config.max_message_bytes;
    if size > max { Err(AppendError::MessageTooLarge { size, max }) } else { Ok(()) }
}

/// Whether the batches may come together: one only, unless they are plain old messages.
fn check_company(first: &Batch, batches: &[Batch], origin: AppendOrigin) -> Result<(), AppendError> {
    let single = first.header.magic == 2 || first.header.codec()? != Codec::None;
    if single && batches.len() > 1 && origin == AppendOrigin::Client {
        return Err(invalid("more than one batch for a partition".to_owned()));
    }
    match batches.iter().find(|batch| batch.header.magic != first.header.magic) {
        Some(other) => Err(invalid(format!("magic {} behind magic {}", other.header.magic, first.header.magic))),
        None => Ok(()),
    }
}

fn invalid(message: String) -> AppendError {
    AppendError::InvalidRecord { message, record_errors: Vec::new() }
}

/// Walks over records and collects what is wrong with them.
struct Checker<'a> {
    config: &'a LogConfig,
    now_ms: i64,
    errors: Vec<RecordError>,
    bad_timestamp: bool,
}

impl Checker<'_> {
    fn prepare(&mut self, batch: Batch, target: Compression) -> Result<ReadyBatch, AppendError> {
        let kind = batch.header.timestamp_type();
        let mut max_timestamp = NO_TIMESTAMP;
        let mut consecutive = true;
        batch.for_each_shape(|shape| {
            max_timestamp = max_timestamp.max(shape.timestamp);
            consecutive &= usize::try_from(shape.offset_delta) == Ok(shape.index);
            self.check_record(shape.index, shape.timestamp, shape.has_key, kind);
        })?;
        self.verdict()?;
        if !consecutive || batch.header.codec()? != target.codec {
            let records = batch.records(REBUILD_LIMIT)?;
            return self.rebuild(&batch.header, &records, target);
        }
        let mut ready = ReadyBatch::untouched(batch)?;
        match self.config.timestamp_type {
            TimestampType::LogAppendTime => ready.set_max_timestamp(TimestampType::LogAppendTime, self.now_ms),
            TimestampType::CreateTime => ready.set_max_timestamp(TimestampType::CreateTime, max_timestamp),
        }
        Ok(ready)
    }

    /// Turns messages of format 0 and 1 into one batch of format 2.
    fn convert(&mut self, batches: &[Batch], target: Compression) -> Result<ReadyBatch, AppendError> {
        let mut records = Vec::new();
        for batch in batches {
            let kind = batch.header.timestamp_type();
            for record in batch.records(REBUILD_LIMIT)? {
                self.check_record(records.len(), record.timestamp, record.key.is_some(), kind);
                records.push(record);
            }
        }
        self.verdict()?;
        let first = batches.first().map(|batch| batch.header);
        let header = first.ok_or_else(|| invalid("no message at all".to_owned()))?;
        self.rebuild(&header, &records, target)
    }

    fn rebuild(
        &self,
        header: &BatchHeader,
        records: &[Record],
        target: Compression,
    ) -> Result<ReadyBatch, AppendError> {
        let producer = ProducerFields {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        };
        let mut builder = BatchBuilder::new().compression(target).producer(producer);
        if header.is_transactional() {
            builder = builder.transactional();
        }
        if header.is_control() {
            builder = builder.control();
        }
        if self.config.timestamp_type == TimestampType::LogAppendTime {
            builder = builder.log_append_time(self.now_ms);
        }
        for record in records {
            builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
        }
        let failed =
            |error: std::io::Error| BatchError::BadCompression { codec: target.codec.name(), what: error.to_string() };
        let built = builder.build().map_err(failed)?;
        Ok(ReadyBatch::untouched(Batch::parse(&built)?)?)
    }

    fn check_record(&mut self, index: usize, timestamp: i64, has_key: bool, kind: TimestampType) {
        if self.config.compact && !has_key {
            self.note(index, "a compacted topic takes no record without key".to_owned());
        } else if self.config.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
            self.check_timestamp(index, timestamp);
        } else if kind == TimestampType::LogAppendTime {
            self.bad_timestamp = true;
            self.note(index, "a producer may not set log append time".to_owned());
        }
    }

    fn check_timestamp(&mut self, index: usize, timestamp: i64) {
        let age = self.now_ms.saturating_sub(timestamp);
        let before = self.config.timestamp_before_max.map_or(i64::MAX, millis);
        let after = self.config.timestamp_after_max.map_or(i64::MAX, millis);
        if age > before || age.saturating_neg() > after {
            self.bad_timestamp = true;
            let (from, to) = (self.now_ms.saturating_sub(before), self.now_ms.saturating_add(after));
            self.note(index, format!("timestamp {timestamp} is not within [{from}, {to}]"));
        }
    }

    fn note(&mut self, index: usize, message: String) {
        if self.errors.len() < MAX_RECORD_ERRORS {
            self.errors.push(RecordError { batch_index: i32::try_from(index).unwrap_or(i32::MAX), message });
        }
    }

    fn verdict(&mut self) -> Result<(), AppendError> {
        let record_errors = std::mem::take(&mut self.errors);
        let Some(first) = record_errors.first() else { return Ok(()) };
        let message = format!(
            "{} records were refused, first record {}: {}",
            record_errors.len(),
            first.batch_index,
            first.message
        );
        Err(if self.bad_timestamp {
            AppendError::InvalidTimestamp { message, record_errors }
        } else {
            AppendError::InvalidRecord { message, record_errors }
        })
    }
}

/// Checks what a follower fetched. Batches from a leader newer than `leader_epoch` are left out with all that follow.
pub(crate) fn prepare_for_follower(records: &Bytes, leader_epoch: i32) -> Result<Prepared, AppendError> {
    let mut ready: Vec<ReadyBatch> = Vec::new();
    for batch in Batches::new(records.clone()) {
        let batch = batch?;
        if batch.header.leader_epoch > leader_epoch {
            tracing::info!(offset = batch.header.base_offset, "left out batches of a newer leader epoch");
            break;
        }
        let offset = batch.header.last_offset();
        if let Some(previous) = ready.last().map(|last| last.header.last_offset()).filter(|last| *last >= offset) {
            return Err(AppendError::OffsetsOutOfOrder { offset, previous });
        }
        batch.check_crc()?;
        ready.push(ReadyBatch::untouched(batch)?);
    }
    let size = ready.iter().map(|batch| batch.header.size).sum();
    let record_count = ready.iter().map(|batch| u64::try_from(batch.header.record_count).unwrap_or(0)).sum();
    Ok(Prepared { batches: ready, log_append_time: None, record_count, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::tests::put_message;

    fn batch(codec: Codec) -> Vec<u8> {
        let mut builder = BatchBuilder::new().compression(codec);
        builder.append(1, None, Some(b"v"), &[]);
        builder.build().unwrap().to_vec()
    }

    #[test]
    fn produce_versions_from_3_on_take_one_batch_of_magic_2() {
        let (one, zstd) = (batch(Codec::None), batch(Codec::Zstd));
        let two = [one.clone(), one.clone()].concat();
        let old = put_message(1, 0, 1, 0, None, b"x");
        let damaged = [&one[..16], &[9], &one[17..]].concat();
        let cases: [(&[u8], i16, &str); 11] = [
            (&one, 3, ""),
            (&two, 2, ""),
            (&old, 2, ""),
            (&zstd, 7, ""),
            (&damaged, 9, ""),
            (&[], 9, "Produce requests with version 9 must have at least one record batch per partition"),
            (&one[..30], 9, "Produce requests with version 9 must have at least one record batch per partition"),
            (&one[..65], 9, "Produce requests with version 9 must have at least one record batch per partition"),
            (
                &old,
                3,
                "Produce requests with version 3 are only allowed to contain record batches with magic version 2",
            ),
            (&zstd, 6, "Produce requests with version 6 are not allowed to use ZStandard compression"),
            (
                &two,
                8,
                "Produce requests with version 8 are only allowed to contain exactly one record batch per partition",
            ),
        ];
        for (records, version, refusal) in cases {
            let text = check_produce_version(records, version).err().map_or(String::new(), |error| error.to_string());
            assert_eq!(text, refusal, "version {version}, {} bytes", records.len());
        }
    }
}
