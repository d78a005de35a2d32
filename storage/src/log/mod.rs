//! One partition's log: segments in offset order, of which the last takes appends.
//!
//! Always: log start offset ≤ last stable offset ≤ high watermark ≤ log end offset. The high watermark is told from
//! outside (`replica`), the log only keeps it within these bounds.
//!
//! Locks, in this order: `state` (whoever changes the log: append, roll, truncate, delete), then `epochs`, then those
//! inside segments and `Tail`. Readers take none that is held for longer than a few instructions: the segment list is
//! swapped whole, and bytes below a published size do not change. Nothing here waits for anything but the disk.
//!
//! A failed write or sync takes the log directory offline (`health.rs`): what is in memory may then disagree with the
//! file, and only loading it again makes them agree.

mod append;
mod clean;
mod maintain;
mod read;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use world::{Clock, Disk};
use zk_paths::ids::{LeaderEpoch, Offset, TopicId, TopicPartition};

use crate::error::StorageError;
use crate::health::DirHealth;
use crate::leader_epoch_cache::LeaderEpochCache;
use crate::log_config::LogConfig;
use crate::log_path::{LogPath, SharedDir};
use crate::memory::ConversionMemory;
use crate::producer_state::ProducerState;
use crate::recovery::progress::SegmentsLeft;
use crate::recovery::{self, Loaded};
use crate::segment::Segment;
use crate::tail::Tail;

use clean::Cleaning;
pub(crate) use clean::CleaningTurn;

pub use append::{DueFlush, LogAppendInfo};
pub use maintain::LogStartError;
pub use read::{FetchSlice, Fetched, ReadError, TimestampOffset};

/// What a log needs of its surroundings.
#[derive(Debug, Clone)]
pub struct LogContext {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// State of the log directory that the log is in.
    pub health: Arc<DirHealth>,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration: Duration,
    /// For records that are converted or packed anew, shared by all logs.
    pub memory: ConversionMemory,
}

/// What is known of a log before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadHints {
    /// The last stop was clean: nothing needs to be scanned.
    pub clean_shutdown: bool,
    /// Everything below is flushed.
    pub recovery_point: Offset,
    /// From the checkpoint; 0 without.
    pub log_start_offset: Offset,
}

impl Default for LoadHints {
    fn default() -> Self {
        LoadHints { clean_shutdown: false, recovery_point: Offset::ZERO, log_start_offset: Offset::ZERO }
    }
}

/// A partition's log. Shared between threads; see the module's head for who waits for whom.
#[derive(Debug)]
pub struct Log {
    partition: TopicPartition,
    context: LogContext,
    dir: SharedDir,
    /// The directory waits for its deletion; what is in it matters to nobody any more.
    is_retired: AtomicBool,
    config: ArcSwap<LogConfig>,
    topic_id: Mutex<Option<TopicId>>,
    segments: ArcSwap<Vec<Arc<Segment>>>,
    state: Mutex<State>,
    epochs: RwLock<LeaderEpochCache>,
    tail: Tail,
    log_start_offset: AtomicI64,
    high_watermark: AtomicI64,
    /// Records below survive a crash, and so do the indexes of segments that end below: the next start believes both.
    recovery_point: AtomicI64,
    /// Records below survive a crash; their indexes are built again where they do not. At or above the recovery point.
    flushed_offset: AtomicI64,
    /// -1: no transaction holds anything back.
    first_unstable_offset: AtomicI64,
    /// `partition.metadata` will survive a crash.
    metadata_is_durable: AtomicBool,
    /// The directory itself will survive a crash.
    dir_is_durable: AtomicBool,
    /// Files were made, renamed or removed in the directory since it was synced.
    has_new_entries: AtomicBool,
    /// Something happened since the log was opened or closed, so that closing has something to do.
    is_dirty: AtomicBool,
    cleaning: Cleaning,
    /// Files that were renamed to `.deleted`, with the time from which they may go.
    doomed: Mutex<Vec<(i64, PathBuf)>>,
}

/// What the append lock guards.
#[derive(Debug)]
struct State {
    producers: ProducerState,
    /// Offsets of the snapshots on disk, ascending.
    snapshots: Vec<i64>,
    /// When the oldest unsynced record may have been appended.
    last_flush_ms: i64,
    /// How often records were cut off: a flush during which that happened has flushed what is gone.
    truncations: u64,
}

