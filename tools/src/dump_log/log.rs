//! A segment: its batches, and on demand its records.

use std::fmt::Write;
use std::path::Path;

use bytes::{Buf, Bytes};
use storage::batch::{Batch, BatchError, Batches, ControlType, EndTransactionMarker, Record, TimestampType};
use storage::compression::{Codec, Lz4Checksum, decompress_all};
use storage::scan::{ScanError, Scanner};

use super::{Findings, Kind, Wanted, base_offset, unreadable};
use crate::error::ToolError;
use crate::progress::Progress;
use crate::terminal::Terminal;

/// Records of one batch may unpack to this much, as far as memory goes.
const UNPACKED: usize = 1 << 30;

pub fn dump(path: &Path, wanted: &Wanted, findings: &mut Findings, terminal: &mut Terminal) -> Result<(), ToolError> {
    terminal.line(&format!("Log starting offset: {}", base_offset(path)?))?;
    let file = terminal.disk.open_read(path).map_err(unreadable(path))?;
    let end = file.len().map_err(unreadable(path))?.min(wanted.max_bytes);
    let progress = Progress::bytes(terminal, end);
    let mut scanner = Scanner::new(file, 0, end);
    let mut last_offset = -1;
    let mut valid_bytes = 0;
    for step in scanner.by_ref() {
        let (position, batch) = match step {
            Ok(step) => step,
            Err(ScanError::Batch { error: BatchError::Truncated { .. }, .. }) => break,
            Err(error) => return Err(ToolError::Failed(format!("{}: {error}", path.display()))),
        };
        terminal.line(&batch_line(&batch, position)?)?;
        if wanted.deep {
            let records = batch.records(UNPACKED).map_err(|error| damaged(path, position, &error))?;
            let checksums = checksums(&batch).map_err(|error| damaged(path, position, &error))?;
            for (index, record) in records.iter().enumerate() {
                if last_offset != -1 && record.offset != last_offset + 1 {
                    findings.add(Kind::NonConsecutive, path, (last_offset, record.offset));
                }
                last_offset = record.offset;
                terminal.line(&record_line(&batch, record, checksums.get(index).copied(), wanted)?)?;
            }
        }
        valid_bytes = position + batch.header.size as u64;
        progress.at(valid_bytes);
    }
    let trailing = end.saturating_sub(valid_bytes);
    if trailing > 0 && wanted.max_bytes == i32::MAX as u64 {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        terminal.line(&format!("Found {trailing} invalid bytes at the end of {name}"))?;
    }
    Ok(())
}

fn damaged(path: &Path, position: u64, error: &BatchError) -> ToolError {
    ToolError::Failed(format!("{}: at position {position}: {error}", path.display()))
}

fn batch_line(batch: &Batch, position: u64) -> Result<String, ToolError> {
    let header = &batch.header;
    let mut line = if header.magic >= 2 {
        let horizon =
            header.delete_horizon_ms().map_or("OptionalLong.empty".to_owned(), |ms| format!("OptionalLong[{ms}]"));
        format!(
            "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
             partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon}",
            header.base_offset,
            header.last_offset(),
            header.record_count,
            header.base_sequence,
            header.last_sequence(),
            header.producer_id,
            header.producer_epoch,
            header.leader_epoch,
            header.is_transactional(),
            header.is_control(),
        )
    } else {
        format!("offset: {}", header.last_offset())
    };
    let codec = header.codec().map_err(|error| ToolError::Failed(format!("at position {position}: {error}")))?;
    let _ = write!(
        line,
        " position: {position} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
        timestamp_type(batch),
        header.max_timestamp,
        header.size,
        header.magic,
        codec.name(),
        header.crc,
        batch.check_crc().is_ok(),
    );
    Ok(line)
}

fn timestamp_type(batch: &Batch) -> &'static str {
    match (batch.header.magic, batch.header.timestamp_type()) {
        (0, _) => "NoTimestampType",
        (_, TimestampType::CreateTime) => "CreateTime",
        (_, TimestampType::LogAppendTime) => "LogAppendTime",
    }
}

