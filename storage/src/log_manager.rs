//! All logs of a broker, in their directories.
//!
//! Loading runs on `num.recovery.threads.per.data.dir` threads per directory and takes the lock file of each. Afterwards
//! nothing happens by itself: retention, flushes, checkpoints and deletions are functions that a shell calls on Kafka's
//! schedules. A directory whose disk fails goes offline alone; when none is left the broker stops, which its shell
//! learns through the failure listener and [`LogManager::live_dirs`].
//!
//! Order that keeps a crash harmless: the clean-shutdown mark goes before anything is loaded and comes after everything
//! is flushed; a recovery point is checkpointed after what lies below it was synced; a partition is deleted by renaming
//! its directory first.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use world::{Clock, DirLock, Disk};
use zk_paths::ids::{Offset, TopicId, TopicPartition};

use crate::checkpoint::{
    HIGH_WATERMARK_FILE, LOG_START_OFFSET_FILE, OffsetTable, RECOVERY_POINT_FILE, read_offsets, write_offsets,
};
use crate::clean_shutdown;
use crate::error::{Attempt, StorageError};
use crate::file_name::{DirState, delete_dir_name, parse_partition_dir};
use crate::health::{DirHealth, FailureListener};
use crate::log::{LoadHints, Log, LogContext};
use crate::log_config::{LogConfig, millis};

/// Name of the lock file in each log directory.
const LOCK_FILE: &str = ".lock";
/// Tiered-storage cache that Java may have left.
const IGNORED_DIR: &str = "remote-log-index-cache";
/// Logs of a directory that are closed at the same time.
const CLOSING_THREADS: usize = 8;

/// What the manager needs to know at start.
#[derive(Clone)]
pub struct LogManagerConfig {
    /// `log.dirs`.
    pub log_dirs: Vec<PathBuf>,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads_per_dir: usize,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration: Duration,
    /// Told when a directory goes offline.
    pub failure_listener: Option<FailureListener>,
    /// Directories that have failed already, with the reason: they are not touched.
    pub failed_dirs: Vec<(PathBuf, String)>,
}

/// Why the logs could not be loaded at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another broker, ours or Java's, has the directory.
    #[error("log directory {} is locked by another broker, or named twice in log.dirs", path.display())]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// A directory in a log directory that is no partition.
    #[error("{} is not the directory of a partition; nothing else may be in a log directory", path.display())]
    ForeignDirectory {
        /// Which.
        path: PathBuf,
    },
    /// The same partition lies in two log directories.
    #[error("{partition} is in {} and in {}", first.display(), second.display())]
    Duplicate {
        /// Which.
        partition: TopicPartition,
        /// Here.
        first: PathBuf,
        /// And here.
        second: PathBuf,
    },
    /// No log directory works.
    #[error("none of the log directories can be used, the first because: {reason}")]
    NoDirectory {
        /// Of the first.
        reason: String,
    },
}

/// One log directory.
#[derive(Debug)]
struct LogDir {
    health: Arc<DirHealth>,
    /// Held until the manager goes; `None` when the directory was offline from the start.
    _lock: Option<Box<dyn DirLock>>,
    /// The last stop left its mark.
    clean_shutdown: bool,
}

/// All logs. Shared between threads.
#[derive(Debug)]
pub struct LogManager {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    producer_id_expiration: Duration,
    dirs: Vec<LogDir>,
    logs: ArcSwap<HashMap<TopicPartition, Arc<Log>>>,
    /// Serialises everything that changes `logs`.
    changes: Mutex<Deletions>,
}

