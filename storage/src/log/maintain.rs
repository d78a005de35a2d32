//! What happens to a log besides appends and reads: flush, roll, retention, truncation, moving start, closing.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use zk_paths::ids::Offset;

use super::append::flush_interval_ms;
use super::{Log, State};
use crate::error::{Attempt, StorageError};
use crate::file_name::FileKind;
use crate::log_config::millis;
use crate::recovery::rebuild_producers;
use crate::retention::{RetentionRules, SegmentSummary, plan_retention};
use crate::segment::Segment;

/// DeleteRecords above the high watermark: OFFSET_OUT_OF_RANGE.
#[derive(Debug, thiserror::Error)]
pub enum LogStartError {
    /// The new start is not yet on all in-sync replicas.
    #[error("log start offset {wanted} is above the high watermark {high_watermark}")]
    AboveHighWatermark {
        /// Asked for.
        wanted: Offset,
        /// Where the high watermark is.
        high_watermark: Offset,
    },
    /// The disk failed.
    #[error(transparent)]
    Fault(#[from] StorageError),
}

/// What a flush has to do, as of when it began.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// Records below are to be synced.
    offset: i64,
    /// See [`State::truncations`].
    truncations: u64,
}

impl Log {
    /// Makes everything up to the log end survive a crash, indexes included. Appends go on meanwhile.
    pub fn flush(&self) -> Result<(), StorageError> {
        if !self.has_files()? {
            return Ok(());
        }
        let due = self.due(&self.state())?;
        self.carry_out(&due)
    }

