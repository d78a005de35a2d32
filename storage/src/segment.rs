//! One segment: a file of batches with its three indexes.
//!
//! The append side belongs to whoever holds the log's lock. Readers need no lock: `size` is raised after the bytes are
//! written, and bytes below it do not change until a truncation, which only a follower does.
//!
//! Indexes are hints. A position that an index gives is believed only if a fitting batch begins there; otherwise the
//! segment is read from its start. What makes the last offsets right is recovery, not the index.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use world::{Disk, DiskFile};

use crate::access::Access;
use crate::batch::{Batch, BatchError, BatchHeader, HEADER_SIZE, NO_TIMESTAMP};
use crate::error::{Attempt, StorageError};
use crate::file_name::{FileKind, FileState, SegmentFile};
use crate::log_config::LogConfig;
use crate::log_path::SharedDir;
use crate::offset_index::{OffsetIndex, OffsetPosition};
use crate::ready::ReadyBatch;
use crate::scan::{ScanError, Scanner};
use crate::time_index::{TimeIndex, TimestampAt};
use crate::txn_index::{AbortedTxn, TxnIndex};

/// Slices that one write takes; Linux allows 1024.
const MAX_SLICES: usize = 512;
/// What unpacking one batch of an old format may take while looking for a timestamp.
const UNPACK_LIMIT: usize = 256 << 20;

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    dir: SharedDir,
    disk: Arc<dyn Disk>,
    /// The file of batches, opened when first used: most segments of most logs never are.
    file: ArcSwapOption<Arc<dyn DiskFile>>,
    size: AtomicU64,
    /// The file is longer than `size`, until it is trimmed.
    is_preallocated: AtomicBool,
    pub(crate) offset_index: OffsetIndex,
    pub(crate) time_index: TimeIndex,
    pub(crate) txn_index: TxnIndex,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Largest timestamp and the last offset of its batch; `None` until somebody asks and the time index is read.
    largest: Option<TimestampAt>,
    /// Max timestamp of the first batch; `None` until it is read.
    first_timestamp: Option<i64>,
    created_ms: i64,
    jitter_ms: i64,
    bytes_since_index: u64,
}

/// A batch found by offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) header: BatchHeader,
    pub(crate) position: u64,
}

impl Segment {
    /// Makes an empty segment with its index files; leftovers under these names are emptied.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        dir: &SharedDir,
        base_offset: i64,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Segment, StorageError> {
        let names = [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex].map(|kind| kind.name(base_offset));
        for name in names {
            let path = dir.load().join(name);
            let file = disk.open_or_create(&path).attempt("create", &path)?;
            if !file.is_empty().attempt("look at", &path)? {
                file.set_len(0).attempt("truncate", &path)?;
            }
        }
        let segment = Segment::open(disk, dir, base_offset, config, now_ms, true)?;
        segment.txn_index.reset()?;
        if config.preallocate {
            let allocated = segment.file()?.allocate(config.segment_bytes);
            allocated.attempt_at("preallocate", || segment.path(FileKind::Log))?;
            segment.is_preallocated.store(true, Ordering::Release);
        }
        Ok(segment)
    }

