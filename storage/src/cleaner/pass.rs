//! One cleaning of one log: the newest offset of every key in the dirty part goes into a map, then all segments up to where
//! the map reaches are written anew without what the map makes superfluous. Rules: Kafka's `Cleaner`.
//!
//! Every batch's checksum is looked at on the way: a broken one is never copied under a new checksum, it ends the
//! cleaning and makes the log uncleanable.

use std::sync::Arc;

use super::offset_map::{KeyHash, MapLimits, OffsetMap};
use super::output::Output;
use super::plan::{Cleanable, group_segments};
use super::retain::{Fate, LastRecord, Round};
use super::rewrite::{Rewriter, UNPACK_LIMIT, unpack};
use super::stats::CleanerStats;
use super::transactions::{Control, Transactions};
use crate::batch::{Batch, BatchError, RawRecords};
use crate::error::StorageError;
use crate::log::{CleaningTurn, Log};
use crate::log_config::{LogConfig, millis};
use crate::segment::Segment;

/// Why a cleaning ended without its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum CleanError {
    /// The log was changed meanwhile, or the broker stops.
    #[error("called off")]
    Aborted,
    /// The log holds something that cannot be cleaned, or the disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What a pass needs of the cleaner that runs it.
pub(super) trait Pace {
    /// Notes bytes read or written; waits if they were too many.
    fn note_io(&self, bytes: u64, turn: &CleaningTurn);
    /// The time since some fixed moment.
    fn monotonic(&self) -> std::time::Duration;
    /// Whether all cleaners shall end.
    fn is_stopping(&self) -> bool;
}

/// One cleaning.
pub(super) struct Pass<'a> {
    pub(super) turn: &'a CleaningTurn,
    pub(super) cleanable: Cleanable,
    pub(super) limits: MapLimits,
    /// Bytes that are read, or written, at a time; larger batches are read whole.
    pub(super) io_buffer: usize,
    pub(super) now_ms: i64,
    pub(super) pace: &'a dyn Pace,
    pub(super) stats: CleanerStats,
    /// Keys of the batch at hand, with their offsets.
    pub(super) hashes: Vec<(KeyHash, i64)>,
    /// Bytes read or written that [`Pace::note_io`] has not heard of yet.
    pub(super) unpaced: u64,
}

