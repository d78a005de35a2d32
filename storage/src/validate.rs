//! What a leader demands of records before it appends them.
//!
//! Everything that needs no offset is done before the log's lock is taken: checksum, walk over the records, recompression
//! or conversion. What comes out waits for its offsets (`ready.rs`).
//!
//! Rules and texts: Kafka's `LogValidator` and `UnifiedLog.analyzeAndValidateRecords`. Surprises: with create time, a batch
//! whose header lies about its max timestamp is corrected, not refused. A control batch is never packed. Differences: a
//! batch whose offset deltas are not 0, 1, 2, … is built anew (Kafka does so only when it is compressed, and else leaves the
//! wrong deltas in the log); at most [`MAX_RECORD_ERRORS`] records are named in an answer.

use std::fmt;

use bytes::Bytes;
use zk_paths::ids::TopicPartition;

use crate::batch::{Batch, BatchError, BatchHeader, Batches, NO_TIMESTAMP, RecordShape, TimestampType};
use crate::compression::{Codec, Compression};
use crate::convert::{self, Rebuild};
use crate::error::StorageError;
use crate::legacy::{self, Message};
use crate::log_config::{LogConfig, millis};
use crate::memory::ConversionMemory;
use crate::producer_state::{AppendOrigin, ProducerError};
use crate::ready::{Prepared, ReadyBatch};

/// Record errors that an answer carries.
const MAX_RECORD_ERRORS: usize = 100;

/// Why records were not appended. All but [`AppendError::Fault`] are answers to whoever sent them.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// CORRUPT_MESSAGE: wrong checksum, or not a batch at all. What a batch with a right checksum holds may be wrong too:
    /// INVALID_RECORD, or UNKNOWN_SERVER_ERROR for what its codec does not understand.
    #[error("{error} in topic partition {partition}")]
    CorruptRecord {
        /// What is wrong.
        error: BatchError,
        /// Where it was to be appended.
        partition: TopicPartition,
    },
    /// MESSAGE_TOO_LARGE: above `max.message.bytes`.
    #[error(
        "The record batch size in the append to {partition} is {size} bytes which exceeds the maximum configured value \
         of {max}."
    )]
    MessageTooLarge {
        /// Where it was to be appended.
        partition: TopicPartition,
        /// Of the batch; of one that is built anew, as far as it was built.
        size: usize,
        /// Allowed.
        max: usize,
    },
    /// RECORD_LIST_TOO_LARGE: above `segment.bytes`.
    #[error(
        "Message batch size is {size} bytes in append to partition {partition}, which exceeds the maximum configured \
         segment size of {max}."
    )]
    BatchTooLarge {
        /// Where they were to be appended.
        partition: TopicPartition,
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
    /// UNSUPPORTED_FOR_MESSAGE_FORMAT: the topic's old format has no place for it.
    #[error("{message}")]
    UnsupportedForMessageFormat {
        /// What has no place.
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

/// One refused record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// Position in the batch, from 0.
    pub batch_index: i32,
    /// Why.
    pub message: String,
}

/// As Kafka prints one in its answers.
impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordError(batchIndex={}, message='{}')", self.batch_index, self.message)
    }
}

/// What an append is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) partition: &'a TopicPartition,
    pub(crate) config: &'a LogConfig,
    pub(crate) origin: AppendOrigin,
    pub(crate) now_ms: i64,
    /// For records that are looked at one by one.
    pub(crate) memory: &'a ConversionMemory,
}

impl Terms<'_> {
    pub(crate) fn corrupt(&self, error: BatchError) -> AppendError {
        AppendError::CorruptRecord { error, partition: self.partition.clone() }
    }

    fn check_size(&self, size: usize) -> Result<(), AppendError> {
        let max = self.config.max_message_bytes;
        if size <= max {
            return Ok(());
        }
        Err(AppendError::MessageTooLarge { partition: self.partition.clone(), size, max })
    }
}

