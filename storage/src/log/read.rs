//! Reading: slices for fetches, and lookups for ListOffsets. Takes no lock that an append holds while it writes.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use world::DiskFile;
use zk_paths::ids::{LeaderEpoch, Offset};

use super::Log;
use crate::access::Access;
use crate::error::StorageError;
use crate::segment::{RecordAt, Segment};
use crate::tail::Sighting;
use crate::txn_index::AbortedTxn;

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// OFFSET_OUT_OF_RANGE.
    #[error("offset {offset} is not within {log_start_offset}..={log_end_offset}")]
    OutOfRange {
        /// Wanted.
        offset: Offset,
        /// Where the log starts.
        log_start_offset: Offset,
        /// Where it ends.
        log_end_offset: Offset,
    },
    /// The disk failed, or what it holds is no batch.
    #[error(transparent)]
    Fault(#[from] StorageError),
}

/// A part of a segment's file: whole batches, the last perhaps cut short. No byte of it has been read. It stays readable
/// while this handle lives, whatever happens to the log.
#[derive(Debug, Clone)]
pub struct FetchSlice {
    /// The segment's file.
    pub file: Arc<dyn DiskFile>,
    /// Where the slice begins in it.
    pub position: u64,
    /// Bytes.
    pub len: usize,
    /// First offset of the segment.
    pub segment_base_offset: Offset,
}

impl FetchSlice {
    /// Reads the slice into memory, for those who look at records themselves.
    pub fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.len];
        let read = self.file.read_at(&mut bytes, self.position)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }
}

/// What a read found.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// `None`: there is nothing below the limit yet, or the first batch is larger than allowed.
    pub slice: Option<FetchSlice>,
    /// The first batch is larger than the bytes that were asked for, and one whole batch was not demanded.
    pub first_batch_too_large: bool,
}

const NOTHING: Fetched = Fetched { slice: None, first_batch_too_large: false };

