//! Offset and time indexes, and whether they fit their log.
//!
//! ```text
//! offset index   offset minus base offset 4 | position 4
//! time index     timestamp 8 | offset minus base offset 4
//! ```
//!
//! The index of an active segment is preallocated with zeros: an entry of the base offset behind the first one ends it.

use std::path::Path;
use std::sync::Arc;

use storage::batch::{BatchHeader, HEADER_SIZE, NO_TIMESTAMP};
use storage::scan::Scanner;
use world::DiskFile;

use super::{Findings, Kind, Wanted, base_offset, sibling, unreadable};
use crate::error::ToolError;
use crate::terminal::Terminal;

const OFFSET_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;
/// `log.index.size.max.bytes` is 10 MiB; no index comes near.
const MAX_INDEX: u64 = 1 << 31;
/// Records of one batch may unpack to this much, as far as memory goes.
const UNPACKED: usize = 1 << 30;

/// An offset index's entries.
#[derive(Debug)]
struct OffsetIndex {
    base: i64,
    /// Length of the file.
    bytes: usize,
    /// Offset and position.
    entries: Vec<(i64, u64)>,
}

/// A time index's entries.
#[derive(Debug)]
struct TimeIndex {
    base: i64,
    /// Length of the file.
    bytes: usize,
    /// Timestamp and offset.
    entries: Vec<(i64, i64)>,
}

pub fn dump_offsets(
    path: &Path,
    wanted: &Wanted,
    findings: &mut Findings,
    terminal: &mut Terminal,
) -> Result<(), ToolError> {
    let log = open_log(path, terminal)?;
    let index = OffsetIndex::read(path, terminal)?;
    if index.entries.is_empty() {
        return terminal.line(&format!("{} is empty.", path.display()));
    }
    if wanted.sanity_only {
        index.sanity_check(path)?;
        return terminal.line(&format!("{} passed sanity check.", path.display()));
    }
    for (number, (offset, position)) in index.entries.iter().enumerate() {
        if *offset == index.base && number > 0 {
            return Ok(());
        }
        let found = batch_at(&log, *position, wanted.max_message_size).map_err(|what| {
            let log = sibling(path, "log");
            ToolError::Failed(format!("{}: no batch at position {position}: {what}", log.display()))
        })?;
        if found.last_offset() != *offset {
            findings.add(Kind::IndexMismatch, path, (*offset, found.last_offset()));
        }
        if !wanted.verify_only {
            terminal.line(&format!("offset: {offset} position: {position}"))?;
        }
    }
    Ok(())
}

pub fn dump_times(
    path: &Path,
    wanted: &Wanted,
    findings: &mut Findings,
    terminal: &mut Terminal,
) -> Result<(), ToolError> {
    let log = open_log(path, terminal)?;
    let index = OffsetIndex::read(&sibling(path, "index"), terminal)?;
    let times = TimeIndex::read(path, terminal)?;
    if wanted.sanity_only {
        times.sanity_check(path)?;
        return terminal.line(&format!("{} passed sanity check.", path.display()));
    }
    let mut previous = NO_TIMESTAMP;
    for (number, (timestamp, offset)) in times.entries.iter().enumerate() {
        if *offset == times.base && number > 0 {
            return Ok(());
        }
        match batch_with(&log, index.lookup(*offset), *offset)
            .map_err(|what| ToolError::Failed(format!("{}: {what}", sibling(path, "log").display())))?
        {
            None => findings.add(Kind::OffsetNotFound, path, (*offset, -1)),
            Some((last, _)) if last != *offset => findings.add(Kind::OffsetNotFound, path, (*offset, last)),
            Some((_, largest)) => {
                if largest != *timestamp {
                    findings.add(Kind::TimestampMismatch, path, (*timestamp, largest));
                }
                if previous >= *timestamp {
                    findings.add(Kind::TimestampOrder, path, (*timestamp, previous));
                }
            }
        }
        if !wanted.verify_only {
            terminal.line(&format!("timestamp: {timestamp} offset: {offset}"))?;
        }
        previous = *timestamp;
    }
    Ok(())
}

fn open_log(index: &Path, terminal: &Terminal) -> Result<Arc<dyn DiskFile>, ToolError> {
    let log = sibling(index, "log");
    terminal.disk.open_read(&log).map_err(unreadable(&log))
}

/// The header of the batch at a position.
fn batch_at(log: &Arc<dyn DiskFile>, position: u64, max_size: usize) -> Result<BatchHeader, String> {
    let mut bytes = [0; HEADER_SIZE];
    let read = log.read_at(&mut bytes, position).map_err(|error| error.to_string())?;
    let header = BatchHeader::parse(bytes.get(..read).unwrap_or_default()).map_err(|error| error.to_string())?;
    if header.size > max_size {
        return Err(format!("it has {} bytes, more than --max-message-size {max_size}", header.size));
    }
    let have = log.len().map_err(|error| error.to_string())?.saturating_sub(position);
    if header.size as u64 > have {
        return Err(format!("it has {} bytes, of which {have} are there", header.size));
    }
    Ok(header)
}