/// Checks what a leader is asked to append. Incomplete bytes behind the last whole batch are left out.
pub(crate) fn prepare_for_leader(records: &Bytes, terms: &Terms<'_>) -> Result<Prepared, AppendError> {
    let batches = Batches::new(records.clone()).collect::<Result<Vec<Batch>, BatchError>>();
    let batches = batches.map_err(|error| terms.corrupt(error))?;
    for batch in &batches {
        check_arrival(batch, terms)?;
    }
    let log_append_time = (terms.config.timestamp_type == TimestampType::LogAppendTime).then_some(terms.now_ms);
    let Some(first) = batches.first() else {
        return Ok(Prepared { batches: Vec::new(), first_offset: None, log_append_time });
    };
    let plan = Plan::new(first.header, &batches, terms)?;
    let mut checker = Checker::new(terms, plan);
    let prepared = Prepared { batches: checker.prepare(batches)?, first_offset: None, log_append_time };
    for batch in &prepared.batches {
        terms.check_size(batch.header.size)?;
    }
    let (size, max) = (prepared.size(), terms.config.segment_bytes);
    if size as u64 > max {
        return Err(AppendError::BatchTooLarge { partition: terms.partition.clone(), size, max });
    }
    Ok(prepared)
}

/// Whether records will be packed or converted, which takes so long that it should not be done where requests are served.
/// A guess from the first batch.
pub(crate) fn wants_rebuild(records: &[u8], config: &LogConfig) -> bool {
    BatchHeader::parse(records).is_ok_and(|header| {
        let codec = header.codec().unwrap_or_default();
        header.magic != config.record_magic || codec != config.compression.target(codec).codec
    })
}

/// What is asked of every batch, whoever sent it (`analyzeAndValidateRecords`).
fn check_arrival(batch: &Batch, terms: &Terms<'_>) -> Result<(), AppendError> {
    let header = &batch.header;
    if header.magic == 2 && terms.origin == AppendOrigin::Client && header.base_offset != 0 {
        return Err(invalid(format!(
            "The baseOffset of the record batch in the append to {} should be 0, but it is {}",
            terms.partition, header.base_offset
        )));
    }
    terms.check_size(header.size)?;
    batch.check_crc().map_err(|error| terms.corrupt(error))
}

fn invalid(message: String) -> AppendError {
    AppendError::InvalidRecord { message, record_errors: Vec::new() }
}

/// How the batches of an append become those of the log.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Of the first batch.
    first: BatchHeader,
    /// What they came in.
    source: Codec,
    target: Compression,
    magic: u8,
    /// Nothing but offsets and timestamps of the batches changes, unless their inner offsets turn out to be wrong.
    in_place: bool,
}

impl Plan {
    fn new(first: BatchHeader, batches: &[Batch], terms: &Terms<'_>) -> Result<Plan, AppendError> {
        let mut source = Codec::None;
        for batch in batches {
            let codec = batch.header.codec().map_err(|error| terms.corrupt(error))?;
            source = if codec == Codec::None { source } else { codec };
        }
        let target = terms.config.compression.target(source);
        let magic = terms.config.record_magic;
        if target.codec == Codec::Zstd && !terms.config.zstd_allowed {
            let message = "Produce requests to inter.broker.protocol.version < 2.1 broker are not allowed to use \
                           ZStandard compression";
            return Err(AppendError::UnsupportedCompression { message: message.to_owned() });
        }
        if batches.len() > 1 && (first.magic == 2 || source != Codec::None) {
            return Err(invalid("Compressed outer record has more than one batch".to_owned()));
        }
        let in_place = match (source, target.codec) {
            (Codec::None, Codec::None) => batches.iter().all(|batch| batch.header.magic == magic),
            (Codec::None, _) if first.is_control() => true,
            (source, target) => source == target && first.magic == magic && magic > 0,
        };
        Ok(Plan { first, source, target, magic, in_place })
    }
}

/// Walks over records and collects what is wrong with them.
struct Checker<'a> {
    terms: &'a Terms<'a>,
    plan: Plan,
    errors: Vec<RecordError>,
    error_count: usize,
    bad_timestamp: bool,
    /// How far a timestamp may lie before and after now, milliseconds: asked for every record.
    before_max_ms: i64,
    after_max_ms: i64,
}