/// An answer to ListOffsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Of the record; -1 for the log's ends.
    pub timestamp: i64,
    /// Of the record.
    pub offset: Offset,
    /// That wrote it, if known.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Log {
    /// Finds the bytes from the batch that holds `from` on, at most `max_bytes` and none of a batch that reaches
    /// `max_offset` (high watermark, last stable offset or log end: whatever the reader may see). With
    /// `min_one_message` the first batch is always whole, however large.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        max_offset: Offset,
        min_one_message: bool,
    ) -> Result<Fetched, ReadError> {
        self.check_online()?;
        let sighting = self.tail.sight(from.0, max_offset.0);
        let log_start_offset = self.log_start_offset();
        if from < log_start_offset || from.0 > sighting.end_offset {
            let log_end_offset = Offset(sighting.end_offset);
            return Err(ReadError::OutOfRange { offset: from, log_start_offset, log_end_offset });
        }
        if from.0 >= max_offset.0.min(sighting.end_offset) {
            return Ok(NOTHING);
        }
        let read = |segments: &[Arc<Segment>]| {
            read_below(segments, from.0, max_bytes, max_offset.0, min_one_message, &sighting)
        };
        Ok(self.with_segments(read)?)
    }

    /// Whether finding the batch that holds `from` has to wait for the disk. Consumers that follow the log are answered from
    /// memory; for others the page cache is asked.
    pub fn is_cold(&self, from: Offset) -> bool {
        let sighting = self.tail.sight(from.0, i64::MAX);
        if sighting.start.is_some() || from.0 >= sighting.end_offset || from < self.log_start_offset() {
            return false;
        }
        let segments = self.segments.load();
        let floor = segments.partition_point(|segment| segment.base_offset <= from.0).saturating_sub(1);
        let found = segments.get(floor).map(|segment| segment.find_with(from.0, Access::PageCache));
        matches!(found, Some(Err(StorageError::Io { source, .. })) if source.kind() == io::ErrorKind::WouldBlock)
    }

    /// Brings into the page cache what [`Log::read`] will look at to find that batch. Waits for the disk; what is wrong with
    /// it the read will say.
    pub fn warm(&self, from: Offset) {
        if let Ok(Fetched { slice: Some(slice), .. }) = self.read(from, 1, self.log_end_offset(), true) {
            let _ = self.aborted_transactions(from, &slice);
        }
    }

    /// Reads with the list of segments. A segment that is not found was deleted since the list was taken, if there is
    /// another list by now, and that one is tried then; else the disk has failed.
    fn with_segments<T>(&self, read: impl Fn(&[Arc<Segment>]) -> Result<T, StorageError>) -> Result<T, StorageError> {
        loop {
            let segments = self.segments.load_full();
            match read(&segments) {
                Err(StorageError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && !Arc::ptr_eq(&segments, &self.segments.load()) => {}
                outcome => return self.context.health.watch(outcome),
            }
        }
    }

    /// The aborted transactions that a read-committed consumer of `slice` must know, `from` being what it asked for.
    pub fn aborted_transactions(&self, from: Offset, slice: &FetchSlice) -> Result<Vec<AbortedTxn>, StorageError> {
        let segments = self.segments.load();
        let base = slice.segment_base_offset.0;
        let number = segments.partition_point(|segment| segment.base_offset <= base).saturating_sub(1);
        let Some(segment) = segments.get(number) else { return Ok(Vec::new()) };
        // A segment that was cleaned meanwhile tells nothing of positions in the old file; more transactions than the
        // slice touches do no harm.
        let is_same = Arc::ptr_eq(&segment.file()?, &slice.file);
        let indexed = if is_same { segment.offset_index.upper_bound(slice.position + slice.len as u64)? } else { None };
        let next_base = segments.get(number + 1).filter(|_| is_same).map(|next| next.base_offset);
        let upper_bound = indexed.map(|entry| entry.offset).or(next_base).unwrap_or(self.log_end_offset().0);
        let mut found = Vec::new();
        for segment in segments.iter().skip(number) {
            if segment.txn_index.collect(from.0, upper_bound, &mut found)? {
                break;
            }
        }
        Ok(found)
    }

    /// ListOffsets, earliest: the log start offset. Its epoch is the first one if that begins there or before.
    pub fn earliest_offset(&self) -> TimestampOffset {
        let offset = self.log_start_offset();
        let epoch = self.epochs().earliest().filter(|(_, start)| *start <= offset);
        TimestampOffset { timestamp: -1, offset, leader_epoch: epoch.map(|(epoch, _)| epoch) }
    }

    /// ListOffsets, latest: the log end offset. Who may only see less takes the high watermark or last stable offset.
    pub fn latest_offset(&self) -> TimestampOffset {
        TimestampOffset { timestamp: -1, offset: self.log_end_offset(), leader_epoch: self.latest_epoch() }
    }

    /// ListOffsets, by time: the first record with this timestamp or a later one.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampOffset>, StorageError> {
        self.check_online()?;
        let from = self.log_start_offset().0;
        self.with_segments(|segments| {
            for segment in segments {
                if segment.largest_or_modified_ms()? >= timestamp {
                    return Ok(segment.find_by_timestamp(timestamp, from)?.map(answer));
                }
            }
            Ok(None)
        })
    }

    /// ListOffsets v0, at most `limit` offsets, largest first: of each segment that was last written at or before
    /// `written_by_ms` its first offset (or the log start offset within it), and the log end as if written right now
    /// (`UnifiedLog.legacyFetchOffsetsBefore`). A time beyond all asks for all of them.
    pub fn offsets_written_by(&self, written_by_ms: i64, limit: usize) -> Result<Vec<Offset>, StorageError> {
        self.check_online()?;
        let segments = self.segments.load();
        let is_written = segments.last().is_some_and(|active| active.size() > 0);
        let mut offsets = Vec::new();
        if is_written && limit > 0 && self.context.clock.now_ms() <= written_by_ms {
            offsets.push(self.log_end_offset());
        }
        // Who is not asked for the newest ones only counts back from the newest segment that is old enough.
        let mut old_enough = !offsets.is_empty();
        for segment in segments.iter().rev() {
            if offsets.len() >= limit {
                break;
            }
            old_enough = old_enough || segment.modified_ms()? <= written_by_ms;
            if old_enough {
                offsets.push(Offset(segment.base_offset).max(self.log_start_offset()));
            }
        }
        Ok(offsets)
    }

    /// ListOffsets, max timestamp (KIP-734): the record with the largest timestamp.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<TimestampOffset>, StorageError> {
        self.check_online()?;
        self.with_segments(|segments| {
            let mut best: Option<(i64, &Arc<Segment>)> = None;
            for segment in segments {
                let largest = segment.largest_timestamp()?.timestamp;
                if best.is_none_or(|(timestamp, _)| largest > timestamp) {
                    best = Some((largest, segment));
                }
            }
            Ok(best.map(|(_, segment)| segment.find_largest_timestamp()).transpose()?.flatten().map(answer))
        })
    }
}

