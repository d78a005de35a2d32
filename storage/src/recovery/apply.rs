//! Carries out what `plan.rs` decided, and the scan after an unclean stop. Rules: Kafka's `LogLoader`.

use std::path::PathBuf;
use std::sync::Arc;

use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

use super::plan::{FoundSegment, Step, plan_segments, plan_temporary, valid_swaps};
use super::progress::SegmentsLeft;
use super::split::{fits, write_parts};
use crate::batch::Batch;
use crate::error::{Attempt, StorageError};
use crate::file_name::FileKind;
use crate::leader_epoch_cache::LeaderEpochCache;
use crate::log::{LoadHints, LogContext};
use crate::log_config::{LogConfig, millis};
use crate::log_path::SharedDir;
use crate::producer_snapshot;
use crate::producer_state::{ProducerState, is_expired};
use crate::scan::{ScanError, Scanner};
use crate::segment::Segment;

/// A log as it was found, put in order.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Ascending; at least one.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) epochs: LeaderEpochCache,
    pub(crate) producers: ProducerState,
    pub(crate) snapshots: Vec<i64>,
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) recovery_point: i64,
    /// The last stop was clean.
    pub(crate) was_clean: bool,
    /// Files that wait to be removed.
    pub(crate) doomed: Vec<(i64, PathBuf)>,
}

/// Opens the log in `dir`.
pub(crate) fn load(
    dir: &SharedDir,
    partition: &TopicPartition,
    config: &LogConfig,
    hints: LoadHints,
    context: &LogContext,
    segments_left: SegmentsLeft<'_>,
) -> Result<Loaded, StorageError> {
    let loader = Loader { dir, partition, config, hints, context, segments_left };
    loader.finish_temporary()?;
    let mut epochs = LeaderEpochCache::load(context.disk.clone(), dir.clone())?;
    loop {
        match loader.open_and_recover(&mut epochs) {
            Ok(parts) => return loader.finish(parts, epochs),
            Err(Stop::Fault(error)) => return Err(error),
            Err(Stop::OffsetOverflow(segment)) => loader.split(&segment)?,
        }
    }
}

/// Why recovery cannot go on.
enum Stop {
    Fault(StorageError),
    /// The segment has to be split, and then all begins again.
    OffsetOverflow(Arc<Segment>),
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Stop {
        Stop::Fault(error)
    }
}

/// What becomes of a scanned batch.
enum Verdict {
    Taken,
    /// The segment ends before it.
    Broken(String),
    /// Its offsets are too far from the segment's first.
    OffsetOverflow,
}

struct Loader<'a> {
    dir: &'a SharedDir,
    partition: &'a TopicPartition,
    config: &'a LogConfig,
    hints: LoadHints,
    context: &'a LogContext,
    segments_left: SegmentsLeft<'a>,
}

/// What became of a scanned segment.
struct Recovered {
    /// Bytes at its end were no batches.
    was_cut: bool,
    /// Offset behind its last batch.
    next_offset: i64,
}

/// What is being put together.
struct Parts {
    segments: Vec<Arc<Segment>>,
    snapshots: Vec<i64>,
    doomed: Vec<(i64, PathBuf)>,
    /// As of the end of the segment that was scanned last. Better than its snapshot, which has one batch of each producer:
    /// a producer whose broker was killed may send again the last five. (Kafka keeps one, and so appends four again.)
    producers: Option<ProducerState>,
}

impl Parts {
    /// The producers of the segment scanned last, if that ended at `end_offset`.
    fn producers_as_of(&mut self, end_offset: i64) -> Option<ProducerState> {
        self.producers.take().filter(|producers| producers.map_end_offset() == end_offset)
    }
}