impl<'a> Checker<'a> {
    fn new(terms: &'a Terms<'a>, plan: Plan) -> Checker<'a> {
        Checker {
            terms,
            plan,
            errors: Vec::new(),
            error_count: 0,
            bad_timestamp: false,
            before_max_ms: terms.config.timestamp_before_max.map_or(i64::MAX, millis),
            after_max_ms: terms.config.timestamp_after_max.map_or(i64::MAX, millis),
        }
    }

    fn prepare(&mut self, batches: Vec<Batch>) -> Result<Vec<ReadyBatch>, AppendError> {
        let mut in_place = self.plan.in_place;
        let mut walks = Vec::with_capacity(batches.len());
        for batch in &batches {
            self.check_batch(&batch.header)?;
            let walk = if batch.header.magic == 2 { self.walk(batch)? } else { self.walk_messages(batch)? };
            self.verdict()?;
            in_place &= walk.is_consecutive;
            walks.push(walk);
        }
        if !in_place {
            let Plan { first, target, magic, .. } = self.plan;
            return convert::rebuild(&batches, Rebuild { first, target, magic, terms: self.terms });
        }
        batches.into_iter().zip(walks).map(|(batch, walk)| self.patched(batch, &walk)).collect()
    }

    fn patched(&self, batch: Batch, walk: &Walk) -> Result<ReadyBatch, AppendError> {
        let is_old = batch.header.magic < 2;
        let mut ready = ReadyBatch::untouched(batch).map_err(|error| self.terms.corrupt(error))?;
        if is_old {
            ready = ready.with_offsets(walk.count);
        }
        match self.terms.config.timestamp_type {
            TimestampType::LogAppendTime => ready.set_max_timestamp(TimestampType::LogAppendTime, self.terms.now_ms),
            TimestampType::CreateTime => ready.set_max_timestamp(TimestampType::CreateTime, walk.max_timestamp),
        }
        Ok(ready)
    }

    /// What the header alone tells (`LogValidator.validateBatch`).
    fn check_batch(&self, header: &BatchHeader) -> Result<(), AppendError> {
        let partition = self.terms.partition;
        if header.magic != self.plan.first.magic {
            return Err(invalid(format!(
                "Batch magic {} is not the same as the first batch's magic byte {} in topic partition {partition}",
                header.magic, self.plan.first.magic
            )));
        }
        if self.terms.origin == AppendOrigin::Client {
            self.check_client_batch(header)?;
        }
        let what = match self.plan.magic {
            2 => return Ok(()),
            _ if header.is_transactional() => "Transactional",
            _ if header.has_producer_id() => "Idempotent",
            _ => return Ok(()),
        };
        let message = format!("{what} records cannot be used with magic version {}", self.plan.magic);
        Err(AppendError::UnsupportedForMessageFormat { message })
    }

    fn check_client_batch(&self, header: &BatchHeader) -> Result<(), AppendError> {
        let partition = self.terms.partition;
        let (first, last, count) = (header.base_offset, header.last_offset(), header.record_count);
        let offsets = i64::from(header.last_offset_delta) + 1;
        let message = if header.magic == 2 && offsets <= 0 {
            format!("Batch has an invalid offset range: [{first}, {last}] in topic partition {partition}")
        } else if header.magic == 2 && count <= 0 {
            format!("Invalid reported count for record batch: {count} in topic partition {partition}")
        } else if header.magic == 2 && offsets != i64::from(count) {
            format!(
                "Inconsistent batch offset range [{first}, {last}] and count of records {count} in topic partition \
                 {partition}"
            )
        } else if header.is_control() {
            format!("Clients are not allowed to write control records in topic partition {partition}")
        } else if header.has_producer_id() && header.base_sequence < 0 {
            format!(
                "Invalid sequence number {} in record batch with producerId {} in topic partition {partition}",
                header.base_sequence, header.producer_id
            )
        } else {
            return Ok(());
        };
        Err(invalid(message))
    }

    /// Looks at the records of a batch of magic 2.
    fn walk(&mut self, batch: &Batch) -> Result<Walk, AppendError> {
        let (kind, base) = (batch.header.timestamp_type(), batch.header.base_offset);
        let is_partial = self.plan.in_place && self.plan.source != Codec::None;
        let mut walk = Walk::new();
        let walked = batch.for_each_shape(|shape| {
            walk.see(i64::from(shape.offset_delta), shape.timestamp);
            let offset = base.wrapping_add(i64::from(shape.offset_delta));
            let seen = Seen { index: shape.index, offset, timestamp: shape.timestamp, kind };
            self.check_record(seen, shape.key_len.is_some(), || describe(&shape, offset, is_partial));
        });
        walked.map_err(|error| self.terms.corrupt(error))?;
        Ok(walk)
    }

    /// Looks at a message of magic 0 or 1, or at those in a wrapper.
    fn walk_messages(&mut self, batch: &Batch) -> Result<Walk, AppendError> {
        let kind = batch.header.timestamp_type();
        // Single messages say nothing with their offset.
        let is_wrapper = self.plan.source != Codec::None;
        let mut walk = Walk::new();
        let terms = self.terms;
        let walked = legacy::for_each_message(batch, terms.memory, |message| {
            let offset = if is_wrapper && batch.header.magic > 0 { message.offset } else { walk.count };
            walk.see(offset, message.timestamp);
            self.check_message(&message, kind)
        });
        walked.map_err(|failed| failed.0.unwrap_or_else(|error| terms.corrupt(error)))?;
        Ok(walk)
    }

    fn check_message(&mut self, message: &Message<'_>, kind: TimestampType) -> Result<(), MessageError> {
        if message.is_compressed() && self.plan.source != Codec::None && message.is_inner() {
            return Err(invalid("Inner messages must not be compressed".to_owned()).into());
        }
        if !message.has_wrappers_magic {
            let (magic, partition) = (self.plan.first.magic, self.terms.partition);
            let text =
                format!("Record {message}'s magic does not match outer magic {magic} in topic partition {partition}");
            self.note(message.index, text);
            return Ok(());
        }
        message.check_crc()?;
        let seen = Seen { index: message.index, offset: message.offset, timestamp: message.timestamp, kind };
        self.check_record(seen, message.key.is_some(), || message.to_string());
        Ok(())
    }

    fn check_record(&mut self, record: Seen, has_key: bool, text: impl Fn() -> String) {
        let config = self.terms.config;
        if config.compact && !has_key {
            let partition = self.terms.partition;
            let text = format!("Compacted topic cannot accept message without key in topic partition {partition}");
            self.note(record.index, text);
        } else if config.timestamp_type == TimestampType::CreateTime && record.timestamp != NO_TIMESTAMP {
            self.check_timestamp(record);
        } else if record.kind == TimestampType::LogAppendTime {
            self.bad_timestamp = true;
            let text = format!(
                "Invalid timestamp type in message {}. Producer should not set timestamp type to LogAppendTime.",
                text()
            );
            self.note(record.index, text);
        }
    }

    fn check_timestamp(&mut self, record: Seen) {
        let (now, timestamp) = (self.terms.now_ms, record.timestamp);
        let (before, after) = (self.before_max_ms, self.after_max_ms);
        let age = now.saturating_sub(timestamp);
        if age > before || age.saturating_neg() > after {
            self.bad_timestamp = true;
            let text = format!(
                "Timestamp {timestamp} of message with offset {} is out of range. The timestamp should be within \
                 [{}, {}]",
                record.offset,
                now.wrapping_sub(before),
                now.wrapping_add(after)
            );
            self.note(record.index, text);
        }
    }

    fn note(&mut self, index: usize, message: String) {
        self.error_count += 1;
        if self.errors.len() < MAX_RECORD_ERRORS {
            self.errors.push(RecordError { batch_index: i32::try_from(index).unwrap_or(i32::MAX), message });
        }
    }

    /// What the records of a batch add up to (`LogValidator.processRecordErrors`).
    fn verdict(&mut self) -> Result<(), AppendError> {
        if self.error_count == 0 {
            return Ok(());
        }
        let record_errors = std::mem::take(&mut self.errors);
        if self.bad_timestamp {
            let message = "One or more records have been rejected due to invalid timestamp".to_owned();
            return Err(AppendError::InvalidTimestamp { message, record_errors });
        }
        let first: Vec<String> = record_errors.iter().take(3).map(ToString::to_string).collect();
        let message = format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first three \
             errors at most: [{}]",
            self.error_count,
            first.join(", ")
        );
        Err(AppendError::InvalidRecord { message, record_errors })
    }
}

