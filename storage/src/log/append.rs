//! Appending: as leader (offsets are given out here) and as follower (offsets are taken as they come).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use zk_paths::ids::{LeaderEpoch, Offset};

use super::{Log, State};
use crate::batch::NO_TIMESTAMP;
use crate::error::StorageError;
use crate::file_name::FileKind;
use crate::log_config::{LogConfig, millis};
use crate::producer_snapshot;
use crate::producer_state::{AppendOrigin, BatchMetadata, Checked};
use crate::ready::Prepared;
use crate::segment::Segment;
use crate::validate::{AppendError, Terms, prepare_for_follower, prepare_for_leader, wants_rebuild};

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogAppendInfo {
    /// Offset of the first record; -1 when nothing was appended, and for old formats on a follower.
    pub first_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Largest timestamp, -1 none.
    pub max_timestamp: i64,
    /// Time of the append when the topic has log append time, else -1; of duplicates the time they were first given.
    pub log_append_time: i64,
    /// Where the log starts now.
    pub log_start_offset: Offset,
    /// Epoch of the last batch, -1 unknown.
    pub leader_epoch: LeaderEpoch,
    /// Records appended.
    pub record_count: u64,
    /// Bytes appended.
    pub size: usize,
    /// The same batch was appended before; nothing was written, the offsets are the old ones.
    pub is_duplicate: bool,
    /// A new segment was begun; the old one wants to be flushed.
    pub rolled: bool,
    /// What has to be synced before anybody hears that these records are in the log. Appending itself waits for no disk.
    pub due_flush: DueFlush,
}

/// What an append asks of its caller, see [`LogAppendInfo::due_flush`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueFlush {
    /// Nothing; the page cache will do.
    None,
    /// [`Log::flush_records`], because the topic has `klamm.flush=group`.
    Records,
    /// [`Log::flush`], because `flush.messages` have come together.
    Everything,
}

impl Log {
    /// Appends what a producer or a coordinator sent. Offsets go on from the log end; `leader_epoch` is stamped on every
    /// batch. Readers see all of it or nothing.
    pub fn append_as_leader(
        &self,
        records: Bytes,
        leader_epoch: LeaderEpoch,
        origin: AppendOrigin,
    ) -> Result<LogAppendInfo, AppendError> {
        self.check_online()?;
        let config = self.config.load_full();
        let now_ms = self.context.clock.now_ms();
        let (partition, memory) = (&self.partition, &self.context.memory);
        let terms = Terms { partition, config: &config, origin, now_ms, memory };
        let mut prepared = prepare_for_leader(&records, &terms)?;
        let mut state = self.state();
        prepared.assign(self.tail.end_offset(), leader_epoch.0).map_err(|error| terms.corrupt(error))?;
        self.write(&mut state, prepared, &config, origin, now_ms)
    }

    /// Whether appending these records as leader means packing or converting them first. That takes long: it should be done
    /// where nobody waits for the thread.
    pub fn wants_rebuild(&self, records: &[u8]) -> bool {
        wants_rebuild(records, &self.config.load())
    }

    /// Appends what was fetched from a leader, as it is. `leader_epoch` is the one this replica knows; batches of a newer
    /// one are left for later.
    pub fn append_as_follower(&self, records: Bytes, leader_epoch: LeaderEpoch) -> Result<LogAppendInfo, AppendError> {
        self.check_online()?;
        let config = self.config.load_full();
        let now_ms = self.context.clock.now_ms();
        let prepared = prepare_for_follower(&records, leader_epoch.0, &self.partition)?;
        let mut state = self.state();
        if let Some(first) = prepared.batches.first() {
            let first_offset = first.header.base_offset;
            let log_end_offset = self.tail.end_offset();
            if first_offset < log_end_offset {
                return Err(AppendError::UnexpectedOffset { first_offset, log_end_offset });
            }
        }
        self.write(&mut state, prepared, &config, AppendOrigin::Replication, now_ms)
    }