impl Log {
    /// Opens the log in `dir` (which must exist), recovers it as far as `hints` ask, and makes an empty segment in a new
    /// directory.
    pub fn open(
        dir: &Path,
        partition: TopicPartition,
        config: LogConfig,
        hints: LoadHints,
        context: LogContext,
    ) -> Result<Log, StorageError> {
        Log::open_counting(dir, partition, config, hints, context, SegmentsLeft::default())
    }

    /// The same; the segments that are yet to be scanned are counted down meanwhile.
    pub(crate) fn open_counting(
        dir: &Path,
        partition: TopicPartition,
        config: LogConfig,
        hints: LoadHints,
        context: LogContext,
        segments_left: SegmentsLeft<'_>,
    ) -> Result<Log, StorageError> {
        let shared = LogPath::new(dir.to_owned());
        let loaded = recovery::load(&shared, &partition, &config, hints, &context, segments_left)?;
        let topic_id = match crate::partition_metadata::read(&*context.disk, dir) {
            // It is synced with the first flush only; what a power failure left of it says nothing.
            Err(StorageError::Damaged { path, what }) if !hints.clean_shutdown => {
                tracing::warn!(path = %path.display(), what, "torn by a crash, going on without it");
                None
            }
            read => read?,
        };
        Ok(Log::assemble(partition, context, shared, config, topic_id, loaded))
    }

    fn assemble(
        partition: TopicPartition,
        context: LogContext,
        dir: SharedDir,
        config: LogConfig,
        topic_id: Option<TopicId>,
        loaded: Loaded,
    ) -> Log {
        let (base, size) = loaded.segments.last().map_or((0, 0), |active| (active.base_offset, active.size()));
        let first_unstable = loaded.producers.first_unstable_offset().unwrap_or(-1);
        let now_ms = context.clock.now_ms();
        Log {
            partition,
            context,
            dir,
            is_retired: AtomicBool::new(false),
            config: ArcSwap::from_pointee(config),
            topic_id: Mutex::new(topic_id),
            segments: ArcSwap::from_pointee(loaded.segments),
            state: Mutex::new(State {
                producers: loaded.producers,
                snapshots: loaded.snapshots,
                last_flush_ms: now_ms,
                truncations: 0,
            }),
            epochs: RwLock::new(loaded.epochs),
            tail: Tail::new(base, loaded.log_end_offset, size),
            log_start_offset: AtomicI64::new(loaded.log_start_offset),
            high_watermark: AtomicI64::new(loaded.log_start_offset),
            recovery_point: AtomicI64::new(loaded.recovery_point),
            flushed_offset: AtomicI64::new(loaded.recovery_point),
            first_unstable_offset: AtomicI64::new(first_unstable),
            metadata_is_durable: AtomicBool::new(loaded.was_clean),
            dir_is_durable: AtomicBool::new(loaded.was_clean),
            has_new_entries: AtomicBool::new(true),
            is_dirty: AtomicBool::new(!loaded.was_clean),
            cleaning: Cleaning::default(),
            doomed: Mutex::new(loaded.doomed),
        }
    }

    /// Whose log this is.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Its directory, as it is called right now.
    pub fn dir(&self) -> PathBuf {
        self.dir.load().as_ref().clone()
    }

    /// The log directory that its directory is in.
    pub fn parent_dir(&self) -> &Path {
        self.context.health.path()
    }

    /// An error when its log directory is offline.
    pub fn check_online(&self) -> Result<(), StorageError> {
        self.context.health.check()
    }

    /// Its settings right now.
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    /// Swaps its settings; appends in progress finish with the old ones. A log that is no longer compacted is no longer
    /// cleaned.
    pub fn update_config(&self, config: LogConfig) {
        let is_compact = config.compact;
        let former = self.config.swap(Arc::new(config));
        if former.compact && !is_compact {
            self.abort_cleaning();
        }
    }

