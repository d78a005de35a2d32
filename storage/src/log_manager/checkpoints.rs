//! What is written down about the logs of a directory, and the clean stop that ends with it.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::{LogDir, LogManager, joined};
use crate::checkpoint::{
    CLEANER_OFFSET_FILE, HIGH_WATERMARK_FILE, LOG_START_OFFSET_FILE, OffsetTable, RECOVERY_POINT_FILE, write_offsets,
};
use crate::clean_shutdown;
use crate::error::{Attempt, StorageError};
use crate::log::Log;

/// Logs of a directory that are closed at the same time.
const CLOSING_THREADS: usize = 8;

impl LogManager {
    /// Writes `recovery-point-offset-checkpoint` of every working directory.
    pub fn checkpoint_recovery_points(&self) -> Result<(), StorageError> {
        self.working_dirs().try_for_each(|dir| {
            self.checkpoint_points(dir)?;
            // A truncation may have moved it.
            self.checkpoint_cleaned_dir(dir)
        })
    }

    /// Writes `log-start-offset-checkpoint` of every working directory.
    pub fn checkpoint_log_starts(&self) -> Result<(), StorageError> {
        self.working_dirs().try_for_each(|dir| self.checkpoint_starts(dir))
    }

    pub(super) fn checkpoint_dir(&self, dir: &LogDir) -> Result<(), StorageError> {
        self.checkpoint_points(dir)?;
        self.checkpoint_starts(dir)?;
        self.checkpoint_cleaned_dir(dir)
    }

    fn checkpoint_points(&self, dir: &LogDir) -> Result<(), StorageError> {
        let logs = self.logs_in(dir);
        let points = logs.iter().map(|log| (log.partition().clone(), log.recovery_point())).collect();
        self.write_checkpoint(dir, RECOVERY_POINT_FILE, points)
    }

    /// Only those that the name of the first segment does not tell.
    fn checkpoint_starts(&self, dir: &LogDir) -> Result<(), StorageError> {
        let logs = self.logs_in(dir);
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

    /// Writes `cleaner-offset-checkpoint` of a log directory.
    pub(crate) fn checkpoint_cleaned(&self, path: &Path) -> Result<(), StorageError> {
        self.working_dirs().filter(|dir| dir.health.path() == path).try_for_each(|dir| self.checkpoint_cleaned_dir(dir))
    }

    /// Nothing when the file says the same already.
    fn checkpoint_cleaned_dir(&self, dir: &LogDir) -> Result<(), StorageError> {
        let mut written = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
        let logs = self.logs_in(dir);
        let cleaned = logs.iter().filter_map(|log| Some((log.partition().clone(), log.cleaner_checkpoint()?)));
        let (path, cleaned) = (dir.health.path(), cleaned.collect::<OffsetTable>());
        if written.get(path).map_or(cleaned.is_empty(), |written| *written == cleaned) {
            return Ok(());
        }
        self.write_checkpoint(dir, CLEANER_OFFSET_FILE, cleaned.clone())?;
        written.insert(path.to_owned(), cleaned);
        Ok(())
    }

    fn write_checkpoint(&self, dir: &LogDir, name: &str, table: OffsetTable) -> Result<(), StorageError> {
        let path = dir.health.path().join(name);
        dir.health.watch(write_offsets(&*self.disk, &path, &table))
    }

    fn logs_in(&self, dir: &LogDir) -> Vec<Arc<Log>> {
        self.everything().into_iter().filter(|log| log.parent_dir() == dir.health.path()).collect()
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
}
