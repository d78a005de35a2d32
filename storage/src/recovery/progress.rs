//! How far loading has come, as numbers that anybody may read while it lasts: what Kafka's gauges `remainingLogsToRecover`
//! and `remainingSegmentsToRecover` of `kafka.log:type=LogManager` show.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The progress of all log directories. Empty before loading begins, and all zeros once it is over.
#[derive(Debug, Default)]
pub struct LoadProgress {
    dirs: Mutex<BTreeMap<PathBuf, Arc<DirProgress>>>,
}

/// The progress of one log directory.
#[derive(Debug)]
pub struct DirProgress {
    remaining_logs: AtomicUsize,
    /// By recovery thread.
    remaining_segments: Vec<AtomicUsize>,
}

impl LoadProgress {
    /// Logs that each directory has yet to load (tag `dir`).
    pub fn remaining_logs(&self) -> Vec<(PathBuf, usize)> {
        self.dirs().iter().map(|(path, dir)| (path.clone(), dir.remaining_logs.load(Ordering::Relaxed))).collect()
    }

    /// Segments that each thread of each directory has yet to scan in the log that it is at (tags `dir`, `threadNum`).
    pub fn remaining_segments(&self) -> Vec<(PathBuf, usize, usize)> {
        let of_dir = |(path, dir): (&PathBuf, &Arc<DirProgress>)| {
            let of_thread =
                |(thread, left): (usize, &AtomicUsize)| (path.clone(), thread, left.load(Ordering::Relaxed));
            dir.remaining_segments.iter().enumerate().map(of_thread).collect::<Vec<_>>()
        };
        self.dirs().iter().flat_map(of_dir).collect()
    }

    /// A directory begins to load.
    pub(crate) fn begin(&self, path: &Path, logs: usize, threads: usize) -> Arc<DirProgress> {
        let remaining_segments = (0..threads).map(|_| AtomicUsize::new(0)).collect();
        let dir = Arc::new(DirProgress { remaining_logs: AtomicUsize::new(logs), remaining_segments });
        self.dirs().insert(path.to_owned(), dir.clone());
        dir
    }

    fn dirs(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<DirProgress>>> {
        self.dirs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DirProgress {
    /// Another log is done. Answers how many are left.
    pub(crate) fn log_done(&self) -> usize {
        self.remaining_logs.fetch_sub(1, Ordering::Relaxed).saturating_sub(1)
    }

    /// Where a thread counts its segments down.
    pub(crate) fn segments_of(&self, thread: usize) -> SegmentsLeft<'_> {
        SegmentsLeft(self.remaining_segments.get(thread))
    }
}

/// Segments that one log has yet to scan; counted for whoever asks, or for nobody.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SegmentsLeft<'a>(Option<&'a AtomicUsize>);

impl SegmentsLeft<'_> {
    pub(crate) fn set(&self, left: usize) {
        if let Some(count) = self.0 {
            count.store(left, Ordering::Relaxed);
        }
    }
}