    /// The topic's id, if the directory says.
    pub fn topic_id(&self) -> Option<TopicId> {
        *self.topic_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `partition.metadata`. An id that is there already stays; comparing them is the caller's.
    pub fn assign_topic_id(&self, id: TopicId) -> Result<(), StorageError> {
        let mut known = self.topic_id.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() || id.is_zero() {
            return Ok(());
        }
        let written = crate::partition_metadata::write(&*self.context.disk, &self.dir(), id);
        self.context.health.watch(written)?;
        self.metadata_is_durable.store(false, Ordering::Release);
        self.is_dirty.store(true, Ordering::Release);
        *known = Some(id);
        Ok(())
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> Offset {
        Offset(self.log_start_offset.load(Ordering::Acquire))
    }

    /// First offset of the oldest segment; the log start offset may be above it.
    pub fn first_segment_offset(&self) -> Offset {
        Offset(self.segments.load().first().map_or(0, |segment| segment.base_offset))
    }

    /// First offset behind the oldest segment; `None` while that is the only one.
    pub fn first_segment_end(&self) -> Option<Offset> {
        self.segments.load().get(1).map(|second| Offset(second.base_offset))
    }

    /// The offset that the next record will get.
    pub fn log_end_offset(&self) -> Offset {
        Offset(self.tail.end_offset())
    }

    /// Records below are on all in-sync replicas.
    pub fn high_watermark(&self) -> Offset {
        Offset(self.high_watermark.load(Ordering::Acquire))
    }

    /// Records below are on all in-sync replicas and of no undecided transaction.
    pub fn last_stable_offset(&self) -> Offset {
        let high_watermark = self.high_watermark.load(Ordering::Acquire);
        match self.first_unstable_offset.load(Ordering::Acquire) {
            -1 => Offset(high_watermark),
            first_unstable => Offset(first_unstable.max(self.log_start_offset().0).min(high_watermark)),
        }
    }

    /// Where recovery would begin: everything below is flushed, indexes of closed segments included.
    pub fn recovery_point(&self) -> Offset {
        Offset(self.recovery_point.load(Ordering::Acquire))
    }

    /// Records below survive a power failure.
    pub fn flushed_offset(&self) -> Offset {
        Offset(self.flushed_offset.load(Ordering::Acquire))
    }

    /// Raises the high watermark, within log start and log end. Answers the new one if it moved.
    pub fn raise_high_watermark(&self, to: Offset) -> Option<Offset> {
        let to = to.0.clamp(self.log_start_offset().0, self.log_end_offset().0);
        let before = self.high_watermark.fetch_max(to, Ordering::AcqRel);
        if to <= before {
            return None;
        }
        self.after_high_watermark(to);
        Some(Offset(to))
    }

    /// Sets the high watermark, up or down, within log start and log end. Answers what it became.
    pub fn set_high_watermark(&self, to: Offset) -> Offset {
        let to = to.0.clamp(self.log_start_offset().0, self.log_end_offset().0);
        self.high_watermark.store(to, Ordering::Release);
        self.after_high_watermark(to);
        Offset(to)
    }

    /// Ended transactions below the high watermark hold nothing back any more.
    fn after_high_watermark(&self, high_watermark: i64) {
        if self.first_unstable_offset.load(Ordering::Acquire) == -1 {
            return;
        }
        let mut state = self.state();
        state.producers.on_high_watermark(high_watermark);
        self.publish_first_unstable(&state);
    }

    /// The epoch of the newest records.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs().latest()
    }

    /// The epoch that wrote the record at `offset`.
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs().epoch_for(offset)
    }

    /// OffsetForLeaderEpoch: the largest epoch not above `epoch` that is known, and where its records end.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let log_end_offset = self.log_end_offset();
        self.epochs().end_offset_for(epoch, log_end_offset)
    }

    /// All known epochs with their start offsets.
    pub fn epoch_entries(&self) -> Vec<(LeaderEpoch, Offset)> {
        self.epochs().entries().to_vec()
    }

    /// A new leader notes where its epoch begins before it takes records (KAFKA-9835).
    pub fn assign_epoch_start(&self, epoch: LeaderEpoch, start_offset: Offset) -> Result<(), StorageError> {
        self.check_online()?;
        let _state = self.state();
        self.epochs_mut().assign(epoch, start_offset);
        self.is_dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments.load().iter().map(|segment| segment.size()).sum()
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.segments.load().len()
    }

    /// Producers that the log remembers.
    pub fn producer_count(&self) -> usize {
        self.state().producers.producers().len()
    }

    /// Passes an outcome on; a failed operation takes the log directory offline.
    pub(crate) fn watch<T>(&self, outcome: Result<T, StorageError>) -> Result<T, StorageError> {
        self.context.health.watch(outcome)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epochs(&self) -> RwLockReadGuard<'_, LeaderEpochCache> {
        self.epochs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn epochs_mut(&self) -> RwLockWriteGuard<'_, LeaderEpochCache> {
        self.epochs.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last segment. There is always one: loading and every change of the list keep it so.
    fn active(&self) -> Result<Arc<Segment>, StorageError> {
        let missing = || StorageError::Damaged { path: self.dir(), what: "a log without segment".to_owned() };
        self.segments.load().last().cloned().ok_or_else(missing)
    }

    fn publish_first_unstable(&self, state: &State) {
        let first_unstable = state.producers.first_unstable_offset().unwrap_or(-1);
        self.first_unstable_offset.store(first_unstable, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