impl Pass<'_> {
    /// Cleans. Answers the first offset that is not clean now.
    pub(super) fn run(&mut self) -> Result<i64, CleanError> {
        let begun = self.pace.monotonic();
        let log = self.turn.log().clone();
        let config = log.config();
        let legacy_horizon_ms = self.legacy_horizon_ms(&log, &config)?;
        let map = self.build_map(&log)?;
        self.stats.elapsed_index = self.pace.monotonic().saturating_sub(begun);
        let end_offset = map.latest_offset.saturating_add(1);
        let segments = log.closed_segments_below(end_offset);
        let sizes = Log::sizes_of(&segments)?;
        let (bytes, index_bytes) = (config.segment_bytes, config.segment_index_bytes as u64);
        let groups = group_segments(&sizes, bytes, index_bytes, self.cleanable.first_uncleanable);
        let mut job = Job {
            map: &map,
            transactions: Transactions::default(),
            legacy_horizon_ms,
            tombstone_horizon_ms: self.now_ms.saturating_add(millis(config.delete_retention)),
            max_message_bytes: config.max_message_bytes,
            rewriter: Rewriter::default(),
            buffer: Vec::with_capacity(self.io_buffer),
        };
        for group in groups {
            self.clean_group(&log, segments.get(group).unwrap_or_default(), &mut job)?;
        }
        self.stats.buffer_utilization = map.utilization();
        self.stats.elapsed = self.pace.monotonic().saturating_sub(begun);
        Ok(end_offset)
    }

    /// Tombstones of formats 0 and 1 may go from segments that were last changed at this time or before.
    fn legacy_horizon_ms(&self, log: &Log, config: &LogConfig) -> Result<i64, StorageError> {
        match log.closed_segments_below(self.cleanable.first_dirty).last() {
            Some(newest_clean) => Ok(newest_clean.modified_ms()?.saturating_sub(millis(config.delete_retention))),
            None => Ok(0),
        }
    }

    /// Tells of the bytes read or written once they are worth it.
    fn note_io(&mut self, bytes: usize) {
        self.unpaced += bytes as u64;
        if self.unpaced >= self.io_buffer as u64 {
            self.pace.note_io(std::mem::take(&mut self.unpaced), self.turn);
        }
    }

    fn check_aborted(&self) -> Result<(), CleanError> {
        if self.turn.is_aborted() || self.pace.is_stopping() { Err(CleanError::Aborted) } else { Ok(()) }
    }

    /// Maps the dirty part from its start, as far as the map's memory goes.
    fn build_map(&mut self, log: &Log) -> Result<OffsetMap, CleanError> {
        let Cleanable { first_dirty: start, first_uncleanable: end, .. } = self.cleanable;
        let mut map = OffsetMap::new(self.limits, end.saturating_sub(start).max(0) as u64);
        let below = log.closed_segments_below(end);
        let first = below.partition_point(|segment| segment.base_offset <= start).saturating_sub(1);
        let dirty = below.get(first..).unwrap_or_default();
        let mut transactions = Transactions::default();
        // Not those of the first segment that ended before `start`, as in Kafka: their markers will not be met, and their
        // producers' next transactions would count as aborted.
        transactions.add_aborted(log.aborted_between(start, end)?);
        let (partition, count) = (log.partition(), dirty.len());
        tracing::debug!(
            "Building offset map for log {partition} for {count} segments in offset range [{start}, {end})."
        );
        for (number, segment) in dirty.iter().enumerate() {
            let next_base = dirty.get(number + 1).map_or(end, |next| next.base_offset);
            if !self.map_segment(segment, start, &mut map, &mut transactions)? {
                let base = segment.base_offset;
                tracing::debug!(
                    "Offset map is full, {number} segments fully mapped, segment with base offset {base} is partially mapped"
                );
                break;
            }
            // Offsets may be missing at its end.
            map.latest_offset = next_base - 1;
        }
        tracing::debug!("Offset map for log {partition} complete.");
        Ok(map)
    }

    /// `false`: the map is full.
    fn map_segment(
        &mut self,
        segment: &Segment,
        start: i64,
        map: &mut OffsetMap,
        transactions: &mut Transactions,
    ) -> Result<bool, CleanError> {
        let position = segment.find(start)?.map_or(segment.size(), |found| found.position);
        for item in segment.scan(position)?.with_chunk(self.io_buffer) {
            self.check_aborted()?;
            let (position, batch) = item.map_err(|error| segment.scan_error(error))?;
            self.stats.map_bytes_read += batch.header.size as u64;
            self.note_io(batch.header.size);
            let mapped = batch.check_crc().and_then(|()| self.map_batch(&batch, start, map, transactions));
            if !mapped.map_err(|error| segment.damaged(position, &error))? {
                return Ok(false);
            }
            if batch.header.last_offset() >= start {
                map.latest_offset = batch.header.last_offset();
            }
        }
        Ok(true)
    }

    fn map_batch(
        &mut self,
        batch: &Batch,
        start: i64,
        map: &mut OffsetMap,
        transactions: &mut Transactions,
    ) -> Result<bool, BatchError> {
        let header = &batch.header;
        if header.is_control() {
            transactions.on_control(header, control(batch)?);
            self.stats.map_messages_read += 1;
            return Ok(true);
        }
        if transactions.on_data(header) {
            self.stats.map_messages_read += u64::try_from(header.record_count).unwrap_or(0);
            return Ok(true);
        }
        if header.magic < 2 {
            for record in batch.records(UNPACK_LIMIT)? {
                let key = record.key.as_deref().filter(|_| record.offset >= start);
                if key.is_some_and(|key| !map.put(map.hash(key), record.offset)) {
                    return Ok(false);
                }
                self.stats.map_messages_read += 1;
            }
            return Ok(true);
        }
        self.hashes.clear();
        for record in RawRecords::new(&unpack(batch)?, header.record_count)? {
            let record = record?;
            let offset = header.base_offset.wrapping_add(record.offset_delta);
            let key = record.key.filter(|_| offset >= start);
            self.hashes.extend(key.map(|key| (map.hash(key), offset)));
            self.stats.map_messages_read += 1;
        }
        // One look right behind the other, see `offset_map.rs`.
        Ok(self.hashes.iter().all(|(key, offset)| map.put(*key, *offset)))
    }

    /// Writes a group of segments into one, and puts that in their place.
    fn clean_group(&mut self, log: &Log, group: &[Arc<Segment>], job: &mut Job<'_>) -> Result<(), CleanError> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
        self.check_aborted()?;
        let mut output = log.cleaned_output(first.base_offset)?;
        let cleaned = self.clean_segments(log, group, job, &mut output);
        let finished = cleaned.and_then(|changed| {
            // A segment that stays as it is need not be swapped for itself.
            if !changed && group.len() == 1 && output.aborted() == first.txn_index.all()? {
                return Ok(false);
            }
            output.finish(last.modified_ms()?)?;
            let (partition, count, base) = (log.partition(), group.len(), first.base_offset);
            tracing::debug!("Swapping in cleaned segment {base} for {count} segments in log {partition}");
            match log.replace_segments(self.turn, group, &output)? {
                true => Ok(true),
                false => Err(CleanError::Aborted),
            }
        });
        match finished {
            Ok(true) => Ok(()),
            Ok(false) => Ok(output.discard()?),
            // Where the disk failed, perhaps in the middle of the swap, loading the log finds out what is to be done.
            Err(error @ CleanError::Storage(StorageError::Io { .. })) => Err(error),
            Err(error) => {
                // What cannot be removed now is removed when the log is loaded.
                let _ = output.discard();
                Err(error)
            }
        }
    }

    /// Whether anything was left out or rewritten.
    fn clean_segments(
        &mut self,
        log: &Log,
        group: &[Arc<Segment>],
        job: &mut Job<'_>,
        output: &mut Output,
    ) -> Result<bool, CleanError> {
        let producers = log.last_records_of_producers();
        let mut changed = false;
        for (number, segment) in group.iter().enumerate() {
            let end = match group.get(number + 1) {
                Some(next) => next.base_offset,
                None => segment.read_next_offset()?,
            };
            job.transactions.add_aborted(log.aborted_between(segment.base_offset, end)?);
            let round = Round {
                map: job.map,
                now_ms: self.now_ms,
                upper_bound: self.cleanable.first_uncleanable,
                keep_legacy_tombstones: segment.modified_ms()? > job.legacy_horizon_ms,
            };
            for item in segment.scan(0)?.with_chunk(self.io_buffer) {
                self.check_aborted()?;
                let (position, batch) = item.map_err(|error| segment.scan_error(error))?;
                let producer = producers.get(&batch.header.producer_id);
                let cleaned = self.clean_batch(&batch, producer, &round, job, output);
                changed |= cleaned.map_err(|error| segment.damaged(position, &error))?;
                if job.buffer.len() >= self.io_buffer {
                    self.write_out(job, output)?;
                }
            }
        }
        self.write_out(job, output)?;
        Ok(changed)
    }

    fn write_out(&mut self, job: &mut Job<'_>, output: &mut Output) -> Result<(), StorageError> {
        if job.buffer.is_empty() {
            return Ok(());
        }
        output.write(&job.buffer)?;
        self.note_io(job.buffer.len());
        job.buffer.clear();
        Ok(())
    }

    /// Adds what stays of a batch to the buffer. Answers whether it is anything but the batch; the error says why it cannot
    /// be cleaned.
    fn clean_batch(
        &mut self,
        batch: &Batch,
        producer: Option<&LastRecord>,
        round: &Round<'_>,
        job: &mut Job<'_>,
        output: &mut Output,
    ) -> Result<bool, String> {
        let header = &batch.header;
        self.stats.bytes_read += header.size as u64;
        self.note_io(header.size);
        batch.check_crc().map_err(|error| error.to_string())?;
        let can_discard = if header.is_control() {
            let control = control(batch).map_err(|error| error.to_string())?;
            let (can_discard, aborted) = job.transactions.on_control(header, control);
            aborted.into_iter().for_each(|txn| output.note_aborted(txn));
            can_discard
        } else {
            job.transactions.on_data(header)
        };
        let fate = Fate::of(header, can_discard, producer, round);
        let rewritten = job.rewriter.rewrite(batch, fate, round, job.tombstone_horizon_ms, &mut job.buffer);
        let rewritten = rewritten.map_err(|error| error.to_string())?;
        self.stats.messages_read += rewritten.records_read;
        self.stats.messages_written += rewritten.records_kept;
        self.stats.invalid_messages_read += rewritten.records_invalid;
        if let Some(written) = rewritten.written {
            output.note(&written)?;
            self.stats.bytes_written += written.size as u64;
            if written.size > header.size && written.size > job.max_message_bytes {
                tracing::warn!(
                    "Record batch from {} with last offset {} exceeded max record batch size {} after cleaning (new size \
                     is {}). Consumers with version earlier than 0.10.1.0 may need to increase their fetch sizes.",
                    self.turn.log().partition(),
                    header.last_offset(),
                    job.max_message_bytes,
                    written.size
                );
            }
        }
        Ok(!rewritten.is_same)
    }
}

/// What goes from group to group.
struct Job<'a> {
    map: &'a OffsetMap,
    transactions: Transactions,
    legacy_horizon_ms: i64,
    /// What a batch gets that needs a delete horizon now.
    tombstone_horizon_ms: i64,
    max_message_bytes: usize,
    rewriter: Rewriter,
    /// Batches that wait to be written.
    buffer: Vec<u8>,
}

fn control(batch: &Batch) -> Result<Control, BatchError> {
    if batch.header.record_count == 0 {
        return Ok(Control::Empty);
    }
    let marker = batch.end_transaction_marker()?;
    Ok(marker.map_or(Control::Unknown, |marker| Control::End(marker.control_type)))
}
