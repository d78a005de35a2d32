//! All logs of a broker, in their directories.
//!
//! Loading runs on `num.recovery.threads.per.data.dir` threads per directory and takes the lock file of each. Afterwards
//! nothing happens by itself: retention, flushes, checkpoints and deletions are functions that a shell calls on Kafka's
//! schedules. A directory whose disk fails goes offline alone; when none is left the broker stops, which its shell
//! learns through the failure listener and [`LogManager::live_dirs`].
//!
//! A partition has at most one log in use and, while it moves to another directory, one more that is being built
//! (`moves.rs`). Both count for the directory that they are in.
//!
//! Order that keeps a crash harmless: the clean-shutdown mark goes before anything is loaded and comes after everything
//! is flushed; a recovery point is checkpointed after what lies below it was synced; a partition is deleted by renaming
//! its directory first.

mod checkpoints;
mod copying;
mod loading;
mod moves;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use world::{Clock, DirLock, Disk, Space};
use zk_paths::ids::{TopicId, TopicPartition};

use crate::checkpoint::OffsetTable;
use crate::error::{Attempt, StorageError};
use crate::file_name::delete_dir_name;
use crate::health::{DirHealth, FailureListener};
use crate::log::{LoadHints, Log, LogContext};
use crate::log_config::{LogConfig, millis};
use crate::memory::ConversionMemory;
use crate::recovery::LoadProgress;

pub use copying::{CopyError, copy_latest_epochs, copy_some};
pub use moves::Replaced;

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
    /// Tells whoever keeps the other end how far loading has come.
    pub progress: Arc<LoadProgress>,
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
    #[error(
        "{partition} is in {} and in {}: a directory may have failed, or the broker died, while the partition moved \
         between them; remove one of the two, that of a directory which failed lately or else the older",
        first.display(),
        second.display()
    )]
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
    /// Logs in it, those being built included.
    logs: AtomicUsize,
}

/// What lies in a log directory.
#[derive(Debug)]
pub struct LogDirContents {
    /// Which.
    pub path: PathBuf,
    /// Room on its file system, or why nothing can be said of it.
    pub space: Result<Space, StorageError>,
    /// Its logs, and whether a move is building them. None of a directory that failed.
    pub logs: Vec<(Arc<Log>, bool)>,
}

/// All logs. Shared between threads.
#[derive(Debug)]
pub struct LogManager {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    producer_id_expiration: Duration,
    memory: ConversionMemory,
    dirs: Vec<LogDir>,
    progress: Arc<LoadProgress>,
    logs: RwLock<Logs>,
    /// What each directory's `cleaner-offset-checkpoint` holds. Locked while one is written: cleaners do that at any time.
    cleaned: Mutex<HashMap<PathBuf, OffsetTable>>,
    /// Held by whoever makes, moves or deletes a log. Comes before `logs`.
    changes: Mutex<Changes>,
}

/// Where the logs are found.
#[derive(Debug, Default)]
struct Logs {
    current: HashMap<TopicPartition, Arc<Log>>,
    future: HashMap<TopicPartition, Arc<Log>>,
}

/// What a change of the logs leaves for later.
#[derive(Debug, Default)]
struct Changes {
    /// Renamed directories with the time from which they may go.
    due: Vec<(i64, PathBuf, Arc<DirHealth>)>,
    /// Where partitions shall be made that are not here yet.
    preferred: HashMap<TopicPartition, PathBuf>,
}

impl LogManager {
    fn context(&self, dir: &LogDir) -> LogContext {
        LogContext {
            disk: self.disk.clone(),
            clock: self.clock.clone(),
            health: dir.health.clone(),
            producer_id_expiration: self.producer_id_expiration,
            memory: self.memory.clone(),
        }
    }

    /// Working directories that the last stop left without its mark, so that recovery had to look at their logs.
    pub fn unclean_dirs(&self) -> Vec<PathBuf> {
        self.working_dirs().filter(|dir| !dir.clean_shutdown).map(|dir| dir.health.path().to_owned()).collect()
    }

    /// What conversions of records take together, those on append included.
    pub fn conversion_memory(&self) -> &ConversionMemory {
        &self.memory
    }