fn record_line(batch: &Batch, record: &Record, checksum: Option<u32>, wanted: &Wanted) -> Result<String, ToolError> {
    let mut line = String::from("|");
    if wanted.metadata {
        metadata(&mut line, batch, record, checksum);
    }
    if wanted.contents && !batch.header.is_control() {
        if let Some(key) = &record.key {
            line.push_str(" key: ");
            line.push_str(&wanted.keys.text(key)?);
        }
        if let Some(value) = &record.value {
            line.push_str(" payload: ");
            line.push_str(&wanted.values.text(value)?);
        }
    }
    // Without metadata Kafka prints the bar only in front of a key.
    let bare = !wanted.metadata && (record.key.is_none() || !wanted.contents || batch.header.is_control());
    Ok(if bare { line.split_off(1) } else { line })
}

fn metadata(line: &mut String, batch: &Batch, record: &Record, checksum: Option<u32>) {
    let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64);
    let header = &batch.header;
    let _ = write!(
        line,
        " offset: {} {}: {} keySize: {} valueSize: {}",
        record.offset,
        timestamp_type(batch),
        record.timestamp,
        size(&record.key),
        size(&record.value),
    );
    if header.magic >= 2 {
        let keys: Vec<_> = record.headers.iter().map(|header| String::from_utf8_lossy(&header.key)).collect();
        let _ = write!(line, " sequence: {} headerKeys: [{}]", record.sequence, keys.join(","));
    } else if let Some(checksum) = checksum {
        // The closing brace is Kafka's slip. Damage inside a compressed message would have ended the walk.
        let valid = header.codec().is_ok_and(|codec| codec != Codec::None) || batch.check_crc().is_ok();
        let _ = write!(line, " isValid: {valid} crc: {checksum}}}");
    }
    if header.is_control() {
        control(line, record);
    }
}

/// The checksums that messages of formats 0 and 1 have each, also inside a compressed one.
fn checksums(batch: &Batch) -> Result<Vec<u32>, BatchError> {
    let header = &batch.header;
    match (header.magic, header.codec()?) {
        (0 | 1, Codec::None) => Ok(vec![header.crc]),
        (magic @ (0 | 1), codec) => {
            let lz4 = if magic == 0 { Lz4Checksum::Magic0 } else { Lz4Checksum::Standard };
            let unpacked = decompress_all(codec, wrapped(batch), lz4, UNPACKED);
            let unpacked = unpacked
                .map_err(|error| BatchError::BadCompression { codec: codec.name(), what: error.to_string() })?;
            Batches::new(unpacked).map(|inner| inner.map(|inner| inner.header.crc)).collect()
        }
        _ => Ok(Vec::new()),
    }
}

/// The value of a compressed message: behind offset, size, checksum, magic, attributes, the timestamp of format 1, and
/// the key.
fn wrapped(batch: &Batch) -> Bytes {
    let mut rest = batch.bytes.slice(18.min(batch.bytes.len())..);
    if batch.header.magic == 1 {
        rest.advance(8.min(rest.len()));
    }
    let key = usize::try_from(rest.try_get_i32().unwrap_or(-1)).unwrap_or(0);
    rest.advance(key.min(rest.len()));
    let value = usize::try_from(rest.try_get_i32().unwrap_or(-1)).unwrap_or(0);
    rest.truncate(value);
    rest
}

fn control(line: &mut String, record: &Record) {
    let marker = EndTransactionMarker::from_record(record);
    let _ = match marker {
        Some(marker) => {
            let kind = match marker.control_type {
                ControlType::Abort => "ABORT",
                ControlType::Commit => "COMMIT",
            };
            write!(line, " endTxnMarker: {kind} coordinatorEpoch: {}", marker.coordinator_epoch)
        }
        None => {
            let id = record.key.as_deref().and_then(|key| key.get(2..4)).and_then(|id| id.first_chunk().copied());
            let id = id.map_or(-1, i16::from_be_bytes);
            write!(line, " controlType: {}({id})", control_type(id))
        }
    };
}

/// Kinds of control records that only KRaft writes.
fn control_type(id: i16) -> &'static str {
    match id {
        2 => "LEADER_CHANGE",
        3 => "SNAPSHOT_HEADER",
        4 => "SNAPSHOT_FOOTER",
        5 => "KRAFT_VERSION",
        6 => "KRAFT_VOTERS",
        _ => "UNKNOWN",
    }
}