    /// Makes the records up to the log end survive a crash, and nothing that recovery can build again from them: one
    /// sync, where [`Log::flush`] needs several. The recovery point stays.
    pub fn flush_records(&self) -> Result<(), StorageError> {
        if !self.has_files()? {
            return Ok(());
        }
        let due = Due { offset: self.tail.end_offset(), truncations: self.state().truncations };
        self.context.health.watch(self.sync_records(&due))?;
        let state = self.state();
        if state.truncations == due.truncations {
            self.flushed_offset.fetch_max(due.offset, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Makes the rolled segments survive a crash; the active one is left to time and the page cache, as in Kafka. Cheap
    /// when there is nothing to do.
    pub fn flush_rolled(&self) -> Result<(), StorageError> {
        let active = self.active()?.base_offset;
        if self.recovery_point.load(Ordering::Acquire) >= active {
            return Ok(());
        }
        if !self.has_files()? {
            return Ok(());
        }
        let due = Due { offset: active, truncations: self.state().truncations };
        self.carry_out(&due)
    }

    /// Whether the log was deleted, or another has taken its place: nothing in it matters any more, and a flush of it says
    /// nothing.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// Whether there is anything to work on: a deleted log's files may be gone. An error when the directory is offline.
    fn has_files(&self) -> Result<bool, StorageError> {
        self.check_online()?;
        Ok(!self.is_retired.load(Ordering::Acquire))
    }

    /// Flushes when `flush.ms` has passed since the last time.
    pub fn flush_if_old(&self, now_ms: i64) -> Result<(), StorageError> {
        let interval_ms = flush_interval_ms(&self.config.load());
        let due = now_ms.saturating_sub(self.state().last_flush_ms) >= interval_ms;
        if due && self.recovery_point() < self.log_end_offset() { self.flush() } else { Ok(()) }
    }

    /// Syncs without the append lock, then notes it.
    fn carry_out(&self, due: &Due) -> Result<(), StorageError> {
        self.context.health.watch(self.sync_files(due))?;
        self.note_flushed(&mut self.state(), due);
        Ok(())
    }

    /// Syncs while appends wait.
    pub(super) fn flush_locked(&self, state: &mut State) -> Result<(), StorageError> {
        let due = self.due(state)?;
        self.context.health.watch(self.sync_files(&due))?;
        self.note_flushed(state, &due);
        Ok(())
    }

    /// A flush of everything, as of now. The active segment's time index is complete then: if the next append begins a new
    /// segment, nobody will look at this one again after a crash.
    fn due(&self, state: &State) -> Result<Due, StorageError> {
        self.context.health.watch(self.active()?.seal())?;
        Ok(Due { offset: self.tail.end_offset(), truncations: state.truncations })
    }

    fn note_flushed(&self, state: &mut State, due: &Due) {
        state.last_flush_ms = self.context.clock.now_ms();
        if state.truncations == due.truncations {
            self.flushed_offset.fetch_max(due.offset, Ordering::AcqRel);
            self.recovery_point.fetch_max(due.offset, Ordering::AcqRel);
        }
    }

    /// Syncs segments with their indexes, leader epochs and the directory, for everything in [recovery point, due offset).
    fn sync_files(&self, due: &Due) -> Result<(), StorageError> {
        self.in_dir(|| self.sync_files_here(due))
    }

    /// Runs something that looks for files by name, again when the directory got another name meanwhile. What went with
    /// its directory needs no care any more.
    fn in_dir(&self, run: impl Fn() -> Result<(), StorageError>) -> Result<(), StorageError> {
        loop {
            let before = self.dir();
            let outcome = run();
            if !matches!(&outcome, Err(StorageError::Io { source, .. }) if source.kind() == ErrorKind::NotFound) {
                return outcome;
            }
            if self.is_retired.load(Ordering::Acquire) {
                return Ok(());
            }
            // A renaming that is under way ends first.
            if self.dir.with(|now| now == before) {
                return outcome;
            }
        }
    }

    fn sync_files_here(&self, due: &Due) -> Result<(), StorageError> {
        for segment in self.segments_within(&self.recovery_point, due) {
            segment.sync_records()?;
            segment.sync_indexes()?;
        }
        self.epochs_mut().flush()?;
        self.sync_entries()
    }

    /// Syncs the records in [flushed offset, due offset).
    fn sync_records(&self, due: &Due) -> Result<(), StorageError> {
        self.segments_within(&self.flushed_offset, due).iter().try_for_each(|segment| segment.sync_records())?;
        self.sync_entries()
    }

    fn segments_within(&self, from: &AtomicI64, due: &Due) -> Vec<Arc<Segment>> {
        let from = from.load(Ordering::Acquire);
        let segments = self.segments.load();
        let first = segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        segments.iter().skip(first).filter(|segment| segment.base_offset < due.offset).cloned().collect()
    }

    /// Makes the names of files survive a crash, and whose log this is.
    fn sync_entries(&self) -> Result<(), StorageError> {
        let dir = self.dir.load();
        if !self.metadata_is_durable.load(Ordering::Acquire) {
            crate::partition_metadata::sync(&*self.context.disk, &dir)?;
        }
        if self.has_new_entries.swap(false, Ordering::AcqRel) {
            let synced = self.context.disk.sync_dir(&dir).attempt("sync", &dir);
            synced.inspect_err(|_| self.has_new_entries.store(true, Ordering::Release))?;
        }
        if !self.dir_is_durable.load(Ordering::Acquire) {
            let parent = self.parent_dir();
            self.context.disk.sync_dir(parent).attempt("sync", parent)?;
        }
        self.metadata_is_durable.store(true, Ordering::Release);
        self.dir_is_durable.store(true, Ordering::Release);
        Ok(())
    }

    /// Begins a new segment now, if the active one holds anything.
    pub fn roll(&self) -> Result<(), StorageError> {
        self.check_online()?;
        let mut state = self.state();
        self.roll_locked(&mut state)
    }

    fn roll_locked(&self, state: &mut State) -> Result<(), StorageError> {
        let config = self.config.load_full();
        let rolled = self.roll_at(state, self.tail.end_offset(), &config, self.context.clock.now_ms());
        self.context.health.watch(rolled).map(|_| ())
    }

    /// Goes on at a later offset, as if the records until there had been compacted away.
    pub fn advance_end_to(&self, offset: Offset) -> Result<(), StorageError> {
        self.check_online()?;
        let mut state = self.state();
        if offset.0 <= self.tail.end_offset() {
            return Ok(());
        }
        self.is_dirty.store(true, Ordering::Release);
        let config = self.config.load_full();
        let rolled = self.roll_at(&mut state, offset.0, &config, self.context.clock.now_ms());
        self.context.health.watch(rolled).map(|_| ())
    }

    /// Deletes what the retention rules say may go. Answers how many segments went. Their files wait for
    /// `file.delete.delay.ms` under another name; [`Log::remove_doomed`] removes them.
    pub fn apply_retention(&self, now_ms: i64) -> Result<usize, StorageError> {
        self.check_online()?;
        let config = self.config.load_full();
        let mut state = self.state();
        if self.is_retired.load(Ordering::Acquire) {
            return Ok(0);
        }
        let segments = self.segments.load_full();
        let summaries = self.context.health.watch(summarise(&segments))?;
        let rules = RetentionRules {
            retention_ms: config.retention.filter(|_| config.delete).map(millis),
            retention_bytes: config.retention_bytes.filter(|_| config.delete),
            log_start_offset: self.log_start_offset().0,
            high_watermark: self.high_watermark().0,
            log_end_offset: self.tail.end_offset(),
            now_ms,
        };
        let count = plan_retention(&summaries, &rules);
        self.delete_oldest(&mut state, count, now_ms)
    }

    fn delete_oldest(&self, state: &mut State, count: usize, now_ms: i64) -> Result<usize, StorageError> {
        if count == 0 {
            return Ok(0);
        }
        if count == self.segments.load().len() {
            // There is always a segment; the records go, the offsets stay.
            self.roll_locked(state)?;
        }
        let segments = self.segments.load_full();
        let (gone, kept) = segments.split_at(count.min(segments.len().saturating_sub(1)));
        let Some(first_kept) = kept.first() else { return Ok(0) };
        self.move_log_start(state, first_kept.base_offset);
        self.segments.store(Arc::new(kept.to_vec()));
        let doomed = self.doom(state, gone, now_ms);
        self.context.health.watch(doomed)?;
        Ok(gone.len())
    }

    /// Renames the files of the newest segments, so that a crash in between leaves a log that ends earlier. Durable before
    /// an older segment is touched: while a later one is there, recovery may believe that it is whole.
    fn doom_from_end(&self, state: &mut State, gone: &[Arc<Segment>], now_ms: i64) -> Result<(), StorageError> {
        if gone.is_empty() {
            return Ok(());
        }
        for segment in gone.iter().rev() {
            self.doom(state, std::slice::from_ref(segment), now_ms)?;
        }
        let dir = self.dir.load();
        self.context.disk.sync_dir(&dir).attempt("sync", &dir)
    }

    /// Renames the files of segments that are no longer listed.
    fn doom(&self, state: &mut State, gone: &[Arc<Segment>], now_ms: i64) -> Result<(), StorageError> {
        let due_ms = now_ms.saturating_add(millis(self.config.load().file_delete_delay));
        self.has_new_entries.store(true, Ordering::Release);
        for segment in gone {
            let marked = segment.mark_deleted(&FileKind::ALL)?;
            segment.close_indexes()?;
            state.snapshots.retain(|offset| *offset != segment.base_offset);
            self.doomed().extend(marked.into_iter().map(|path| (due_ms, path)));
        }
        Ok(())
    }

    /// Removes files that have waited for long enough. Answers how many went.
    pub fn remove_doomed(&self, now_ms: i64) -> Result<usize, StorageError> {
        if self.doomed().is_empty() {
            return Ok(0);
        }
        self.check_online()?;
        let due: Vec<PathBuf> = {
            let mut doomed = self.doomed();
            let (due, later) = doomed.drain(..).partition(|(due_ms, _)| *due_ms <= now_ms);
            *doomed = later;
            due.into_iter().map(|(_, path): (i64, PathBuf)| path).collect()
        };
        for path in &due {
            match self.context.disk.remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return self.context.health.watch(Err(error).attempt("remove", path));
                }
                _ => {}
            }
        }
        Ok(due.len())
    }

    pub(super) fn doomed(&self) -> MutexGuard<'_, Vec<(i64, PathBuf)>> {
        self.doomed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises the log start offset (DeleteRecords, or a leader that did). Answers whether it moved. Segments that lie
    /// wholly below go with the next retention pass.
    pub fn maybe_increment_log_start_offset(&self, to: Offset) -> Result<bool, LogStartError> {
        self.check_online()?;
        let mut state = self.state();
        let high_watermark = self.high_watermark();
        if to > high_watermark {
            return Err(LogStartError::AboveHighWatermark { wanted: to, high_watermark });
        }
        if to <= self.log_start_offset() {
            return Ok(false);
        }
        self.move_log_start(&mut state, to.0);
        Ok(true)
    }

    fn move_log_start(&self, state: &mut State, to: i64) {
        if to <= self.log_start_offset().0 {
            return;
        }
        self.is_dirty.store(true, Ordering::Release);
        self.log_start_offset.store(to, Ordering::Release);
        self.high_watermark.fetch_max(to, Ordering::AcqRel);
        self.epochs_mut().truncate_from_start(Offset(to));
        state.producers.on_log_start_offset(to);
        self.publish_first_unstable(state);
    }

    /// Drops all records at and behind `offset` (a follower that diverged). Answers whether anything went. The recovery
    /// point falls with them: whoever keeps it in a checkpoint has to write that anew before more is appended.
    pub fn truncate_to(&self, offset: Offset) -> Result<bool, StorageError> {
        self.check_online()?;
        let mut state = self.state();
        if offset.0 >= self.tail.end_offset() {
            // An epoch may begin at the end, from a leadership that never appended.
            self.epochs_mut().truncate_from_end(self.log_end_offset());
            return Ok(false);
        }
        let first = self.segments.load().first().map_or(0, |segment| segment.base_offset);
        let truncated = if offset.0 < first {
            self.start_over(&mut state, offset.0.max(0), None)
        } else {
            self.truncate_within(&mut state, offset.0)
        };
        self.context.health.watch(truncated).map(|()| true)
    }

    fn truncate_within(&self, state: &mut State, offset: i64) -> Result<(), StorageError> {
        self.is_dirty.store(true, Ordering::Release);
        state.truncations += 1;
        let now_ms = self.context.clock.now_ms();
        let segments = self.segments.load_full();
        let keep = segments.partition_point(|segment| segment.base_offset <= offset).max(1);
        let (kept, gone) = segments.split_at(keep.min(segments.len()));
        self.segments.store(Arc::new(kept.to_vec()));
        self.doom_from_end(state, gone, now_ms)?;
        let active = self.active()?;
        active.truncate_to(offset, now_ms)?;
        // Not synced: until the next flush a crash may bring back what this segment lost, so recovery has to scan it.
        self.recovery_point.fetch_min(active.base_offset, Ordering::AcqRel);
        self.flushed_offset.fetch_min(offset, Ordering::AcqRel);
        self.log_start_offset.fetch_min(offset, Ordering::AcqRel);
        self.tail.set(active.base_offset, offset, active.size());
        self.high_watermark.fetch_min(offset, Ordering::AcqRel);
        self.epochs_mut().truncate_from_end(Offset(offset));
        self.epochs_mut().flush()?;
        self.truncate_cleaner_checkpoint()?;
        self.rebuild_state(state, offset)
    }

    /// Drops everything and goes on at `offset` (a follower whose leader has nothing older). `log_start_offset` may be
    /// lower; `None` means the same.
    pub fn truncate_fully_and_start_at(
        &self,
        offset: Offset,
        log_start_offset: Option<Offset>,
    ) -> Result<(), StorageError> {
        self.check_online()?;
        let mut state = self.state();
        let truncated = self.start_over(&mut state, offset.0, log_start_offset.map(|start| start.0));
        self.context.health.watch(truncated)
    }

    fn start_over(&self, state: &mut State, offset: i64, log_start: Option<i64>) -> Result<(), StorageError> {
        self.is_dirty.store(true, Ordering::Release);
        state.truncations += 1;
        let now_ms = self.context.clock.now_ms();
        let config = self.config.load_full();
        let gone = self.segments.load_full();
        self.doom_from_end(state, &gone, now_ms)?;
        let segment = Segment::create(&self.context.disk, &self.dir, offset, &config, now_ms)?;
        self.segments.store(Arc::new(vec![Arc::new(segment)]));
        self.tail.set(offset, offset, 0);
        self.log_start_offset.store(log_start.unwrap_or(offset), Ordering::Release);
        self.high_watermark.store(offset, Ordering::Release);
        self.recovery_point.fetch_min(offset, Ordering::AcqRel);
        self.flushed_offset.fetch_min(offset, Ordering::AcqRel);
        self.epochs_mut().clear();
        self.epochs_mut().flush()?;
        self.remove_snapshots(state, |_| true)?;
        self.truncate_cleaner_checkpoint()?;
        self.rebuild_state(state, offset)
    }

    fn rebuild_state(&self, state: &mut State, end_offset: i64) -> Result<(), StorageError> {
        let start = self.log_start_offset().0;
        self.remove_snapshots(state, |offset| offset > end_offset || offset <= start)?;
        let segments = self.segments.load();
        state.producers =
            rebuild_producers(&self.dir, &segments, &mut state.snapshots, start, end_offset, &self.context)?;
        state.producers.on_high_watermark(self.high_watermark().0);
        self.publish_first_unstable(state);
        Ok(())
    }

    fn remove_snapshots(&self, state: &mut State, unwanted: impl Fn(i64) -> bool) -> Result<(), StorageError> {
        self.has_new_entries.store(true, Ordering::Release);
        let (gone, kept) = state.snapshots.iter().partition(|offset| unwanted(**offset));
        state.snapshots = kept;
        for offset in Vec::<i64>::from_iter(gone) {
            let path = self.dir.load().join(FileKind::Snapshot.name(offset));
            match self.context.disk.remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).attempt("remove", &path);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Forgets producers that were silent for too long.
    pub fn expire_producers(&self, now_ms: i64) {
        let expiration_ms = millis(self.context.producer_id_expiration);
        self.state().producers.remove_expired(now_ms, expiration_ms);
    }

    /// The end of a clean stop: everything is on disk, final index entries and a producer snapshot included.
    pub fn close(&self) -> Result<(), StorageError> {
        self.check_online()?;
        let mut state = self.state();
        let closed = self.close_locked(&mut state);
        self.context.health.watch(closed)
    }

    fn close_locked(&self, state: &mut State) -> Result<(), StorageError> {
        if !self.is_dirty.load(Ordering::Acquire) && self.recovery_point() == self.log_end_offset() {
            return Ok(());
        }
        self.active()?.trim()?;
        // Not synced: its checksum tells when a power failure took it, and then the records are read instead.
        self.take_snapshot(state)?;
        self.flush_locked(state)?;
        self.is_dirty.store(false, Ordering::Release);
        Ok(())
    }

    /// The log directory was synced after this log's directory was made in it.
    pub(crate) fn note_durable_dir(&self) {
        self.dir_is_durable.store(true, Ordering::Release);
    }

    /// Gives the directory another name. Open files stay open. Syncing the parent is the caller's.
    pub(crate) fn rename_dir(&self, to: PathBuf) -> Result<(), StorageError> {
        let _state = self.state();
        let renamed =
            self.dir.rename(to.clone(), |from, to| self.context.disk.rename(from, to).attempt("rename", from));
        self.context.health.watch(renamed)?;
        for (_, path) in self.doomed().iter_mut() {
            *path = path.file_name().map_or_else(|| to.clone(), |name| to.join(name));
        }
        Ok(())
    }

    /// Gives the directory the name under which it waits for its deletion, and lets go of what is open in it but the
    /// segments, which readers may still be at.
    pub(crate) fn retire(&self, to: PathBuf) -> Result<(), StorageError> {
        self.is_retired.store(true, Ordering::Release);
        self.rename_dir(to)?;
        let closed = self.segments.load().iter().try_for_each(|segment| segment.close_indexes());
        self.context.health.watch(closed)
    }
}

fn summarise(segments: &[Arc<Segment>]) -> Result<Vec<SegmentSummary>, StorageError> {
    let summary = |segment: &Arc<Segment>| {
        Ok(SegmentSummary {
            base_offset: segment.base_offset,
            size: segment.size(),
            largest_timestamp_ms: segment.largest_or_modified_ms()?,
        })
    };
    segments.iter().map(summary).collect()
}
