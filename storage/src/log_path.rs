//! Where a log's directory is. It gets another name while files in it are being opened, by a deletion or at the end of a
//! move: whoever opens one by name keeps the name from changing until it is open. What is open stays so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::{ArcSwap, Guard};

/// A log's directory, shared by all that have files in it.
pub(crate) type SharedDir = Arc<LogPath>;

/// The name of a directory that may change.
#[derive(Debug)]
pub(crate) struct LogPath {
    path: ArcSwap<PathBuf>,
    /// A leaf: nothing else is locked while it is held.
    renaming: RwLock<()>,
}

impl LogPath {
    pub(crate) fn new(path: PathBuf) -> SharedDir {
        Arc::new(LogPath { path: ArcSwap::from_pointee(path), renaming: RwLock::new(()) })
    }

    /// The name right now. The next moment it may be another.
    pub(crate) fn load(&self) -> Guard<Arc<PathBuf>> {
        self.path.load()
    }

    /// Does something with files by name. It must be short, and must not come back here.
    pub(crate) fn with<T>(&self, open: impl FnOnce(&Path) -> T) -> T {
        let _same = self.renaming.read().unwrap_or_else(PoisonError::into_inner);
        open(&self.path.load())
    }

    /// Gives the directory another name; `rename` does it on disk.
    pub(crate) fn rename<E>(&self, to: PathBuf, rename: impl FnOnce(&Path, &Path) -> Result<(), E>) -> Result<(), E> {
        let _renaming = self.renaming.write().unwrap_or_else(PoisonError::into_inner);
        rename(&self.path.load(), &to)?;
        self.path.store(Arc::new(to));
        Ok(())
    }
}