    /// Looks at the log file; all files wait to be opened until they are needed. Without `has_txn_index` its file is not
    /// looked for.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: &SharedDir,
        base_offset: i64,
        config: &LogConfig,
        now_ms: i64,
        has_txn_index: bool,
    ) -> Result<Segment, StorageError> {
        let path = dir.load().join(FileKind::Log.name(base_offset));
        let size = disk.metadata(&path).attempt("look at", &path)?.len;
        let max_bytes = config.segment_index_bytes;
        let new_txn_index = if has_txn_index { TxnIndex::new } else { TxnIndex::new_empty };
        Ok(Segment {
            base_offset,
            dir: dir.clone(),
            disk: disk.clone(),
            file: ArcSwapOption::empty(),
            size: AtomicU64::new(size),
            is_preallocated: AtomicBool::new(false),
            offset_index: OffsetIndex::new(disk.clone(), dir.clone(), base_offset, max_bytes),
            time_index: TimeIndex::new(disk.clone(), dir.clone(), base_offset, max_bytes),
            txn_index: new_txn_index(disk.clone(), dir.clone(), base_offset),
            state: Mutex::new(State {
                largest: None,
                first_timestamp: None,
                created_ms: now_ms,
                jitter_ms: random_jitter(config),
                bytes_since_index: 0,
            }),
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The file of batches. It stays readable for whoever has it, whatever becomes of its name.
    pub(crate) fn file(&self) -> Result<Arc<dyn DiskFile>, StorageError> {
        if let Some(file) = &*self.file.load() {
            return Ok(Arc::clone(file));
        }
        let opened = Arc::new(self.open_file().attempt_at("open", || self.path(FileKind::Log))?);
        // Who was first is right: by now the name may belong to what a cleaning put in this one's place.
        let first = self.file.compare_and_swap(&None::<Arc<Arc<dyn DiskFile>>>, Some(opened.clone()));
        Ok(Arc::clone(first.as_deref().unwrap_or(&opened)))
    }

    /// Opens the file under the name that it has right now: the segment may be on its way out, its directory too.
    fn open_file(&self) -> io::Result<Arc<dyn DiskFile>> {
        let mut missing = io::ErrorKind::NotFound.into();
        for state in [FileState::Plain, FileState::Deleted, FileState::Plain] {
            let file = SegmentFile { offset: self.base_offset, kind: FileKind::Log, state };
            match self.dir.with(|dir| self.disk.open(&dir.join(file.name()))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing = error,
                opened => return opened,
            }
        }
        Err(missing)
    }

    /// Closes the file of batches until it is used again.
    pub(crate) fn close_file(&self) {
        self.file.store(None);
    }

    pub(crate) fn path(&self, kind: FileKind) -> PathBuf {
        self.dir.load().join(kind.name(self.base_offset))
    }

    /// Writes batches behind the last one, and index entries where they are due. Readers see them afterwards.
    pub(crate) fn append(&self, batches: &[ReadyBatch], index_interval_bytes: u64) -> Result<(), StorageError> {
        let start = self.size();
        let file = self.file()?;
        let mut position = start;
        for group in batches.chunks(MAX_SLICES / 2) {
            let parts = group.iter().flat_map(|batch| <[&[u8]; 2]>::from(batch.parts()));
            let mut slices: Vec<IoSlice<'_>> = parts.filter(|part| !part.is_empty()).map(IoSlice::new).collect();
            let at = |source: io::Error| io::Error::new(source.kind(), format!("at position {position}: {source}"));
            let written = file.write_at(&mut slices, position).map_err(at);
            written.attempt_at("append to", || self.path(FileKind::Log))?;
            position += group.iter().map(|batch| batch.header.size as u64).sum::<u64>();
        }
        self.note_appended(batches, start, index_interval_bytes)?;
        self.size.store(position, Ordering::Release);
        Ok(())
    }

    fn note_appended(&self, batches: &[ReadyBatch], start: u64, index_interval: u64) -> Result<(), StorageError> {
        let mut largest = self.largest_timestamp()?;
        let mut state = self.state();
        let mut position = start;
        for batch in batches {
            let header = &batch.header;
            if position == 0 {
                state.first_timestamp = Some(header.max_timestamp);
            }
            if header.max_timestamp > largest.timestamp {
                largest = TimestampAt { timestamp: header.max_timestamp, offset: header.last_offset() };
            }
            if state.bytes_since_index > index_interval {
                self.offset_index.append(header.last_offset(), position)?;
                self.time_index.maybe_append(largest)?;
                state.bytes_since_index = 0;
            }
            position += header.size as u64;
            state.bytes_since_index += header.size as u64;
        }
        state.largest = Some(largest);
        Ok(())
    }

    /// The first batch whose last offset is at or behind `offset`, or `None` when all of the segment lies before it.
    pub(crate) fn find(&self, offset: i64) -> Result<Option<Found>, StorageError> {
        self.find_with(offset, Access::Disk)
    }

    /// The same, perhaps without the disk: then an error of the kind `WouldBlock` says that it is needed.
    pub(crate) fn find_with(&self, offset: i64, access: Access) -> Result<Option<Found>, StorageError> {
        let entry = self.offset_index.lookup_with(offset, access)?;
        let mut position = self.believed_with(entry, access)?;
        while let Some(header) = self.header_with(position, access)? {
            if header.last_offset() >= offset {
                return Ok(Some(Found { header, position }));
            }
            position += header.size as u64;
        }
        Ok(None)
    }

    /// The header at a position; `None` at the end. A batch that is not all there is damage: passing over it would be to
    /// pass over records without a word.
    pub(crate) fn header_at(&self, position: u64) -> Result<Option<BatchHeader>, StorageError> {
        self.header_with(position, Access::Disk)
    }

    fn header_with(&self, position: u64, access: Access) -> Result<Option<BatchHeader>, StorageError> {
        let size = self.size();
        if position >= size {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_SIZE];
        let wanted = usize::try_from(size - position).unwrap_or(HEADER_SIZE).min(HEADER_SIZE);
        let bytes = bytes.get_mut(..wanted).unwrap_or_default();
        let read = access.read_at(&self.file()?, bytes, position).attempt_at("read", || self.path(FileKind::Log))?;
        let left = usize::try_from(size - position).unwrap_or(usize::MAX);
        let whole = |header: BatchHeader| match header.size <= left {
            true => Ok(Some(header)),
            false => Err(BatchError::Truncated { need: header.size, have: left }),
        };
        let header = BatchHeader::parse(bytes.get(..read).unwrap_or_default()).and_then(whole);
        header.map_err(|error| self.damaged(position, &error))
    }

    pub(crate) fn damaged(&self, position: u64, error: &dyn std::fmt::Display) -> StorageError {
        StorageError::Damaged { path: self.path(FileKind::Log), what: format!("at position {position}: {error}") }
    }

    fn batch_at(&self, found: &Found) -> Result<Batch, StorageError> {
        let left = self.size().saturating_sub(found.position);
        let mut bytes = vec![0; (found.header.size as u64).min(left) as usize];
        self.file()?.read_at(&mut bytes, found.position).attempt_at("read", || self.path(FileKind::Log))?;
        Batch::parse(&bytes.into()).map_err(|error| self.damaged(found.position, &error))
    }

    /// Walks over all batches from a position on.
    pub(crate) fn scan(&self, position: u64) -> Result<Scanner, StorageError> {
        Ok(Scanner::new(self.file()?, position, self.size()))
    }

    pub(crate) fn scan_error(&self, error: ScanError) -> StorageError {
        match error {
            ScanError::Io(source) => StorageError::Io { action: "read", path: self.path(FileKind::Log), source },
            ScanError::Batch { position, error } => self.damaged(position, &error),
        }
    }

    /// The offset behind the last batch.
    pub(crate) fn read_next_offset(&self) -> Result<i64, StorageError> {
        let mut position = self.believed(self.offset_index.last()?)?;
        let mut next_offset = self.base_offset;
        while let Some(header) = self.header_at(position)? {
            next_offset = header.next_offset();
            position += header.size as u64;
        }
        Ok(next_offset)
    }

    /// The position that an index entry gives, if a batch is there that it may have been made for; else the start. Kafka
    /// before 3.0 made one entry for several batches: then it names the last offset of all and where the first begins.
    fn believed(&self, entry: OffsetPosition) -> Result<u64, StorageError> {
        self.believed_with(entry, Access::Disk)
    }

    fn believed_with(&self, entry: OffsetPosition, access: Access) -> Result<u64, StorageError> {
        let named = |h: &BatchHeader| h.base_offset >= self.base_offset && h.last_offset() <= entry.offset;
        match self.header_with(entry.position, access) {
            _ if entry.position == 0 => Ok(0),
            Ok(header) => Ok(if header.as_ref().is_some_and(named) { entry.position } else { 0 }),
            Err(StorageError::Damaged { .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Largest timestamp with the last offset of its batch; timestamp -1 when there is none.
    pub(crate) fn largest_timestamp(&self) -> Result<TimestampAt, StorageError> {
        if let Some(largest) = self.state().largest {
            return Ok(largest);
        }
        let largest = self.read_largest()?;
        Ok(*self.state().largest.get_or_insert(largest))
    }

    /// The last entry of the time index, if the segment bears it out; else what the batches say. In a damaged segment the
    /// index is all there is.
    fn read_largest(&self) -> Result<TimestampAt, StorageError> {
        let last = self.time_index.last()?;
        match self.check_largest(last) {
            Err(StorageError::Damaged { .. }) => Ok(last),
            checked => checked,
        }
    }

    /// A batch must have the entry's timestamp, and none behind the last entry of the offset index, which is written along
    /// with it, a larger one.
    fn check_largest(&self, last: TimestampAt) -> Result<TimestampAt, StorageError> {
        let Some(position) = self.position_of_entry(last)? else {
            let path = self.path(FileKind::TimeIndex);
            tracing::warn!(path = %path.display(), "this time index belongs to other records, reading them instead");
            return self.largest_from(0, TimestampAt { timestamp: NO_TIMESTAMP, offset: self.base_offset });
        };
        let tail = self.believed(self.offset_index.last()?)?;
        if self.largest_from(tail, last)? == last { Ok(last) } else { self.largest_from(position, last) }
    }

    /// Where the batch lies that an entry of the time index speaks of, the start for "nothing"; `None`: there is no such
    /// batch. An entry that names a real batch was made for it, and what it says of those before is true then.
    fn position_of_entry(&self, entry: TimestampAt) -> Result<Option<u64>, StorageError> {
        if entry.timestamp == NO_TIMESTAMP {
            return Ok(Some(0));
        }
        let found = self.find(entry.offset)?;
        // Batches of old formats do not tell where they begin.
        let holds = |header: &BatchHeader| header.magic < 2 || header.base_offset <= entry.offset;
        let named = |found: &Found| found.header.max_timestamp == entry.timestamp && holds(&found.header);
        Ok(found.filter(named).map(|found| found.position))
    }

    fn largest_from(&self, mut position: u64, mut largest: TimestampAt) -> Result<TimestampAt, StorageError> {
        while let Some(header) = self.header_at(position)? {
            if header.max_timestamp > largest.timestamp {
                largest = TimestampAt { timestamp: header.max_timestamp, offset: header.last_offset() };
            }
            position += header.size as u64;
        }
        Ok(largest)
    }

    /// Largest timestamp for retention: time of the file's last change when no record has one.
    pub(crate) fn largest_or_modified_ms(&self) -> Result<i64, StorageError> {
        let largest = self.largest_timestamp()?.timestamp;
        if largest >= 0 { Ok(largest) } else { self.modified_ms() }
    }

    pub(crate) fn modified_ms(&self) -> Result<i64, StorageError> {
        self.file()?.modified_ms().attempt_at("look at", || self.path(FileKind::Log))
    }

    /// How long this segment has taken records: the incoming max timestamp minus that of its first batch, or by the
    /// clock when its records have no timestamps.
    pub(crate) fn waited_ms(&self, now_ms: i64, incoming_max_timestamp: i64) -> Result<i64, StorageError> {
        let first = self.first_timestamp()?.filter(|first| *first >= 0);
        Ok(match first {
            Some(first) => incoming_max_timestamp.saturating_sub(first),
            None => now_ms.saturating_sub(self.state().created_ms),
        })
    }

    /// Max timestamp of the first batch; `None` while there is none.
    pub(crate) fn first_timestamp(&self) -> Result<Option<i64>, StorageError> {
        if let Some(first) = self.state().first_timestamp {
            return Ok(Some(first));
        }
        let first = self.header_at(0)?.map(|header| header.max_timestamp);
        self.state().first_timestamp = first;
        Ok(first)
    }

    pub(crate) fn jitter_ms(&self) -> i64 {
        self.state().jitter_ms
    }

    pub(crate) fn is_index_full(&self) -> Result<bool, StorageError> {
        Ok(self.offset_index.is_full()? || self.time_index.is_full()?)
    }

    /// Writes the final time index entry; the segment takes no more records, or the log is closed.
    pub(crate) fn seal(&self) -> Result<(), StorageError> {
        let largest = self.largest_timestamp()?;
        if largest.timestamp >= 0 { self.time_index.maybe_append(largest) } else { Ok(()) }
    }

    /// Gives back what was preallocated and not used: the segment takes no more records, or the log is closed.
    pub(crate) fn trim(&self) -> Result<(), StorageError> {
        if !self.is_preallocated.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.file()?.set_len(self.size()).attempt_at("truncate", || self.path(FileKind::Log))
    }

    /// Closes the index files until they are needed again.
    pub(crate) fn close_indexes(&self) -> Result<(), StorageError> {
        self.offset_index.files().close()?;
        self.time_index.files().close()
    }

    /// The names of its files are about to belong to others. Who still has this segment goes on with the open file, and
    /// without indexes.
    pub(crate) fn retire(&self) -> Result<(), StorageError> {
        self.file()?;
        self.offset_index.files().retire();
        self.time_index.files().retire();
        Ok(())
    }

    /// Makes the records survive a crash. Enough for those that recovery will scan: it builds the indexes again.
    pub(crate) fn sync_records(&self) -> Result<(), StorageError> {
        self.file()?.sync_data().attempt_at("sync", || self.path(FileKind::Log))
    }

    /// Makes the indexes survive a crash.
    pub(crate) fn sync_indexes(&self) -> Result<(), StorageError> {
        self.offset_index.files().sync()?;
        self.time_index.files().sync()?;
        self.txn_index.sync()
    }

    /// Cuts at the batch that holds `offset`, and what follows. Answers how many bytes went.
    pub(crate) fn truncate_to(&self, offset: i64, now_ms: i64) -> Result<u64, StorageError> {
        let found = self.find(offset)?;
        self.offset_index.truncate_to(offset)?;
        self.time_index.truncate_to(offset)?;
        self.txn_index.truncate_to(offset)?;
        let before = self.size();
        let keep = found.map_or(before, |found| found.position);
        self.cut_file(keep)?;
        let largest = self.read_largest()?;
        let mut state = self.state();
        state.bytes_since_index = 0;
        state.largest = Some(largest);
        if keep == 0 {
            state.created_ms = now_ms;
            state.first_timestamp = None;
        }
        Ok(before - keep)
    }

    pub(crate) fn cut_file(&self, size: u64) -> Result<(), StorageError> {
        if size != self.size() {
            self.size.store(size, Ordering::Release);
            self.file()?.set_len(size).attempt_at("truncate", || self.path(FileKind::Log))?;
        }
        Ok(())
    }

    /// Empties the indexes, so that recovery can fill them again.
    pub(crate) fn reset_indexes(&self) -> Result<(), StorageError> {
        self.offset_index.files().reset()?;
        self.time_index.files().reset()?;
        self.txn_index.reset()?;
        let mut state = self.state();
        state.largest = Some(TimestampAt { timestamp: -1, offset: self.base_offset });
        state.first_timestamp = None;
        state.bytes_since_index = 0;
        Ok(())
    }

    /// Indexes a batch that is in the file already.
    pub(crate) fn index_existing(&self, batch: &Batch, position: u64, index_interval: u64) -> Result<(), StorageError> {
        let ready = ReadyBatch::in_file(batch);
        self.note_appended(std::slice::from_ref(&ready), position, index_interval)
    }

    /// The first record at or behind `from` with at least this timestamp.
    pub(crate) fn find_by_timestamp(&self, timestamp: i64, from: i64) -> Result<Option<RecordAt>, StorageError> {
        let before = self.position_of_entry(self.time_index.lookup(timestamp)?)?.unwrap_or(0);
        let start = self.find(from)?.map_or(self.size(), |found| found.position);
        let mut position = start.max(before);
        while let Some(header) = self.header_at(position)? {
            if header.max_timestamp >= timestamp && header.last_offset() >= from {
                let batch = self.batch_at(&Found { header, position })?;
                let found = first_record(&batch, |offset, at| at >= timestamp && offset >= from);
                let found = found.map_err(|error| self.damaged(position, &error))?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            position += header.size as u64;
        }
        Ok(None)
    }

    /// The record with the largest timestamp: the first one of its batch that has it.
    pub(crate) fn find_largest_timestamp(&self) -> Result<Option<RecordAt>, StorageError> {
        let largest = self.largest_timestamp()?;
        let Some(found) = self.find(largest.offset)?.filter(|_| largest.timestamp >= 0) else { return Ok(None) };
        let batch = self.batch_at(&found)?;
        let record = first_record(&batch, |_, at| at == found.header.max_timestamp);
        record.map_err(|error| self.damaged(found.position, &error))
    }

    /// Adds the transactions that the marker just appended aborted.
    pub(crate) fn append_aborted(&self, aborted: &[AbortedTxn]) -> Result<(), StorageError> {
        aborted.iter().try_for_each(|txn| self.txn_index.append(*txn))
    }

    /// Renames files with `.deleted` behind their names. Answers their new paths.
    pub(crate) fn mark_deleted(&self, kinds: &[FileKind]) -> Result<Vec<PathBuf>, StorageError> {
        let mut marked = Vec::new();
        for kind in kinds {
            let path = self.path(*kind);
            let mut to = path.clone().into_os_string();
            to.push(".deleted");
            let to = PathBuf::from(to);
            match self.disk.rename(&path, &to) {
                Ok(()) => marked.push(to),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).attempt("rename", &path),
            }
        }
        Ok(marked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record found by timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordAt {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) leader_epoch: i32,
}

fn first_record(batch: &Batch, wanted: impl Fn(i64, i64) -> bool) -> Result<Option<RecordAt>, BatchError> {
    let leader_epoch = batch.header.leader_epoch;
    let mut found = None;
    if batch.header.magic == 2 {
        batch.for_each_shape(|shape| {
            let offset = batch.header.base_offset + i64::from(shape.offset_delta);
            if found.is_none() && wanted(offset, shape.timestamp) {
                found = Some(RecordAt { offset, timestamp: shape.timestamp, leader_epoch });
            }
        })?;
        return Ok(found);
    }
    let records = batch.records(UNPACK_LIMIT)?;
    let first = records.iter().find(|record| wanted(record.offset, record.timestamp));
    Ok(first.map(|record| RecordAt { offset: record.offset, timestamp: record.timestamp, leader_epoch }))
}

fn random_jitter(config: &LogConfig) -> i64 {
    let max = crate::log_config::millis(config.segment_jitter.min(config.segment_time));
    if max > 0 { rand::random_range(0..max) } else { 0 }
}
