//! What cleaning needs of a log: whose turn it is, what there is to clean, and the swap of cleaned segments into a log
//! that is read and written meanwhile.
//!
//! A cleaning reads old segments and writes new files without any lock: closed segments do not change. Only the swap takes
//! the append lock, and only if the cleaning was not called off and its segments are all still there. So whoever
//! truncates or deletes under that lock need not wait for a cleaner, as it must in Kafka (`abortAndPauseCleaning`).
//!
//! The swap: the output, synced, has the suffix `.cleaned` → all of its files become `.swap` → the old files become
//! `.deleted` → `.swap` is taken off. A crash before the last `.cleaned` is gone undoes it, a later one completes it
//! (`recovery/plan.rs`). Old segments stay readable for whoever found them before.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zk_paths::ids::Offset;

use super::{Log, State};
use crate::cleaner::plan::{LogFacts, Reset, SegmentFacts, SegmentSizes, first_dirty};
use crate::cleaner::{LastRecord, Output};
use crate::error::{Attempt, StorageError};
use crate::file_name::{FileKind, FileState};
use crate::log_config::millis;
use crate::segment::Segment;
use crate::txn_index::AbortedTxn;

/// How a log stands with its cleaners.
#[derive(Debug, Default)]
pub(super) struct Cleaning {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    in_progress: bool,
    /// The cleaning in progress shall not be swapped in.
    aborted: bool,
    /// The log is on its way out.
    closed: bool,
    /// The log is being copied to another directory.
    paused: bool,
    /// Why no cleaner touches it any more.
    uncleanable: Option<String>,
    /// Where the last cleaning ended.
    checkpoint: Option<i64>,
}

impl Cleaning {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One cleaner's turn on a log; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct CleaningTurn {
    log: Arc<Log>,
}

impl CleaningTurn {
    /// The log.
    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Somebody changed the log, or its settings, so that this cleaning is in vain.
    pub(crate) fn is_aborted(&self) -> bool {
        let inner = self.log.cleaning.lock();
        inner.aborted || inner.closed
    }

    /// Notes where the cleaning ended.
    pub(crate) fn finish(&self, end_offset: i64) {
        let mut inner = self.log.cleaning.lock();
        if !inner.aborted {
            inner.checkpoint = Some(end_offset);
        }
    }
}

impl Drop for CleaningTurn {
    fn drop(&mut self) {
        let mut inner = self.log.cleaning.lock();
        (inner.in_progress, inner.aborted) = (false, false);
    }
}

impl Log {
    /// The turn to clean the log, unless somebody has it, or nobody may.
    pub(crate) fn begin_cleaning(self: &Arc<Log>) -> Option<CleaningTurn> {
        let mut inner = self.cleaning.lock();
        if inner.in_progress || inner.closed || inner.paused || inner.uncleanable.is_some() {
            return None;
        }
        inner.in_progress = true;
        drop(inner);
        Some(CleaningTurn { log: self.clone() })
    }

    /// Calls off a cleaning in progress: what it found is not true any more.
    pub fn abort_cleaning(&self) {
        let mut inner = self.cleaning.lock();
        inner.aborted = inner.in_progress;
    }

    /// Calls off a cleaning in progress and any later one: the log is on its way out.
    pub fn end_cleaning(&self) {
        self.cleaning.lock().closed = true;
    }

    /// Keeps cleaners away while the log is copied to another directory, and calls off one that is at it: a tombstone must
    /// not go before it was copied, when what it deletes has been.
    pub(crate) fn pause_cleaning(&self) {
        let mut inner = self.cleaning.lock();
        inner.aborted |= inner.in_progress;
        inner.paused = true;
    }

    /// Ends what [`Log::pause_cleaning`] began.
    pub(crate) fn resume_cleaning(&self) {
        self.cleaning.lock().paused = false;
    }

    /// Keeps cleaners away from now on, for a reason that they found in it.
    pub(crate) fn mark_uncleanable(&self, reason: String) {
        self.cleaning.lock().uncleanable.get_or_insert(reason);
    }