/// What a walk over a batch found out.
struct Walk {
    count: i64,
    max_timestamp: i64,
    /// The offsets are 0, 1, 2, …
    is_consecutive: bool,
}

impl Walk {
    fn new() -> Walk {
        Walk { count: 0, max_timestamp: NO_TIMESTAMP, is_consecutive: true }
    }

    fn see(&mut self, offset: i64, timestamp: i64) {
        self.is_consecutive &= offset == self.count;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
    }
}

/// A record under judgement.
#[derive(Clone, Copy)]
struct Seen {
    index: usize,
    offset: i64,
    timestamp: i64,
    /// Of its batch.
    kind: TimestampType,
}

/// As Kafka prints a record of magic 2; `is_partial` when it reads no more than sizes.
fn describe(shape: &RecordShape, offset: i64, is_partial: bool) -> String {
    let (name, null) = if is_partial { ("PartialDefaultRecord", -1) } else { ("DefaultRecord", 0) };
    let len = |len: Option<usize>| len.map_or(null, |len| len as i64);
    format!(
        "{name}(offset={offset}, timestamp={}, key={} bytes, value={} bytes)",
        shape.timestamp,
        len(shape.key_len),
        len(shape.value_len)
    )
}

/// Ends a walk over messages: an answer, or damage that is yet to be told where.
struct MessageError(Result<AppendError, BatchError>);

