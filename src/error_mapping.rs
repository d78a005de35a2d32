//! What our own errors are on the wire: one exhaustive `match` per source, without a catch-all arm, so that a new variant
//! does not compile until somebody has decided.

use storage::batch::BatchError;
use storage::convert::{ConvertError, DownConversionError};
use storage::memory::NoRoom;
use storage::producer_state::ProducerError;
use storage::{AppendError, ReadError, StorageError};
use tracing::error;
use wire::ErrorCode;
use zk_paths::ids::TopicPartition;

use crate::replica::partition::AppendRefused;

/// A refused append.
pub fn append_refused(error: &AppendError) -> AppendRefused {
    let (code, records) = match error {
        AppendError::CorruptRecord { error, .. } => (damaged(error), None),
        AppendError::MessageTooLarge { .. } => (ErrorCode::MessageTooLarge, None),
        AppendError::BatchTooLarge { .. } => (ErrorCode::RecordListTooLarge, None),
        AppendError::InvalidRecord { record_errors, .. } => (ErrorCode::InvalidRecord, Some(record_errors)),
        AppendError::InvalidTimestamp { record_errors, .. } => (ErrorCode::InvalidTimestamp, Some(record_errors)),
        AppendError::UnsupportedCompression { .. } => (ErrorCode::UnsupportedCompressionType, None),
        AppendError::UnsupportedForMessageFormat { .. } => (ErrorCode::UnsupportedForMessageFormat, None),
        AppendError::Producer(producer) => (producer_error(producer), None),
        AppendError::UnexpectedOffset { .. } | AppendError::OffsetsOutOfOrder { .. } => {
            (ErrorCode::UnknownServerError, None)
        }
        AppendError::Fault(_) => (ErrorCode::KafkaStorageError, None),
    };
    let records = records.into_iter().flatten().map(|record| (record.batch_index, record.message.clone()));
    AppendRefused { records: records.collect(), ..AppendRefused::of(code, error.to_string()) }
}

/// A batch that is none, or not what it says.
fn damaged(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::BadRecord { .. } => ErrorCode::InvalidRecord,
        // In Kafka these are exceptions that no error code belongs to. Retries would not help.
        BatchError::BadCodec(_) | BatchError::BadCompression { .. } => ErrorCode::UnknownServerError,
        BatchError::NoRoom(NoRoom::Never { .. }) => ErrorCode::MessageTooLarge,
        // Retriable in every version, and nothing was appended.
        BatchError::NoRoom(NoRoom::Now { .. }) => ErrorCode::NotEnoughReplicas,
        BatchError::Truncated { .. }
        | BatchError::BadLength(_)
        | BatchError::BadMagic(_)
        | BatchError::BadCrc { .. } => ErrorCode::CorruptMessage,
    }
}

/// What an idempotent or transactional producer did wrong.
fn producer_error(error: &ProducerError) -> ErrorCode {
    match error {
        ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        ProducerError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        ProducerError::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
        ProducerError::TransactionCoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        ProducerError::BadControl(_) => ErrorCode::InvalidRecord,
    }
}

/// A refused read; a fault is logged here, where it ends.
pub fn read_refused(partition: &TopicPartition, error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Fault(fault) => storage_failed(partition, fault),
    }
}

/// Records that an old consumer cannot have.
pub fn conversion_refused(partition: &TopicPartition, error: &DownConversionError) -> ErrorCode {
    let code = match error {
        DownConversionError::Convert(ConvertError::Zstd) => return ErrorCode::UnsupportedCompressionType,
        DownConversionError::Convert(ConvertError::Batch(damage)) => damaged(damage),
        DownConversionError::Convert(ConvertError::Codec(_)) => ErrorCode::UnknownServerError,
        DownConversionError::Read(_) => ErrorCode::KafkaStorageError,
    };
    error!(%partition, "records cannot be converted for an old consumer: {error}");
    code
}

/// A fault of the disk; logged here, where it ends.
pub fn storage_failed(partition: &TopicPartition, fault: &StorageError) -> ErrorCode {
    error!(%partition, "the log cannot be read: {fault}");
    match fault {
        // The rest of the log can be read, and of the directory.
        StorageError::Damaged { .. } => ErrorCode::CorruptMessage,
        StorageError::Io { .. } | StorageError::Offline { .. } => ErrorCode::KafkaStorageError,
    }
}
