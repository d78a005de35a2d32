//! How the log directories are opened: locked, listed, and every log in them loaded, several at a time.
//!
//! What is wrong with a disk takes its directory offline and leaves the others alone; what is wrong with the content of
//! one (a foreign directory, a partition that is there twice) stops the start, as in Kafka: serving it would be a guess.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use world::{Clock, Disk};
use zk_paths::ids::{Offset, TopicPartition};

use super::{LogDir, LogManager, LogManagerConfig, StartError, joined};
use crate::checkpoint::{
    CLEANER_OFFSET_FILE, HIGH_WATERMARK_FILE, LOG_START_OFFSET_FILE, OffsetTable, RECOVERY_POINT_FILE, read_offsets,
};
use crate::clean_shutdown;
use crate::error::{Attempt, StorageError};
use crate::file_name::{DirState, parse_partition_dir};
use crate::health::{DirHealth, FailureListener};
use crate::log::{LoadHints, Log};
use crate::log_config::{LogConfig, millis};
use crate::memory::ConversionMemory;
use crate::recovery::progress::SegmentsLeft;

/// Name of the lock file in each log directory.
const LOCK_FILE: &str = ".lock";
/// Tiered-storage cache that Java may have left.
const IGNORED_DIR: &str = "remote-log-index-cache";

/// Logs between two lines about the progress of a clean start.
const TOLD_EVERY: usize = 1000;
/// A log that takes longer is worth a line.
const SLOW: Duration = Duration::from_secs(1);

impl LogManager {
    /// Locks the directories, makes missing ones, and loads every log in them. `topic_config` gives a topic's settings.
    pub fn load(
        config: LogManagerConfig,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        topic_config: &(dyn Fn(&str) -> LogConfig + Sync),
    ) -> Result<LogManager, StartError> {
        let mut dirs = Vec::new();
        for path in &config.log_dirs {
            let failed = config.failed_dirs.iter().find(|(failed, _)| failed == path);
            dirs.push(match failed {
                Some((_, reason)) => failed_dir(path, config.failure_listener.clone(), reason),
                None => open_dir(&*disk, path, config.failure_listener.clone())?,
            });
        }
        let manager = LogManager {
            disk,
            clock,
            producer_id_expiration: config.producer_id_expiration,
            memory: ConversionMemory::default(),
            dirs,
            progress: config.progress,
            logs: RwLock::default(),
            cleaned: Mutex::default(),
            changes: Mutex::default(),
        };
        let threads = config.recovery_threads_per_dir.max(1);
        let loaded = std::thread::scope(|scope| {
            let manager = &manager;
            let load = |dir| scope.spawn(move || manager.load_dir(dir, threads, topic_config));
            let running: Vec<_> = manager.dirs.iter().map(load).collect();
            running.into_iter().map(joined).collect::<Result<Vec<_>, _>>()
        })?;
        for loaded in loaded.into_iter().flatten() {
            manager.take(loaded)?;
        }
        manager.resume_futures();
        match manager.dirs.iter().find_map(|dir| dir.health.failure()) {
            Some(reason) if manager.live_dirs().is_empty() => {
                Err(StartError::NoDirectory { reason: reason.to_owned() })
            }
            _ => Ok(manager),
        }
    }