    /// Why cleaners keep away; `None` while they do not.
    pub fn uncleanable_reason(&self) -> Option<String> {
        self.cleaning.lock().uncleanable.clone()
    }

    /// Where the last cleaning ended, as `cleaner-offset-checkpoint` has it; `None` before the first.
    pub fn cleaner_checkpoint(&self) -> Option<Offset> {
        self.cleaning.lock().checkpoint.map(Offset)
    }

    /// Sets what the checkpoint file said.
    pub(crate) fn set_cleaner_checkpoint(&self, offset: Option<Offset>) {
        self.cleaning.lock().checkpoint = offset.map(|offset| offset.0);
    }

    /// After a truncation: what the last cleaning reached is at most the active segment's base.
    pub(super) fn truncate_cleaner_checkpoint(&self) -> Result<(), StorageError> {
        let active = self.active()?.base_offset;
        let mut inner = self.cleaning.lock();
        inner.aborted = inner.in_progress;
        inner.checkpoint = inner.checkpoint.map(|offset| offset.min(active));
        Ok(())
    }

    /// What a cleaner must know to choose a log, and to clean this one; and why the checkpoint is not believed, if it is not.
    pub(crate) fn cleaning_facts(&self) -> Result<(LogFacts, Option<Reset>), StorageError> {
        let config = self.config.load();
        let checkpoint = self.cleaning.lock().checkpoint;
        let (first_dirty, reset) = first_dirty(checkpoint, self.log_start_offset().0, self.log_end_offset().0);
        let wants_largest = config.min_compaction_lag.is_some();
        let wants_first = config.max_compaction_lag.is_some();
        let segments = self.segments.load();
        let dirty = segments.partition_point(|segment| segment.base_offset <= first_dirty).saturating_sub(1);
        let facts = |(number, segment): (usize, &Arc<Segment>)| {
            let is_wanted = number >= dirty && number + 1 < segments.len();
            let largest = (is_wanted && wants_largest).then(|| segment.largest_timestamp()).transpose()?;
            let first = (is_wanted && wants_first).then(|| segment.first_timestamp()).transpose()?.flatten();
            Ok(SegmentFacts {
                base_offset: segment.base_offset,
                size: segment.size(),
                largest_timestamp_ms: largest.map(|largest| largest.timestamp),
                first_timestamp_ms: first,
            })
        };
        let segments = segments.iter().enumerate().map(facts).collect::<Result<_, StorageError>>()?;
        Ok((LogFacts { segments, first_dirty, last_stable_offset: self.last_stable_offset().0 }, reset))
    }

    /// The segments below an offset that lie in closed ones.
    pub(crate) fn closed_segments_below(&self, offset: i64) -> Vec<Arc<Segment>> {
        let segments = self.segments.load();
        let closed = segments.split_last().map_or(&[][..], |(_, closed)| closed);
        closed.iter().take_while(|segment| segment.base_offset < offset).cloned().collect()
    }

    /// Aborted transactions that overlap [from, to).
    pub(crate) fn aborted_between(&self, from: i64, to: i64) -> Result<Vec<AbortedTxn>, StorageError> {
        let segments = self.segments.load();
        let first = segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        let mut found = Vec::new();
        for segment in segments.iter().skip(first) {
            if segment.txn_index.collect(from, to, &mut found)? {
                break;
            }
        }
        Ok(found)
    }

    /// What is remembered of each producer.
    pub(crate) fn last_records_of_producers(&self) -> HashMap<i64, LastRecord> {
        let state = self.state();
        let last = |entry: &crate::producer_state::ProducerEntry| LastRecord {
            last_data_offset: entry.batches.back().map(|batch| batch.last_offset),
            producer_epoch: entry.producer_epoch,
        };
        state.producers.producers().iter().map(|(id, entry)| (*id, last(entry))).collect()
    }