/// Renamed directories with the time from which they may go.
#[derive(Debug, Default)]
struct Deletions {
    due: Vec<(i64, PathBuf, Arc<DirHealth>)>,
}

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
            dirs,
            logs: ArcSwap::from_pointee(HashMap::new()),
            changes: Mutex::new(Deletions::default()),
        };
        let threads = config.recovery_threads_per_dir.max(1);
        let loaded = std::thread::scope(|scope| {
            let manager = &manager;
            let load = |dir| scope.spawn(move || manager.load_dir(dir, threads, topic_config));
            let running: Vec<_> = manager.dirs.iter().map(load).collect();
            running.into_iter().map(joined).collect::<Result<Vec<_>, _>>()
        })?;
        manager.logs.store(Arc::new(merge(loaded.into_iter().flatten())?));
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
    ) -> Result<Vec<Arc<Log>>, StartError> {
        if dir.health.failure().is_some() {
            return Ok(Vec::new());
        }
        let work = match self.list_partitions(dir)? {
            Ok(work) => work,
            Err(error) => {
                dir.health.fail(&error.to_string());
                return Ok(Vec::new());
            }
        };
        let (path, count) = (dir.health.path().display(), work.partitions.len());
        match dir.clean_shutdown {
            true => tracing::info!("{path}: loading {count} logs"),
            false => {
                tracing::info!("{path}: loading {count} logs, checking what was not flushed: no clean stop before")
            }
        }
        let queue = Mutex::new(work.partitions.into_iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let load_some = || {
            let mut logs = Vec::new();
            while let Some((partition, path)) = next() {
                logs.extend(self.load_log(dir, partition, path, &work.checkpoints, topic_config));
            }
            logs
        };
        let loaded = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(load_some)).collect();
            running.into_iter().flat_map(joined).collect()
        });
        Ok(loaded)
    }

    fn load_log(
        &self,
        dir: &LogDir,
        partition: TopicPartition,
        path: PathBuf,
        checkpoints: &Checkpoints,
        topic_config: &(dyn Fn(&str) -> LogConfig + Sync),
    ) -> Option<Arc<Log>> {
        let config = topic_config(&partition.topic);
        let hints = checkpoints.hints(&partition, dir.clean_shutdown);
        match Log::open(&path, partition.clone(), config, hints, self.context(dir)) {
            Ok(log) => {
                if let Some(high_watermark) = checkpoints.high_watermarks.get(&partition) {
                    log.set_high_watermark(*high_watermark);
                }
                Some(Arc::new(log))
            }
            Err(error) => {
                // Kafka does the same: what cannot be loaded is not served half.
                dir.health.fail(&format!("{partition} could not be loaded: {error}"));
                None
            }
        }
    }

    /// Partitions to load; directories that wait for deletion are queued on the way.
    fn list_partitions(&self, dir: &LogDir) -> Result<Result<Work, StorageError>, StartError> {
        let path = dir.health.path();
        let entries = match self.disk.read_dir(path).attempt("list", path) {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error)),
        };
        let mut partitions = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.is_dir && entry.name != IGNORED_DIR) {
            let child = path.join(&entry.name);
            match parse_partition_dir(&entry.name) {
                Some((partition, DirState::Current)) => partitions.push((partition, child)),
                Some((_, DirState::Delete)) => {
                    self.changes().due.push((self.clock.now_ms(), child, dir.health.clone()));
                }
                Some((partition, state)) => {
                    tracing::warn!(%partition, ?state, path = %child.display(), "left alone: not supported yet");
                }
                None => return Err(StartError::ForeignDirectory { path: child }),
            }
        }
        Ok(Ok(Work { partitions, checkpoints: Checkpoints::read(&*self.disk, path) }))
    }

    fn context(&self, dir: &LogDir) -> LogContext {
        LogContext {
            disk: self.disk.clone(),
            clock: self.clock.clone(),
            health: dir.health.clone(),
            producer_id_expiration: self.producer_id_expiration,
        }
    }

    /// The log of a partition, if it is here.
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.load().get(partition).cloned()
    }

    /// All logs right now.
    pub fn all(&self) -> Vec<Arc<Log>> {
        self.logs.load().values().cloned().collect()
    }

    /// The log of a partition; a new one lands in the working directory with the fewest. `topic_id` is written into a new
    /// or yet nameless directory. All directories offline: `Offline`; so too, unless the partition `is_new`, when any is:
    /// its records may lie there, and an empty log beside them would be taken for the truth (`LogManager.getOrCreateLog`).
    pub fn get_or_create(
        &self,
        partition: &TopicPartition,
        is_new: bool,
        topic_id: Option<TopicId>,
        config: LogConfig,
    ) -> Result<Arc<Log>, StorageError> {
        let changes = self.changes();
        let log = match self.get(partition) {
            Some(log) => log,
            None if is_new => self.create(partition, config)?,
            None => {
                self.dirs.iter().try_for_each(|dir| dir.health.check())?;
                self.create(partition, config)?
            }
        };
        drop(changes);
        log.check_online()?;
        if let Some(topic_id) = topic_id {
            log.assign_topic_id(topic_id)?;
        }
        Ok(log)
    }

    fn create(&self, partition: &TopicPartition, config: LogConfig) -> Result<Arc<Log>, StorageError> {
        let dir = self.emptiest_dir()?;
        let path = dir.health.path().join(partition.to_string());
        let made = self.disk.create_dir_all(&path).attempt("make", &path);
        dir.health.watch(made)?;
        // A directory that is there already was made by somebody's hand or a crash: everything in it is looked at.
        let opened = Log::open(&path, partition.clone(), config, LoadHints::default(), self.context(dir));
        let log = Arc::new(dir.health.watch(opened)?);
        let mut logs = self.logs.load().as_ref().clone();
        logs.insert(partition.clone(), log.clone());
        self.logs.store(Arc::new(logs));
        Ok(log)
    }

    fn emptiest_dir(&self) -> Result<&LogDir, StorageError> {
        let logs = self.logs.load();
        let count = |dir: &&LogDir| logs.values().filter(|log| log.parent_dir() == dir.health.path()).count();
        let working = self.dirs.iter().filter(|dir| dir.health.failure().is_none());
        let offline = || {
            let path = self.dirs.first().map(|dir| dir.health.path().to_owned()).unwrap_or_default();
            StorageError::Offline { path }
        };
        working.min_by_key(count).ok_or_else(offline)
    }

    /// Takes partitions out of service and renames their directories. Their files go after `file.delete.delay.ms`, see
    /// [`LogManager::run_deletions`]. Answers how many of them were here. Partitions of failed directories leave service
    /// too; their files stay.
    pub fn delete(&self, partitions: &[TopicPartition]) -> Result<usize, StorageError> {
        let gone = {
            let mut changes = self.changes();
            let mut logs = self.logs.load().as_ref().clone();
            let gone: Vec<Arc<Log>> = partitions.iter().filter_map(|partition| logs.remove(partition)).collect();
            self.logs.store(Arc::new(logs));
            gone.iter()
                .filter(|log| log.check_online().is_ok())
                .try_for_each(|log| self.rename_for_deletion(log, &mut changes))?;
            gone
        };
        let touched = |dir: &&LogDir| gone.iter().any(|log| log.parent_dir() == dir.health.path());
        for dir in self.working_dirs().filter(touched) {
            let path = dir.health.path();
            dir.health.watch(self.disk.sync_dir(path).attempt("sync", path))?;
            self.checkpoint_dir(dir)?;
        }
        Ok(gone.len())
    }

    fn rename_for_deletion(&self, log: &Arc<Log>, changes: &mut Deletions) -> Result<(), StorageError> {
        let unique = rand::random::<u128>();
        let to = log.parent_dir().join(delete_dir_name(log.partition(), unique));
        log.rename_dir(to.clone())?;
        let due_ms = self.clock.now_ms().saturating_add(millis(log.config().file_delete_delay));
        if let Some(dir) = self.dirs.iter().find(|dir| dir.health.path() == log.parent_dir()) {
            changes.due.push((due_ms, to, dir.health.clone()));
        }
        Ok(())
    }

    /// Removes what has waited for long enough: directories of deleted partitions, files of deleted segments. Answers how
    /// many of both went.
    pub fn run_deletions(&self, now_ms: i64) -> usize {
        let due = {
            let mut changes = self.changes();
            let (due, later) = changes.due.drain(..).partition(|(due_ms, ..)| *due_ms <= now_ms);
            changes.due = later;
            let due: Vec<(i64, PathBuf, Arc<DirHealth>)> = due;
            due
        };
        let mut removed = 0;
        for (_, path, health) in due.iter().filter(|(_, _, health)| health.failure().is_none()) {
            match self.disk.remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let _ = health.watch::<()>(Err(error).attempt("remove", path));
                }
                _ => removed += 1,
            }
        }
        removed + self.each_log("remove files of", |log| log.remove_doomed(now_ms))
    }

    /// Applies retention to every log. Answers how many segments went.
    pub fn run_retention(&self, now_ms: i64) -> usize {
        self.each_log("apply retention to", |log| log.apply_retention(now_ms))
    }

    /// Syncs rolled segments, and logs whose `flush.ms` has passed.
    pub fn flush_dirty(&self, now_ms: i64) {
        self.each_log("flush", |log| {
            log.flush_rolled()?;
            log.flush_if_old(now_ms).map(|()| 0)
        });
    }

    /// Forgets producers that were silent for `producer.id.expiration.ms`.
    pub fn expire_producers(&self, now_ms: i64) {
        self.logs.load().values().for_each(|log| log.expire_producers(now_ms));
    }

    /// Runs something on every log of a working directory. A failure has taken the directory offline and said so.
    fn each_log(&self, what: &str, run: impl Fn(&Log) -> Result<usize, StorageError>) -> usize {
        let mut total = 0;
        for log in self.logs.load().values().filter(|log| log.check_online().is_ok()) {
            match run(log) {
                Ok(count) => total += count,
                Err(error) => tracing::warn!(partition = %log.partition(), %error, "could not {what} a log"),
            }
        }
        total
    }

    /// Writes `recovery-point-offset-checkpoint` and `log-start-offset-checkpoint` of every working directory.
    pub fn checkpoint_offsets(&self) -> Result<(), StorageError> {
        self.working_dirs().try_for_each(|dir| self.checkpoint_dir(dir))
    }

    fn checkpoint_dir(&self, dir: &LogDir) -> Result<(), StorageError> {
        let logs = self.logs_in(dir);
        let points = logs.iter().map(|log| (log.partition().clone(), log.recovery_point())).collect();
        self.write_checkpoint(dir, RECOVERY_POINT_FILE, points)?;
        let moved = logs.iter().filter(|log| log.log_start_offset() > log.first_segment_offset());
        let starts = moved.map(|log| (log.partition().clone(), log.log_start_offset())).collect();
        self.write_checkpoint(dir, LOG_START_OFFSET_FILE, starts)
    }

    /// Writes `replication-offset-checkpoint` of every working directory.
    pub fn checkpoint_high_watermarks(&self) -> Result<(), StorageError> {
        self.working_dirs().try_for_each(|dir| self.checkpoint_marks(dir))
    }

    fn checkpoint_marks(&self, dir: &LogDir) -> Result<(), StorageError> {
        let logs = self.logs_in(dir);
        let marks = logs.iter().map(|log| (log.partition().clone(), log.high_watermark())).collect();
        self.write_checkpoint(dir, HIGH_WATERMARK_FILE, marks)
    }

    fn write_checkpoint(&self, dir: &LogDir, name: &str, table: OffsetTable) -> Result<(), StorageError> {
        let path = dir.health.path().join(name);
        dir.health.watch(write_offsets(&*self.disk, &path, &table))
    }

    fn logs_in(&self, dir: &LogDir) -> Vec<Arc<Log>> {
        self.logs.load().values().filter(|log| log.parent_dir() == dir.health.path()).cloned().collect()
    }

    fn working_dirs(&self) -> impl Iterator<Item = &LogDir> {
        self.dirs.iter().filter(|dir| dir.health.failure().is_none())
    }

    /// Swaps the settings of all logs of a topic.
    pub fn update_topic_config(&self, topic: &str, config: &LogConfig) {
        let logs = self.logs.load();
        logs.values().filter(|log| &*log.partition().topic == topic).for_each(|log| log.update_config(config.clone()));
    }

    /// Directories that work.
    pub fn live_dirs(&self) -> Vec<PathBuf> {
        self.working_dirs().map(|dir| dir.health.path().to_owned()).collect()
    }

    /// Directories that failed, with the reason.
    pub fn offline_dirs(&self) -> Vec<(PathBuf, String)> {
        let failed = |dir: &LogDir| Some((dir.health.path().to_owned(), dir.health.failure()?.to_owned()));
        self.dirs.iter().filter_map(failed).collect()
    }

    /// The end of a clean stop: flushes and closes every log, writes all checkpoints, and last the mark that spares the
    /// next start a recovery. Appends must have ended.
    /// One directory that fails does not cost the others their marks; the first failure is answered.
    pub fn shutdown(&self) -> Result<(), StorageError> {
        let closed: Vec<_> = self.working_dirs().map(|dir| self.close_dir(dir)).collect();
        closed.into_iter().collect()
    }

    fn close_dir(&self, dir: &LogDir) -> Result<(), StorageError> {
        self.close_logs(dir)?;
        self.checkpoint_dir(dir)?;
        self.checkpoint_marks(dir)?;
        dir.health.watch(clean_shutdown::write(&*self.disk, dir.health.path()))
    }

    /// Several at a time: the syncs of one wait together with those of others.
    fn close_logs(&self, dir: &LogDir) -> Result<(), StorageError> {
        let path = dir.health.path();
        dir.health.watch(self.disk.sync_dir(path).attempt("sync", path))?;
        let logs = self.logs_in(dir);
        logs.iter().for_each(|log| log.note_durable_dir());
        let share = logs.len().div_ceil(CLOSING_THREADS).max(1);
        std::thread::scope(|scope| {
            let close = |logs: &[Arc<Log>]| logs.iter().try_for_each(|log| log.close());
            let running: Vec<_> = logs.chunks(share).map(|logs| scope.spawn(move || close(logs))).collect();
            running.into_iter().try_for_each(joined)
        })
    }

    fn changes(&self) -> MutexGuard<'_, Deletions> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread answered; its panic goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