    /// Loads one directory. What is wrong with the disk takes it offline; what is wrong with its content stops the start.
    fn load_dir(
        &self,
        dir: &LogDir,
        threads: usize,
        topic_config: &(dyn Fn(&str) -> LogConfig + Sync),
    ) -> Result<Vec<Loaded>, StartError> {
        if dir.health.failure().is_some() {
            return Ok(Vec::new());
        }
        let work = match self.list_partitions(dir, topic_config)? {
            Ok(work) => work,
            Err(error) => {
                dir.health.fail(&error.to_string());
                return Ok(Vec::new());
            }
        };
        let (path, count) = (dir.health.path(), work.partitions.len());
        match (count, dir.clean_shutdown) {
            (0, _) => tracing::info!("No logs found to be loaded in {}", path.display()),
            (_, true) => tracing::info!(
                "Skipping recovery of {count} logs from {} since clean shutdown file was found",
                path.display()
            ),
            (_, false) => {
                tracing::info!("Recovering {count} logs from {} since no clean shutdown file was found", path.display())
            }
        }
        let progress = self.progress.begin(path, count, threads);
        let queue = Mutex::new(work.partitions.into_iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let load_some = |thread: usize| {
            let mut logs = Vec::new();
            while let Some(found) = next() {
                let begun = self.clock.monotonic();
                let loaded = self.load_log(dir, found, &work.checkpoints, topic_config, progress.segments_of(thread));
                let done = count.saturating_sub(progress.log_done());
                if let Some(loaded) = &loaded {
                    let took = self.clock.monotonic().saturating_sub(begun);
                    tell(dir, &loaded.log, took, &format!("{done}/{count} completed in {}", path.display()));
                }
                if done % TOLD_EVERY == 0 && dir.clean_shutdown {
                    tracing::info!("{done}/{count} logs loaded in {}", path.display());
                }
                logs.extend(loaded);
            }
            logs
        };
        let loaded = std::thread::scope(|scope| {
            let load_some = &load_some;
            let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || load_some(thread))).collect();
            running.into_iter().flat_map(joined).collect()
        });
        Ok(loaded)
    }

    fn load_log(
        &self,
        dir: &LogDir,
        found: Found,
        checkpoints: &Checkpoints,
        topic_config: &(dyn Fn(&str) -> LogConfig + Sync),
        segments_left: SegmentsLeft<'_>,
    ) -> Option<Loaded> {
        let Found { partition, path, is_future } = found;
        let config = topic_config(&partition.topic);
        let hints = checkpoints.hints(&partition, dir.clean_shutdown);
        match Log::open_counting(&path, partition.clone(), config, hints, self.context(dir), segments_left) {
            Ok(log) => {
                if let Some(high_watermark) = checkpoints.high_watermarks.get(&partition) {
                    log.set_high_watermark(*high_watermark);
                }
                if !is_future {
                    log.set_cleaner_checkpoint(checkpoints.cleaned.get(&partition).copied());
                }
                dir.logs.fetch_add(1, Ordering::Relaxed);
                Some(Loaded { log: Arc::new(log), is_future })
            }
            Err(error) => {
                // Kafka does the same: what cannot be loaded is not served half.
                dir.health.fail(&format!("{partition} could not be loaded: {error}"));
                None
            }
        }
    }

    /// Puts a loaded log where it is found. The same partition twice stops the start: which of the two is right cannot be
    /// told, and Kafka leaves it to its operator as well.
    fn take(&self, loaded: Loaded) -> Result<(), StartError> {
        let Loaded { log, is_future } = loaded;
        let mut logs = self.write_logs();
        let table = if is_future { &mut logs.future } else { &mut logs.current };
        match table.insert(log.partition().clone(), log.clone()) {
            None => Ok(()),
            Some(other) => {
                let (partition, first, second) = (log.partition().clone(), other.dir(), log.dir());
                Err(StartError::Duplicate { partition, first, second })
            }
        }
    }

    /// Partitions to load; directories that wait for deletion are queued on the way.
    fn list_partitions(
        &self,
        dir: &LogDir,
        topic_config: &(dyn Fn(&str) -> LogConfig + Sync),
    ) -> Result<Result<Work, StorageError>, StartError> {
        let path = dir.health.path();
        let entries = match self.disk.read_dir(path).attempt("list", path) {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error)),
        };
        let mut partitions = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.is_dir && entry.name != IGNORED_DIR) {
            let child = path.join(&entry.name);
            match parse_partition_dir(&entry.name) {
                Some((partition, DirState::Current)) => {
                    partitions.push(Found { partition, path: child, is_future: false })
                }
                Some((partition, DirState::Future)) => {
                    partitions.push(Found { partition, path: child, is_future: true })
                }
                Some((partition, DirState::Delete)) => {
                    let delay_ms = millis(topic_config(&partition.topic).file_delete_delay);
                    let due_ms = self.clock.now_ms().saturating_add(delay_ms);
                    self.changes().due.push((due_ms, child, dir.health.clone()));
                }
                Some((_, DirState::Stray)) => tracing::warn!("stray log left alone: {}", child.display()),
                None => return Err(StartError::ForeignDirectory { path: child }),
            }
        }
        let checkpoints = Checkpoints::read(&*self.disk, path);
        let mut cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
        cleaned.insert(path.to_owned(), checkpoints.cleaned.clone());
        Ok(Ok(Work { partitions, checkpoints }))
    }
}