impl From<BatchError> for MessageError {
    fn from(error: BatchError) -> MessageError {
        MessageError(Err(error))
    }
}

impl From<AppendError> for MessageError {
    fn from(error: AppendError) -> MessageError {
        MessageError(Ok(error))
    }
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
    // What is cut short behind it is left out as well.
    match BatchHeader::parse(records.get(header.size..).unwrap_or_default()) {
        Ok(second) if header.size + second.size <= records.len() => {
            only("are only allowed to contain exactly one record batch per partition")
        }
        _ => Ok(()),
    }
}

/// Checks what a follower fetched. Batches from a leader newer than `leader_epoch` are left out with all that follow.
pub(crate) fn prepare_for_follower(
    records: &Bytes,
    leader_epoch: i32,
    partition: &TopicPartition,
) -> Result<Prepared, AppendError> {
    let corrupt = |error| AppendError::CorruptRecord { error, partition: partition.clone() };
    let mut ready: Vec<ReadyBatch> = Vec::new();
    for batch in Batches::new(records.clone()) {
        let batch = batch.map_err(corrupt)?;
        if batch.header.leader_epoch > leader_epoch {
            tracing::info!(offset = batch.header.base_offset, "left out batches of a newer leader epoch");
            break;
        }
        let offset = batch.header.last_offset();
        if let Some(previous) = ready.last().map(|last| last.header.last_offset()).filter(|last| *last >= offset) {
            return Err(AppendError::OffsetsOutOfOrder { offset, previous });
        }
        batch.check_crc().map_err(corrupt)?;
        ready.push(ReadyBatch::untouched(batch).map_err(corrupt)?);
    }
    let first = ready.first().map(|batch| batch.header);
    let first_offset = first.filter(|first| first.magic == 2).map(|first| first.base_offset);
    Ok(Prepared { batches: ready, first_offset, log_append_time: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchBuilder;
    use crate::legacy::tests::message;

    fn batch(codec: Codec) -> Vec<u8> {
        let mut builder = BatchBuilder::new().compression(codec);
        builder.append(1, None, Some(b"v"), &[]);
        builder.build().unwrap().to_vec()
    }

    #[test]
    fn produce_versions_from_3_on_take_one_batch_of_magic_2() {
        let (one, zstd) = (batch(Codec::None), batch(Codec::Zstd));
        let two = [one.clone(), one.clone()].concat();
        let old = message(1, 0, 1, 0, None, b"x");
        let damaged = [&one[..16], &[9], &one[17..]].concat();
        let cases: [(&[u8], i16, &str); 12] = [
            (&one, 3, ""),
            (&two, 2, ""),
            (&old, 2, ""),
            (&zstd, 7, ""),
            (&damaged, 9, ""),
            (&two[..two.len() - 1], 9, ""),
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
