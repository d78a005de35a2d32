//! Moving a partition to another directory of the same broker: a second log grows in `<partition>.<id>-future` and takes
//! the place of the first when it has caught up (KIP-113). Copying and the moment of the change are `src/replica`'s; here
//! is what happens on disk.
//!
//! Order of a replacement: the new directory gets its plain name, durably, and only then the old one is renamed for
//! deletion. A crash between the two leaves the partition twice, which stops the next start with both paths; in the other
//! order it could leave none.
//!
//! No cleaner touches a log that is being copied: a tombstone that went before it was copied would leave what it deletes in
//! the copy for ever.

use std::path::Path;
use std::sync::Arc;

use zk_paths::ids::{TopicId, TopicPartition};

use super::LogManager;
use crate::error::{Attempt, StorageError};
use crate::file_name::{current_dir_name, future_dir_name};
use crate::log::Log;
use crate::log_config::LogConfig;

/// Wishes for partitions that are not here which are remembered at most: they come from clients.
const MAX_PREFERRED: usize = 100_000;

/// The outcome of a replacement.
#[derive(Debug)]
pub struct Replaced {
    /// The log in use from now on.
    pub log: Arc<Log>,
    /// The one that was.
    pub former: Arc<Log>,
}

impl LogManager {
    /// The log that a move is building for a partition.
    pub fn future(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.read_logs().future.get(partition).cloned()
    }

    /// All logs that moves are building.
    pub fn futures(&self) -> Vec<Arc<Log>> {
        self.read_logs().future.values().cloned().collect()
    }

    /// Whether a path is one of `log.dirs`, and an error when it has failed.
    pub fn find_dir(&self, path: &Path) -> Option<Result<(), StorageError>> {
        self.dir(path).map(|dir| dir.health.check())
    }

    /// Remembers where a partition shall be made when it comes; nothing when one of its logs is there already.
    pub fn prefer_dir(&self, partition: &TopicPartition, path: &Path) {
        let mut changes = self.changes();
        let is_there = |log: Option<Arc<Log>>| log.is_some_and(|log| log.parent_dir() == path);
        if is_there(self.get(partition)) || is_there(self.future(partition)) {
            return;
        }
        if changes.preferred.len() >= MAX_PREFERRED && !changes.preferred.contains_key(partition) {
            tracing::warn!(%partition, "the wished directory is forgotten: {MAX_PREFERRED} such wishes are open");
            return;
        }
        changes.preferred.insert(partition.clone(), path.to_owned());
    }

    /// The log that a move into this directory builds, made when it is not there yet. Refused while any directory is
    /// offline: the failed one may hold another future log of the partition.
    pub fn get_or_create_future(
        &self,
        partition: &TopicPartition,
        path: &Path,
        topic_id: Option<TopicId>,
        config: LogConfig,
    ) -> Result<Arc<Log>, StorageError> {
        let mut changes = self.changes();
        if let Some(future) = self.future(partition).filter(|future| future.parent_dir() == path) {
            return Ok(future);
        }
        self.check_all_dirs()?;
        let no_such = || StorageError::Offline { path: path.to_owned() };
        let dir = self.dir(path).ok_or_else(no_such)?;
        let made = self.make_dir(dir, &future_dir_name(partition, rand::random()))?;
        let log = self.open_new(dir, &made, partition, config)?;
        changes.preferred.remove(partition);
        if let Some(current) = self.get(partition) {
            current.pause_cleaning();
        }
        self.write_logs().future.insert(partition.clone(), log.clone());
        drop(changes);
        if let Some(topic_id) = topic_id {
            log.assign_topic_id(topic_id)?;
        }
        Ok(log)
    }

    /// Gives a move up: its log is deleted, or only forgotten when its directory has failed. Answers whether there was one.
    pub fn delete_future(&self, partition: &TopicPartition) -> Result<bool, StorageError> {
        let mut changes = self.changes();
        let removed = self.write_logs().future.remove(partition);
        if let Some(current) = self.get(partition) {
            current.resume_cleaning();
        }
        match removed {
            Some(log) => self.rename_for_deletion(&log, &mut changes).map(|()| true),
            None => Ok(false),
        }
    }

    /// Puts the future log in the place of the current one, whose directory then waits for its deletion. Nobody may append
    /// to either meanwhile, and both must end at the same offset. An error leaves the current log in use; a failure of
    /// the old directory alone is none, because the partition has left it. `publish` tells readers of the log in use, before the
    /// former one retires. [`LogManager::note_replaced`] is the caller's next.
    pub fn replace_with_future(
        &self,
        partition: &TopicPartition,
        publish: impl FnOnce(&Arc<Log>),
    ) -> Result<Replaced, StorageError> {
        let mut changes = self.changes();
        let (current, future) = (self.get(partition), self.future(partition));
        let (Some(former), Some(log)) = (current, future) else {
            let path = Path::new(&current_dir_name(partition)).to_owned();
            return Err(StorageError::Damaged { path, what: "no log of it to replace, or none to replace it".into() });
        };
        former.check_online()?;
        log.rename_dir(log.parent_dir().join(current_dir_name(partition)))?;
        self.sync_parent(&log)?;
        log.set_high_watermark(former.high_watermark());
        log.set_cleaner_checkpoint(former.cleaner_checkpoint());
        {
            let mut logs = self.write_logs();
            logs.future.remove(partition);
            logs.current.insert(partition.clone(), log.clone());
        }
        publish(&log);
        if let Err(error) = self.rename_for_deletion(&former, &mut changes) {
            tracing::warn!(%partition, "the log that was replaced is left where it is: {error}");
        }
        Ok(Replaced { log, former })
    }

    /// Writes down where the logs are after a replacement. Failures have taken their directory offline and said so.
    pub fn note_replaced(&self, replaced: &Replaced) {
        let touched = [replaced.former.parent_dir(), replaced.log.parent_dir()];
        for dir in self.working_dirs().filter(|dir| touched.contains(&dir.health.path())) {
            let path = dir.health.path();
            let synced = dir.health.watch(self.disk.sync_dir(path).attempt("sync", path));
            if let Err(error) = synced.and_then(|()| self.checkpoint_dir(dir)) {
                tracing::warn!("a checkpoint was not written: {error}");
            }
        }
    }

    /// What holds while moves go on, for those that were found on disk. A copy is begun anew when the current log was
    /// cleaned beyond its end: nobody knows which tombstones it has missed.
    pub(super) fn resume_futures(&self) {
        for future in self.futures() {
            let Some(current) = self.get(future.partition()) else { continue };
            current.pause_cleaning();
            let end = future.log_end_offset();
            let is_behind = current.cleaner_checkpoint().is_some_and(|cleaned| cleaned > end);
            if is_behind && end > future.log_start_offset() {
                tracing::info!("{} is copied anew: the log was cleaned meanwhile", future.dir().display());
                if let Err(error) = future.truncate_fully_and_start_at(current.log_start_offset(), None) {
                    tracing::warn!(partition = %future.partition(), "its move cannot go on: {error}");
                }
            }
        }
    }

    fn sync_parent(&self, log: &Log) -> Result<(), StorageError> {
        let Some(dir) = self.dir(log.parent_dir()) else { return Ok(()) };
        let path = dir.health.path();
        dir.health.watch(self.disk.sync_dir(path).attempt("sync", path))
    }
}