    /// The log of a partition, if it is here.
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.read_logs().current.get(partition).cloned()
    }

    /// All logs in use right now; not those that a move is still building.
    pub fn all(&self) -> Vec<Arc<Log>> {
        self.read_logs().current.values().cloned().collect()
    }

    /// The logs in use and those being built.
    fn everything(&self) -> Vec<Arc<Log>> {
        let logs = self.read_logs();
        logs.current.values().chain(logs.future.values()).cloned().collect()
    }

    /// The log of a partition; a new one lands in the directory that was asked for, or else in the working one with the
    /// fewest logs. `topic_id` is written into a new or yet nameless directory. All directories offline: `Offline`; so too,
    /// unless the partition `is_new`, when any is: its records may lie there, and an empty log beside them would be taken
    /// for the truth (`LogManager.getOrCreateLog`).
    pub fn get_or_create(
        &self,
        partition: &TopicPartition,
        is_new: bool,
        topic_id: Option<TopicId>,
        config: LogConfig,
    ) -> Result<Arc<Log>, StorageError> {
        let mut changes = self.changes();
        let log = match self.get(partition) {
            Some(log) => log,
            None => {
                if !is_new {
                    self.check_all_dirs()?;
                }
                self.create(&mut changes, partition, config)?
            }
        };
        drop(changes);
        log.check_online()?;
        if let Some(topic_id) = topic_id {
            log.assign_topic_id(topic_id)?;
        }
        Ok(log)
    }

    fn check_all_dirs(&self) -> Result<(), StorageError> {
        self.dirs.iter().try_for_each(|dir| dir.health.check())
    }

    fn create(
        &self,
        changes: &mut Changes,
        partition: &TopicPartition,
        config: LogConfig,
    ) -> Result<Arc<Log>, StorageError> {
        let name = partition.to_string();
        let preferred = changes.preferred.get(partition).and_then(|path| self.dir(path));
        let made = match preferred {
            Some(dir) => self.make_dir(dir, &name).map(|path| (dir, path)),
            None => self.make_dir_somewhere(&name),
        };
        let (dir, path) = made?;
        let log = self.open_new(dir, &path, partition, config)?;
        changes.preferred.remove(partition);
        self.write_logs().current.insert(partition.clone(), log.clone());
        Ok(log)
    }

    /// Makes a log's directory in the first that will have it, the emptiest first (`LogManager.nextLogDirs`).
    fn make_dir_somewhere(&self, name: &str) -> Result<(&LogDir, PathBuf), StorageError> {
        let mut dirs: Vec<&LogDir> = self.working_dirs().collect();
        dirs.sort_by_key(|dir| dir.logs.load(Ordering::Relaxed));
        let first = self.dirs.first().map(|dir| dir.health.path().to_owned());
        let mut outcome = Err(StorageError::Offline { path: first.unwrap_or_default() });
        for dir in dirs {
            outcome = self.make_dir(dir, name).map(|path| (dir, path));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn make_dir(&self, dir: &LogDir, name: &str) -> Result<PathBuf, StorageError> {
        dir.health.check()?;
        let path = dir.health.path().join(name);
        dir.health.watch(self.disk.create_dir_all(&path).attempt("make", &path))?;
        Ok(path)
    }

    /// Opens the log of a directory that was just made. One that was there already was made by somebody's hand or a crash:
    /// everything in it is looked at.
    fn open_new(
        &self,
        dir: &LogDir,
        path: &Path,
        partition: &TopicPartition,
        config: LogConfig,
    ) -> Result<Arc<Log>, StorageError> {
        let opened = Log::open(path, partition.clone(), config, LoadHints::default(), self.context(dir));
        let log = dir.health.watch(opened)?;
        dir.logs.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(log))
    }

    fn dir(&self, path: &Path) -> Option<&LogDir> {
        self.dirs.iter().find(|dir| dir.health.path() == path)
    }

    /// Takes partitions out of service, those that moves are building included, and renames their directories. Their files
    /// go after `file.delete.delay.ms`, see [`LogManager::run_deletions`]. Answers what failed; partitions of failed
    /// directories leave service too, and their files stay.
    pub fn delete(&self, partitions: &[TopicPartition]) -> Vec<(TopicPartition, StorageError)> {
        let mut failed = Vec::new();
        let gone = {
            let mut changes = self.changes();
            let gone: Vec<Arc<Log>> = {
                let mut logs = self.write_logs();
                let Logs { current, future } = &mut *logs;
                let removed = |one| [current.remove(one), future.remove(one)].into_iter().flatten();
                partitions.iter().flat_map(removed).collect()
            };
            partitions.iter().for_each(|partition| drop(changes.preferred.remove(partition)));
            for log in &gone {
                if let Err(error) = self.rename_for_deletion(log, &mut changes) {
                    failed.push((log.partition().clone(), error));
                }
            }
            gone
        };
        let touched = |dir: &&LogDir| gone.iter().any(|log| log.parent_dir() == dir.health.path());
        for dir in self.working_dirs().filter(touched) {
            let path = dir.health.path();
            let synced = dir.health.watch(self.disk.sync_dir(path).attempt("sync", path));
            if let Err(error) = synced.and_then(|()| self.checkpoint_dir(dir)) {
                tracing::warn!("deletions were not noted: {error}");
            }
        }
        failed
    }

    /// Queues the directory of a log that is in no table any more. In a failed directory it stays as it is.
    fn rename_for_deletion(&self, log: &Arc<Log>, changes: &mut Changes) -> Result<(), StorageError> {
        let Some(dir) = self.dir(log.parent_dir()) else { return Ok(()) };
        dir.logs.fetch_sub(1, Ordering::Relaxed);
        if dir.health.failure().is_some() {
            return Ok(());
        }
        log.end_cleaning();
        let to = log.parent_dir().join(delete_dir_name(log.partition(), rand::random()));
        log.retire(to.clone())?;
        let due_ms = self.clock.now_ms().saturating_add(millis(log.config().file_delete_delay));
        changes.due.push((due_ms, to, dir.health.clone()));
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

    /// Applies retention to every log that is not compacted; the cleaner does it to the others. Answers how many segments
    /// went.
    pub fn run_retention(&self, now_ms: i64) -> usize {
        self.each_log("apply retention to", |log| match log.config().compact {
            true => Ok(0),
            false => log.apply_retention(now_ms),
        })
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
        self.everything().iter().for_each(|log| log.expire_producers(now_ms));
    }

    /// Runs something on every log of a working directory. A failure has taken the directory offline and said so.
    fn each_log(&self, what: &str, run: impl Fn(&Log) -> Result<usize, StorageError>) -> usize {
        let mut total = 0;
        for log in self.everything().iter().filter(|log| log.check_online().is_ok()) {
            match run(log) {
                Ok(count) => total += count,
                Err(error) => tracing::warn!(partition = %log.partition(), %error, "could not {what} a log"),
            }
        }
        total
    }

    /// Swaps the settings of all logs of a topic.
    pub fn update_topic_config(&self, topic: &str, config: &LogConfig) {
        let logs = self.everything();
        logs.iter().filter(|log| &*log.partition().topic == topic).for_each(|log| log.update_config(config.clone()));
    }

    /// Directories that work.
    pub fn live_dirs(&self) -> Vec<PathBuf> {
        self.working_dirs().map(|dir| dir.health.path().to_owned()).collect()
    }

    /// All directories, in the order of `log.dirs`.
    pub fn dirs(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|dir| dir.health.path().to_owned()).collect()
    }

    /// What lies in each directory, in the order of `log.dirs`. Asks the disk for its room.
    pub fn contents(&self) -> Vec<LogDirContents> {
        self.dirs.iter().map(|dir| self.contents_of(dir)).collect()
    }

    fn contents_of(&self, dir: &LogDir) -> LogDirContents {
        let path = dir.health.path();
        let space = dir.health.check().and_then(|()| self.disk.space(path).attempt("look at", path));
        let logs = self.read_logs();
        let current = logs.current.values().map(|log| (log.clone(), false));
        let both = current.chain(logs.future.values().map(|log| (log.clone(), true)));
        let logs = both.filter(|(log, _)| space.is_ok() && log.parent_dir() == path).collect();
        LogDirContents { path: path.to_owned(), space, logs }
    }

    /// Directories that failed, with the reason.
    pub fn offline_dirs(&self) -> Vec<(PathBuf, String)> {
        let failed = |dir: &LogDir| Some((dir.health.path().to_owned(), dir.health.failure()?.to_owned()));
        self.dirs.iter().filter_map(failed).collect()
    }

    fn working_dirs(&self) -> impl Iterator<Item = &LogDir> {
        self.dirs.iter().filter(|dir| dir.health.failure().is_none())
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_logs(&self) -> RwLockReadGuard<'_, Logs> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_logs(&self) -> RwLockWriteGuard<'_, Logs> {
        self.logs.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread answered; its panic goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests;