    /// An empty output that will replace segments from `base_offset` on.
    pub(crate) fn cleaned_output(&self, base_offset: i64) -> Result<Output, StorageError> {
        let interval = self.config.load().index_interval_bytes;
        Output::create(self.context.disk.clone(), self.dir.clone(), base_offset, interval)
    }

    /// Puts a finished output in the place of `old`, neighbours of which the first begins where the output does. `false`:
    /// the log has changed meanwhile, and nothing was done.
    pub(crate) fn replace_segments(
        &self,
        turn: &CleaningTurn,
        old: &[Arc<Segment>],
        output: &Output,
    ) -> Result<bool, StorageError> {
        let mut state = self.state();
        let listed = self.segments.load_full();
        let Some(range) = place_of(&listed, old).filter(|_| !turn.is_aborted()) else { return Ok(false) };
        self.is_dirty.store(true, Ordering::Release);
        // From here on a reader that comes late finds no index under the old name that belongs to the new file.
        old.iter().try_for_each(|segment| segment.retire())?;
        self.has_new_entries.store(true, Ordering::Release);
        self.rename_output(output, FileState::Cleaned, FileState::Swap)?;
        self.doom_replaced(&mut state, old, output.base_offset)?;
        self.rename_output(output, FileState::Swap, FileState::Plain)?;
        let now_ms = self.context.clock.now_ms();
        let config = self.config.load_full();
        let has_txn_index = output.kinds().contains(&FileKind::TxnIndex);
        let new = Segment::open(&self.context.disk, &self.dir, output.base_offset, &config, now_ms, has_txn_index)?;
        let mut segments = listed.as_ref().clone();
        segments.splice(range, [Arc::new(new)]);
        self.segments.store(Arc::new(segments));
        drop(state);
        let dir = self.dir();
        self.context.disk.sync_dir(&dir).attempt("sync", &dir)?;
        Ok(true)
    }

    fn rename_output(&self, output: &Output, from: FileState, to: FileState) -> Result<(), StorageError> {
        for kind in output.kinds() {
            let (from, to) = (output.path(*kind, from), output.path(*kind, to));
            self.context.disk.rename(&from, &to).attempt("rename", &from)?;
        }
        Ok(())
    }

    /// As [`Log::doom`], but the producers' snapshot where the output begins stays.
    fn doom_replaced(&self, state: &mut State, old: &[Arc<Segment>], base_offset: i64) -> Result<(), StorageError> {
        let due_ms = self.context.clock.now_ms().saturating_add(millis(self.config.load().file_delete_delay));
        for segment in old {
            let is_first = segment.base_offset == base_offset;
            let kinds = if is_first { &FileKind::SEGMENT[..] } else { &FileKind::ALL };
            let marked = segment.mark_deleted(kinds)?;
            if !is_first {
                state.snapshots.retain(|offset| *offset != segment.base_offset);
            }
            self.doomed().extend(marked.into_iter().map(|path: PathBuf| (due_ms, path)));
        }
        Ok(())
    }

    /// Sizes that decide which segments are joined.
    pub(crate) fn sizes_of(segments: &[Arc<Segment>]) -> Result<Vec<SegmentSizes>, StorageError> {
        let sizes = |segment: &Arc<Segment>| {
            Ok(SegmentSizes {
                base_offset: segment.base_offset,
                log_bytes: segment.size(),
                offset_index_bytes: segment.offset_index.files().bytes()?,
                time_index_bytes: segment.time_index.files().bytes()?,
            })
        };
        segments.iter().map(sizes).collect()
    }
}

/// Where the segments are in the list: one behind the other, none of them the active one.
fn place_of(listed: &[Arc<Segment>], old: &[Arc<Segment>]) -> Option<std::ops::Range<usize>> {
    let first = old.first()?;
    let start = listed.iter().position(|segment| Arc::ptr_eq(segment, first))?;
    let range = start..start + old.len();
    let found = listed.get(range.clone())?;
    let same = found.iter().zip(old).all(|(listed, old)| Arc::ptr_eq(listed, old));
    (same && range.end < listed.len()).then_some(range)
}