struct Work {
    partitions: Vec<(TopicPartition, PathBuf)>,
    checkpoints: Checkpoints,
}

/// The offset checkpoints of one directory.
#[derive(Debug, Default)]
struct Checkpoints {
    recovery_points: OffsetTable,
    log_starts: OffsetTable,
    high_watermarks: OffsetTable,
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
    LogDir { health, _lock: None, clean_shutdown: false }
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
    Ok(LogDir { health, _lock: lock, clean_shutdown: mark.unwrap_or(false) })
}

/// Makes a directory with its missing parents, all of which will survive a crash.
fn make_durable_dir(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let is_missing = |dir: &&Path| !disk.exists(dir).unwrap_or(true);
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    disk.create_dir_all(path)?;
    missing.iter().filter_map(|dir| dir.parent()).try_for_each(|parent| disk.sync_dir(parent))
}

fn merge(logs: impl Iterator<Item = Arc<Log>>) -> Result<HashMap<TopicPartition, Arc<Log>>, StartError> {
    let mut merged: HashMap<TopicPartition, Arc<Log>> = HashMap::new();
    for log in logs {
        if let Some(other) = merged.insert(log.partition().clone(), log.clone()) {
            let (partition, first, second) = (log.partition().clone(), other.dir(), log.dir());
            return Err(StartError::Duplicate { partition, first, second });
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests;