/// Last offset and largest timestamp of the first batch, from a position on, that ends at or behind an offset.
fn batch_with(log: &Arc<dyn DiskFile>, position: u64, offset: i64) -> Result<Option<(i64, i64)>, String> {
    let end = log.len().map_err(|error| error.to_string())?;
    for step in Scanner::new(log.clone(), position, end) {
        let (position, batch) = match step {
            Ok(step) => step,
            // What the writer did not finish is no batch.
            Err(_) => return Ok(None),
        };
        if batch.header.last_offset() >= offset {
            let records = batch.records(UNPACKED).map_err(|error| format!("at position {position}: {error}"))?;
            let largest = records.iter().map(|record| record.timestamp).max().unwrap_or(NO_TIMESTAMP);
            return Ok(Some((batch.header.last_offset(), largest)));
        }
    }
    Ok(None)
}

impl OffsetIndex {
    fn read(path: &Path, terminal: &Terminal) -> Result<OffsetIndex, ToolError> {
        let (base, bytes) = (base_offset(path)?, read(path, terminal)?);
        let entry = |entry: &[u8]| {
            let (offset, position) = entry.split_at_checked(4)?;
            let offset = i64::from(i32::from_be_bytes(*offset.first_chunk()?));
            Some((base + offset, u64::from(u32::from_be_bytes(*position.first_chunk()?))))
        };
        let entries = bytes.chunks_exact(OFFSET_ENTRY).filter_map(entry).collect();
        Ok(OffsetIndex { base, bytes: bytes.len(), entries })
    }

    /// Where to look for an offset: the position of the largest entry that is not above it.
    fn lookup(&self, offset: i64) -> u64 {
        // Behind the last entry of an active segment lie zeros, which are in no order.
        let sorted = self.entries.iter().enumerate().take_while(|(number, (of, _))| *number == 0 || *of > self.base);
        sorted.map(|(_, entry)| entry).take_while(|(of, _)| *of <= offset).last().map_or(0, |(_, position)| *position)
    }

    fn sanity_check(&self, path: &Path) -> Result<(), ToolError> {
        let file = absolute(path);
        let last = self.entries.last().map_or(self.base, |(offset, _)| *offset);
        if last < self.base {
            return Err(ToolError::Failed(format!(
                "Corrupt index found, index file {file} has non-zero size but the last offset is {last} which is less \
                 than the base offset {}",
                self.base
            )));
        }
        check_length(self.bytes, OFFSET_ENTRY, "Index file", &file)
    }
}

impl TimeIndex {
    fn read(path: &Path, terminal: &Terminal) -> Result<TimeIndex, ToolError> {
        let (base, bytes) = (base_offset(path)?, read(path, terminal)?);
        let entry = |entry: &[u8]| {
            let (timestamp, offset) = entry.split_at_checked(8)?;
            let offset = i64::from(i32::from_be_bytes(*offset.first_chunk()?));
            Some((i64::from_be_bytes(*timestamp.first_chunk()?), base + offset))
        };
        let entries = bytes.chunks_exact(TIME_ENTRY).filter_map(entry).collect();
        Ok(TimeIndex { base, bytes: bytes.len(), entries })
    }

    fn sanity_check(&self, path: &Path) -> Result<(), ToolError> {
        let file = absolute(path);
        let corrupt = |what: String| {
            Err(ToolError::Failed(format!(
                "Corrupt time index found, time index file ({file}) has non-zero size but the last {what}"
            )))
        };
        let (first, last) = (self.entries.first(), self.entries.last());
        if let (Some((first, _)), Some((last, offset))) = (first, last) {
            if last < first {
                return corrupt(format!("timestamp is {last} which is less than the first timestamp {first}"));
            }
            if *offset < self.base {
                return corrupt(format!("offset is {offset} which is less than the first offset {}", self.base));
            }
        }
        check_length(self.bytes, TIME_ENTRY, "Time index file", &file)
    }
}

fn read(path: &Path, terminal: &Terminal) -> Result<Vec<u8>, ToolError> {
    terminal.disk.read_all(path, MAX_INDEX).map_err(unreadable(path))
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn check_length(bytes: usize, entry: usize, what: &str, file: &str) -> Result<(), ToolError> {
    if bytes.is_multiple_of(entry) {
        return Ok(());
    }
    Err(ToolError::Failed(format!(
        "{what} {file} is corrupt, found {bytes} bytes which is neither positive nor a multiple of {entry}"
    )))
}