impl Loader<'_> {
    fn open_and_recover(&self, epochs: &mut LeaderEpochCache) -> Result<Parts, Stop> {
        let mut parts = self.open_segments(epochs)?;
        if !self.hints.clean_shutdown {
            self.recover_unflushed(&mut parts, epochs)?;
        }
        Ok(parts)
    }

    /// Replaces a segment by several whose offsets fit their indexes.
    fn split(&self, segment: &Segment) -> Result<(), StorageError> {
        let path = segment.path(FileKind::Log);
        tracing::info!(partition = %self.partition, path = %path.display(), "offsets overflow the index, splitting the segment");
        let renames = write_parts(self.dir, segment, self.context)?;
        self.carry_out(&renames)?;
        let dir = self.dir.load();
        self.context.disk.sync_dir(&dir).attempt("sync", &dir)?;
        self.finish_temporary()
    }

    fn names(&self) -> Result<Vec<String>, StorageError> {
        let dir = self.dir.load();
        let entries = self.context.disk.read_dir(&dir).attempt("list", &dir)?;
        Ok(entries.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect())
    }

    fn carry_out(&self, steps: &[Step]) -> Result<(), StorageError> {
        let dir = self.dir.load();
        for step in steps {
            match step {
                Step::Remove(name) => {
                    let path = dir.join(name);
                    self.context.disk.remove_file(&path).attempt("remove", &path)?;
                }
                Step::Rename(from, to) => {
                    let path = dir.join(from);
                    self.context.disk.rename(&path, &dir.join(to)).attempt("rename", &path)?;
                }
            }
        }
        Ok(())
    }

    fn finish_temporary(&self) -> Result<(), StorageError> {
        let names = self.names()?;
        let mut swap_end = i64::MIN;
        for swap in valid_swaps(&names).iter().filter(|file| file.kind == FileKind::Log) {
            let path = self.dir.load().join(swap.name());
            let file = self.context.disk.open_read(&path).attempt("open", &path)?;
            let len = file.len().attempt("look at", &path)?;
            let batches = Scanner::new(file, 0, len).map_while(Result::ok);
            let end = batches.fold(swap.offset, |_, (_, batch)| batch.header.next_offset());
            swap_end = swap_end.max(end);
        }
        self.carry_out(&plan_temporary(&names, swap_end))
    }

    fn open_segments(&self, epochs: &mut LeaderEpochCache) -> Result<Parts, Stop> {
        let layout = plan_segments(&self.names()?);
        self.carry_out(&layout.steps)?;
        let mut parts =
            Parts { segments: Vec::new(), snapshots: layout.snapshots, doomed: Vec::new(), producers: None };
        let last_base = layout.segments.last().map(|last| last.base_offset);
        for found in layout.segments {
            let segment = Arc::new(self.open_segment(&found)?);
            // An unclean stop scans the newer ones anyway.
            let is_scanned_later = !self.hints.clean_shutdown && found.base_offset >= self.hints.recovery_point.0;
            if !is_scanned_later && !self.has_indexes(&segment, &found, last_base == Some(found.base_offset))? {
                let base_offset = found.base_offset;
                tracing::warn!(partition = %self.partition, base_offset, "indexes are missing or damaged, building them again");
                self.recover(&segment, &mut parts, epochs)?;
            }
            parts.segments.push(segment);
        }
        Ok(parts)
    }

    fn open_segment(&self, found: &FoundSegment) -> Result<Segment, StorageError> {
        let now_ms = self.context.clock.now_ms();
        Segment::open(&self.context.disk, self.dir, found.base_offset, self.config, now_ms, found.has_txn_index)
    }

    /// Whether the index files are there and can be true. Those of older segments are not opened for this: a wrong offset
    /// index is noticed when it is used.
    fn has_indexes(&self, segment: &Segment, found: &FoundSegment, is_last: bool) -> Result<bool, StorageError> {
        if found.index_missing || (found.has_txn_index && !segment.txn_index.is_sane()?) {
            return Ok(false);
        }
        Ok(!is_last
            || (segment.offset_index.is_sane(segment.size())?
                && segment.time_index.is_sane()?
                && self.is_whole(segment)?))
    }

    /// Whether the log ends with a whole batch. If not, somebody has cut or extended the file since the clean stop, and what
    /// is appended behind the rest of a batch could not be read.
    fn is_whole(&self, segment: &Segment) -> Result<bool, StorageError> {
        match segment.read_next_offset() {
            Ok(_) => Ok(true),
            Err(StorageError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Scans one segment whose elders are in `parts`, rebuilds its indexes, and cuts it at the first broken batch.
    fn recover(
        &self,
        segment: &Arc<Segment>,
        parts: &mut Parts,
        epochs: &mut LeaderEpochCache,
    ) -> Result<Recovered, Stop> {
        let start = self.hints.log_start_offset.0;
        let elders: Vec<Arc<Segment>> =
            parts.segments.iter().filter(|elder| elder.base_offset < segment.base_offset).cloned().collect();
        let base = segment.base_offset;
        let mut producers = match parts.producers_as_of(base) {
            Some(producers) => producers,
            None => rebuild_producers(self.dir, &elders, &mut parts.snapshots, start, base, self.context)?,
        };
        segment.reset_indexes()?;
        let size = segment.size();
        let mut scanner = segment.scan(0)?;
        let mut next_offset = base;
        let mut valid_end = 0;
        for item in scanner.by_ref() {
            let (position, batch) = match item {
                Ok(item) => item,
                Err(ScanError::Batch { position, error }) => {
                    self.report_cut(segment, position, &error.to_string());
                    break;
                }
                Err(error) => return Err(segment.scan_error(error).into()),
            };
            match self.take_batch(segment, position, &batch, next_offset, &mut producers, epochs)? {
                Verdict::Taken => {}
                Verdict::OffsetOverflow => return Err(Stop::OffsetOverflow(segment.clone())),
                Verdict::Broken(what) => {
                    self.report_cut(segment, position, &what);
                    break;
                }
            }
            next_offset = batch.header.next_offset();
            valid_end = position + batch.header.size as u64;
        }
        segment.cut_file(valid_end)?;
        segment.seal()?;
        // The next segment begins from here and need not read this one again.
        producers.set_map_end_offset(next_offset);
        if next_offset > base {
            let path = self.dir.load().join(FileKind::Snapshot.name(next_offset));
            producer_snapshot::write(&*self.context.disk, &path, &producers)?;
            parts.snapshots.retain(|at| *at != next_offset);
            parts.snapshots.push(next_offset);
            parts.snapshots.sort_unstable();
        }
        parts.producers = Some(producers);
        Ok(Recovered { was_cut: valid_end < size, next_offset })
    }

    /// Indexes one scanned batch, if it belongs here.
    fn take_batch(
        &self,
        segment: &Segment,
        position: u64,
        batch: &Batch,
        next_offset: i64,
        producers: &mut ProducerState,
        epochs: &mut LeaderEpochCache,
    ) -> Result<Verdict, StorageError> {
        if let Err(error) = batch.check_crc() {
            return Ok(Verdict::Broken(error.to_string()));
        }
        let header = &batch.header;
        if header.base_offset < next_offset || header.last_offset() < header.base_offset {
            let what = format!("offset {} where {next_offset} or more was due", header.base_offset);
            return Ok(Verdict::Broken(what));
        }
        if !fits(segment.base_offset, header.last_offset()) {
            return Ok(Verdict::OffsetOverflow);
        }
        let aborted = match producers.replay(batch) {
            Ok(aborted) => aborted,
            Err(error) => return Ok(Verdict::Broken(error.to_string())),
        };
        segment.index_existing(batch, position, self.config.index_interval_bytes)?;
        segment.append_aborted(&aborted)?;
        let epoch = LeaderEpoch(header.leader_epoch);
        if header.magic == 2 && epoch.0 >= 0 && epochs.latest().is_none_or(|latest| epoch > latest) {
            epochs.assign(epoch, Offset(header.base_offset));
        }
        Ok(Verdict::Taken)
    }

    fn report_cut(&self, segment: &Segment, position: u64, what: &str) {
        let path = segment.path(FileKind::Log);
        tracing::warn!(partition = %self.partition, path = %path.display(), position, what, "broken batch: the log ends before it");
    }

    fn recover_unflushed(&self, parts: &mut Parts, epochs: &mut LeaderEpochCache) -> Result<(), Stop> {
        let point = self.hints.recovery_point.0;
        // The segment that contains the recovery point may have unflushed bytes behind it.
        let first = parts.segments.partition_point(|segment| segment.base_offset <= point).saturating_sub(1);
        let unflushed = parts.segments.get(first..).unwrap_or_default().to_vec();
        let count = unflushed.len();
        for (number, segment) in unflushed.iter().enumerate() {
            self.segments_left.set(count - number);
            let (base_offset, partition) = (segment.base_offset, self.partition);
            tracing::info!("Recovering unflushed segment {base_offset}. {number}/{count} recovered for {partition}.");
            let recovered = self.recover(segment, parts, epochs)?;
            let gone = unflushed.get(number + 1..).unwrap_or_default();
            let next_base = gone.first().map_or(recovered.next_offset, |next| next.base_offset);
            // Whole batches that never reached the disk leave no broken one behind, only a gap. Cleaning leaves gaps too,
            // and those are right. (Kafka keeps what lies behind either kind.)
            let has_gap = next_base > recovered.next_offset && !self.config.compact;
            // A truncation removed the next segment, and this one has grown past it since, but the removal was lost.
            let overlaps = next_base < recovered.next_offset;
            if !recovered.was_cut && !has_gap && !overlaps {
                continue;
            }
            parts.segments.truncate(first + number + 1);
            self.doom(gone, parts)?;
            break;
        }
        self.segments_left.set(0);
        Ok(())
    }

    fn doom(&self, gone: &[Arc<Segment>], parts: &mut Parts) -> Result<(), StorageError> {
        let due_ms = self.context.clock.now_ms().saturating_add(millis(self.config.file_delete_delay));
        for segment in gone {
            tracing::warn!(partition = %self.partition, base_offset = segment.base_offset, "removing the segment behind a break");
            let marked = segment.mark_deleted(&FileKind::ALL)?;
            parts.snapshots.retain(|offset| *offset != segment.base_offset);
            parts.doomed.extend(marked.into_iter().map(|path| (due_ms, path)));
        }
        Ok(())
    }

    fn finish(&self, mut parts: Parts, mut epochs: LeaderEpochCache) -> Result<Loaded, StorageError> {
        let start = self.hints.log_start_offset.0;
        let mut end = parts.segments.last().map(|last| last.read_next_offset()).transpose()?;
        if let Some(short) = end.filter(|end| *end < start) {
            tracing::warn!(partition = %self.partition, log_end_offset = short, log_start_offset = start, "the log ends before its start");
            let gone = std::mem::take(&mut parts.segments);
            self.doom(&gone, &mut parts)?;
            epochs.clear();
            end = None;
        }
        if parts.segments.is_empty() {
            let now_ms = self.context.clock.now_ms();
            parts.segments.push(Arc::new(Segment::create(&self.context.disk, self.dir, start, self.config, now_ms)?));
        }
        let log_end_offset = end.unwrap_or(start);
        // Opened for the end offset; an idle log needs them no more.
        for segment in &parts.segments {
            segment.close_indexes()?;
            segment.close_file();
        }
        let first_base = parts.segments.first().map_or(start, |first| first.base_offset);
        let log_start_offset = start.max(first_base);
        epochs.truncate_from_end(Offset(log_end_offset));
        epochs.truncate_from_start(Offset(log_start_offset));
        let scanned = parts.producers_as_of(log_end_offset);
        let snapshots = &mut parts.snapshots;
        self.remove_snapshots(snapshots, log_start_offset, log_end_offset)?;
        let mut producers = match scanned {
            Some(producers) => producers,
            None => {
                rebuild_producers(self.dir, &parts.segments, snapshots, log_start_offset, log_end_offset, self.context)?
            }
        };
        producers.remove_expired(self.context.clock.now_ms(), millis(self.context.producer_id_expiration));
        let recovery_point =
            if self.hints.clean_shutdown { log_end_offset } else { self.hints.recovery_point.0.min(log_end_offset) };
        Ok(Loaded {
            segments: parts.segments,
            epochs,
            producers,
            snapshots: parts.snapshots,
            log_start_offset,
            log_end_offset,
            recovery_point,
            was_clean: self.hints.clean_shutdown,
            doomed: parts.doomed,
        })
    }

    /// Snapshots outside of the log say nothing true.
    fn remove_snapshots(&self, snapshots: &mut Vec<i64>, start: i64, end: i64) -> Result<(), StorageError> {
        let (kept, gone): (Vec<i64>, Vec<i64>) = snapshots.iter().partition(|at| **at > start && **at <= end);
        *snapshots = kept;
        let steps: Vec<Step> = gone.iter().map(|at| Step::Remove(FileKind::Snapshot.name(*at))).collect();
        self.carry_out(&steps)
    }
}

/// The producers as of `end_offset`: the newest usable snapshot at or below it, and the batches behind that. A snapshot
/// that cannot be read is removed and forgotten.
pub(crate) fn rebuild_producers(
    dir: &SharedDir,
    segments: &[Arc<Segment>],
    snapshots: &mut Vec<i64>,
    log_start_offset: i64,
    end_offset: i64,
    context: &LogContext,
) -> Result<ProducerState, StorageError> {
    let mut producers = from_snapshot(dir, snapshots, log_start_offset, end_offset, context)?;
    let from = producers.map_end_offset();
    if from >= end_offset {
        return Ok(producers);
    }
    let first = segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
    for segment in segments.iter().skip(first) {
        let start = segment.find(from.max(segment.base_offset))?.map_or(segment.size(), |found| found.position);
        for item in segment.scan(start)? {
            let (position, batch) = item.map_err(|error| segment.scan_error(error))?;
            if batch.header.base_offset >= end_offset {
                break;
            }
            let damaged = |what: String| StorageError::Damaged { path: segment.path(FileKind::Log), what };
            producers.replay(&batch).map_err(|error| damaged(format!("at position {position}: {error}")))?;
        }
    }
    producers.set_map_end_offset(end_offset);
    Ok(producers)
}

fn from_snapshot(
    dir: &SharedDir,
    snapshots: &mut Vec<i64>,
    log_start_offset: i64,
    end_offset: i64,
    context: &LogContext,
) -> Result<ProducerState, StorageError> {
    while let Some(offset) = snapshots.iter().rev().find(|at| **at <= end_offset && **at > log_start_offset).copied() {
        let path = dir.load().join(FileKind::Snapshot.name(offset));
        match producer_snapshot::read(&*context.disk, &path) {
            Ok(entries) => {
                let mut producers = ProducerState::new(offset);
                let (now_ms, expiration_ms) = (context.clock.now_ms(), millis(context.producer_id_expiration));
                for (producer_id, entry) in entries {
                    if !is_expired(&entry, now_ms, expiration_ms) {
                        producers.restore(producer_id, entry);
                    }
                }
                return Ok(producers);
            }
            Err(StorageError::Damaged { path, what }) => {
                tracing::warn!(path = %path.display(), what, "producer snapshot is damaged, removing it");
                context.disk.remove_file(&path).attempt("remove", &path)?;
                snapshots.retain(|at| *at != offset);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(ProducerState::new(log_start_offset))
}