/// One line about a log that is loaded. Those of a clean start are many and alike: only slow ones are worth a line there.
fn tell(dir: &LogDir, log: &Log, took: Duration, progress: &str) {
    let (partition, segments, millis) = (log.partition(), log.segment_count(), took.as_millis());
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    if dir.clean_shutdown && took < SLOW {
        tracing::debug!(
            "Completed load of {partition} with {segments} segments, local-log-start-offset {start} and log-end-offset {end} \
             in {millis}ms ({progress})"
        );
    } else {
        tracing::info!(
            "Completed load of {partition} with {segments} segments, local-log-start-offset {start} and log-end-offset {end} \
             in {millis}ms ({progress})"
        );
    }
}

struct Work {
    partitions: Vec<Found>,
    checkpoints: Checkpoints,
}

/// A partition's directory.
struct Found {
    partition: TopicPartition,
    path: PathBuf,
    /// It is the target of a move.
    is_future: bool,
}

/// A log that was in a directory.
struct Loaded {
    log: Arc<Log>,
    is_future: bool,
}

/// The offset checkpoints of one directory.
#[derive(Debug, Default)]
struct Checkpoints {
    recovery_points: OffsetTable,
    log_starts: OffsetTable,
    high_watermarks: OffsetTable,
    cleaned: OffsetTable,
}

impl Checkpoints {
    /// A damaged one counts as empty, which costs time but loses nothing: everything is scanned.
    fn read(disk: &dyn Disk, dir: &Path) -> Checkpoints {
        let read = |name: &str| {
            read_offsets(disk, &dir.join(name)).unwrap_or_else(|error| {
                tracing::warn!(%error, "going on without this checkpoint");
                BTreeMap::new()
            })
        };
        Checkpoints {
            recovery_points: read(RECOVERY_POINT_FILE),
            log_starts: read(LOG_START_OFFSET_FILE),
            high_watermarks: read(HIGH_WATERMARK_FILE),
            cleaned: read(CLEANER_OFFSET_FILE),
        }
    }

    fn hints(&self, partition: &TopicPartition, clean_shutdown: bool) -> LoadHints {
        let at = |table: &OffsetTable| table.get(partition).copied().unwrap_or(Offset::ZERO);
        LoadHints { clean_shutdown, recovery_point: at(&self.recovery_points), log_start_offset: at(&self.log_starts) }
    }
}

/// A log directory that is offline from the start.
fn failed_dir(path: &Path, listener: Option<FailureListener>, reason: &str) -> LogDir {
    let health = Arc::new(DirHealth::new(path.to_owned(), listener));
    health.fail(reason);
    LogDir { health, _lock: None, clean_shutdown: false, logs: AtomicUsize::new(0) }
}

/// Makes, locks and looks at one log directory. A disk error takes it offline; somebody else's lock stops the start.
fn open_dir(disk: &dyn Disk, path: &Path, listener: Option<FailureListener>) -> Result<LogDir, StartError> {
    let health = Arc::new(DirHealth::new(path.to_owned(), listener));
    let made = make_durable_dir(disk, path).attempt("make", path);
    let locked = made.and_then(|()| disk.lock(&path.join(LOCK_FILE)).attempt("lock", path));
    let lock = match locked {
        Ok(lock) => Some(lock),
        Err(StorageError::Io { action: "lock", source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {
            return Err(StartError::Locked { path: path.to_owned() });
        }
        Err(error) => {
            health.fail(&error.to_string());
            None
        }
    };
    let mark = if lock.is_some() { health.watch(clean_shutdown::take(disk, path)) } else { Ok(false) };
    Ok(LogDir { health, _lock: lock, clean_shutdown: mark.unwrap_or(false), logs: AtomicUsize::new(0) })
}

/// Makes a directory with its missing parents, all of which will survive a crash.
fn make_durable_dir(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let is_missing = |dir: &&Path| !disk.exists(dir).unwrap_or(true);
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    disk.create_dir_all(path)?;
    missing.iter().filter_map(|dir| dir.parent()).try_for_each(|parent| disk.sync_dir(parent))
}