fn read_below(
    segments: &[Arc<Segment>],
    from: i64,
    max_bytes: usize,
    max_offset: i64,
    min_one_message: bool,
    sighting: &Sighting,
) -> Result<Fetched, StorageError> {
    let floor = segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
    // Compaction may leave nothing of a segment at or behind an offset; then the next one has it.
    for (number, segment) in segments.iter().enumerate().skip(floor) {
        if segment.base_offset >= max_offset {
            break;
        }
        let Some((position, first_end)) = find_start(segment, from, sighting)? else { continue };
        let next_base = segments.get(number + 1).map(|next| next.base_offset);
        let limit = find_limit(segment, next_base, max_offset, sighting)?;
        return slice(segment, position, first_end, limit, max_bytes, min_one_message);
    }
    Ok(NOTHING)
}

fn answer(record: RecordAt) -> TimestampOffset {
    let leader_epoch = (record.leader_epoch >= 0).then_some(LeaderEpoch(record.leader_epoch));
    TimestampOffset { timestamp: record.timestamp, offset: Offset(record.offset), leader_epoch }
}

/// Where the batch with `from` begins and ends.
fn find_start(segment: &Segment, from: i64, sighting: &Sighting) -> Result<Option<(u64, u64)>, StorageError> {
    if segment.base_offset == sighting.segment_base && sighting.start.is_some() {
        return Ok(sighting.start);
    }
    let found = segment.find(from)?;
    Ok(found.map(|found| (found.position, found.position + found.header.size as u64)))
}

/// Where in the segment the batches that a reader may see end.
fn find_limit(
    segment: &Segment,
    next_base: Option<i64>,
    max_offset: i64,
    sighting: &Sighting,
) -> Result<u64, StorageError> {
    let is_tail = segment.base_offset == sighting.segment_base;
    if is_tail && let Some(limit) = sighting.limit {
        return Ok(limit);
    }
    let end = if is_tail { sighting.end_position } else { segment.size() };
    // The list may be older than the tail: then the tail's segment is the next one.
    let next_base = next_base.or((sighting.segment_base > segment.base_offset).then_some(sighting.segment_base));
    if next_base.is_some_and(|next| next <= max_offset) {
        return Ok(end);
    }
    Ok(segment.find(max_offset)?.map_or(end, |found| found.position.min(end)))
}

fn slice(
    segment: &Segment,
    position: u64,
    first_end: u64,
    limit: u64,
    max_bytes: usize,
    min_one_message: bool,
) -> Result<Fetched, StorageError> {
    // Also when the limit lies within the first batch: such a batch may not be seen yet.
    if first_end > limit {
        return Ok(NOTHING);
    }
    let first = (first_end - position) as usize;
    if first > max_bytes && !min_one_message {
        return Ok(Fetched { slice: None, first_batch_too_large: true });
    }
    let len = usize::try_from(limit - position).unwrap_or(usize::MAX).min(max_bytes.max(first));
    let segment_base_offset = Offset(segment.base_offset);
    let slice = FetchSlice { file: segment.file()?, position, len, segment_base_offset };
    Ok(Fetched { slice: Some(slice), first_batch_too_large: false })
}