    fn write(
        &self,
        state: &mut State,
        prepared: Prepared,
        config: &LogConfig,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<LogAppendInfo, AppendError> {
        let (Some(first), Some(last)) = (prepared.batches.first(), prepared.batches.last()) else {
            return Ok(self.nothing_appended());
        };
        let (first, last) = (first.header, last.header);
        let batches = prepared.batches.iter().map(|batch| (&batch.header, batch.marker));
        let update = match state.producers.check(batches, origin)? {
            Checked::New(update) => update,
            Checked::Duplicate(batch) => return Ok(self.duplicate(batch, first.leader_epoch)),
        };
        let info = LogAppendInfo {
            first_offset: prepared.first_offset.map_or(Offset::NONE, Offset),
            last_offset: Offset(last.last_offset()),
            max_timestamp: prepared.max_timestamp(),
            log_append_time: prepared.log_append_time.unwrap_or(NO_TIMESTAMP),
            log_start_offset: self.log_start_offset(),
            leader_epoch: LeaderEpoch(last.leader_epoch),
            record_count: prepared.record_count(),
            size: prepared.size(),
            is_duplicate: false,
            rolled: false,
            due_flush: DueFlush::None,
        };
        let written = self.write_batches(state, &prepared, config, info, now_ms);
        let (segment, rolled) = self.context.health.watch(written)?;
        let aborted = state.producers.apply(update, last.next_offset());
        self.context.health.watch(segment.append_aborted(&aborted))?;
        self.publish_first_unstable(state);
        Ok(LogAppendInfo { rolled, due_flush: self.due_flush(config), ..info })
    }

    /// Epochs, roll, bytes, and then the new end for readers.
    fn write_batches(
        &self,
        state: &mut State,
        prepared: &Prepared,
        config: &LogConfig,
        info: LogAppendInfo,
        now_ms: i64,
    ) -> Result<(Arc<Segment>, bool), StorageError> {
        self.is_dirty.store(true, Ordering::Release);
        self.note_epochs(prepared);
        let active = self.active()?;
        let rolls = should_roll(&active, prepared.size() as u64, &info, config, now_ms)?;
        let segment = if rolls {
            // Old formats do not tell their first offset; this guess is never above it (UnifiedLog.maybeRoll).
            let guess = info.last_offset.0.saturating_sub(i64::from(i32::MAX));
            let base = if info.first_offset == Offset::NONE { guess } else { info.first_offset.0 };
            self.roll_at(state, base.max(self.tail.end_offset()), config, now_ms)?
        } else {
            active
        };
        segment.append(&prepared.batches, config.index_interval_bytes)?;
        let boundaries = prepared.batches.iter().map(|batch| (batch.header.base_offset, batch.header.size as u64));
        self.tail.extend(boundaries, info.last_offset.0 + 1);
        Ok((segment, rolls))
    }

    fn note_epochs(&self, prepared: &Prepared) {
        let mut latest = self.epochs().latest();
        for batch in &prepared.batches {
            let epoch = LeaderEpoch(batch.header.leader_epoch);
            if batch.header.magic < 2 {
                // Truncation falls back to the high watermark once old formats are in the log again.
                self.epochs_mut().clear();
                latest = None;
            } else if latest != Some(epoch) && epoch.0 >= 0 {
                self.epochs_mut().assign(epoch, Offset(batch.header.base_offset));
                latest = Some(epoch);
            }
        }
    }

    /// Begins a new segment at `base_offset`, which is at or behind the log end.
    pub(super) fn roll_at(
        &self,
        state: &mut State,
        base_offset: i64,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Arc<Segment>, StorageError> {
        let active = self.active()?;
        if active.base_offset == base_offset && active.size() == 0 {
            return Ok(active);
        }
        active.seal()?;
        active.trim()?;
        self.has_new_entries.store(true, Ordering::Release);
        let segment = Arc::new(Segment::create(&self.context.disk, &self.dir, base_offset, config, now_ms)?);
        state.producers.set_map_end_offset(base_offset);
        self.take_snapshot(state)?;
        let mut segments = self.segments.load().as_ref().clone();
        segments.push(segment.clone());
        self.segments.store(Arc::new(segments));
        self.tail.set(base_offset, self.tail.end_offset().max(base_offset), 0);
        // They are read rarely from now on.
        active.close_indexes()?;
        Ok(segment)
    }

    /// Writes the producers to a snapshot named after the offset they are true for, unless there is one.
    pub(super) fn take_snapshot(&self, state: &mut State) -> Result<(), StorageError> {
        let offset = state.producers.map_end_offset();
        if state.snapshots.last().is_some_and(|last| *last >= offset) || offset <= 0 {
            return Ok(());
        }
        let path = self.dir.load().join(FileKind::Snapshot.name(offset));
        self.has_new_entries.store(true, Ordering::Release);
        producer_snapshot::write(&*self.context.disk, &path, &state.producers)?;
        state.snapshots.push(offset);
        Ok(())
    }

    fn due_flush(&self, config: &LogConfig) -> DueFlush {
        let unflushed = self.tail.end_offset().saturating_sub(self.flushed_offset().0);
        match u64::try_from(unflushed) {
            Ok(unflushed) if unflushed >= config.flush_messages => DueFlush::Everything,
            _ if config.flush_before_ack => DueFlush::Records,
            _ => DueFlush::None,
        }
    }

    fn nothing_appended(&self) -> LogAppendInfo {
        LogAppendInfo {
            first_offset: Offset::NONE,
            last_offset: Offset::NONE,
            max_timestamp: NO_TIMESTAMP,
            log_append_time: NO_TIMESTAMP,
            log_start_offset: self.log_start_offset(),
            leader_epoch: LeaderEpoch::NONE,
            record_count: 0,
            size: 0,
            is_duplicate: false,
            rolled: false,
            due_flush: DueFlush::None,
        }
    }

    fn duplicate(&self, batch: BatchMetadata, leader_epoch: i32) -> LogAppendInfo {
        LogAppendInfo {
            first_offset: Offset(batch.first_offset()),
            last_offset: Offset(batch.last_offset),
            log_append_time: batch.timestamp,
            leader_epoch: LeaderEpoch(leader_epoch),
            is_duplicate: true,
            due_flush: self.due_flush(&self.config.load()),
            ..self.nothing_appended()
        }
    }
}

/// Whether records need a new segment: size, age, full index, or offsets too far from the base.
fn should_roll(
    active: &Segment,
    size: u64,
    info: &LogAppendInfo,
    config: &LogConfig,
    now_ms: i64,
) -> Result<bool, StorageError> {
    let too_large = active.size() + size > config.segment_bytes;
    let too_far = info.last_offset.0.saturating_sub(active.base_offset) > i64::from(i32::MAX);
    if too_large || too_far {
        return Ok(true);
    }
    let waited = active.waited_ms(now_ms, info.max_timestamp)?;
    let too_old = active.size() > 0 && waited > config.max_segment_ms().saturating_sub(active.jitter_ms());
    Ok(too_old || active.is_index_full()?)
}

/// How old unsynced records may become, in milliseconds.
pub(super) fn flush_interval_ms(config: &LogConfig) -> i64 {
    config.flush_interval.map_or(i64::MAX, millis)
}
