//! Whether a log directory still works. The first failed operation takes it offline for good; everything in it then
//! answers `Offline` until the broker starts again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::StorageError;

/// Told once per directory, with the directory and the reason, to log both. Called wherever the failure happened: must be quick and
/// must not call back into storage.
pub type FailureListener = std::sync::Arc<dyn Fn(&Path, &str) + Send + Sync>;

/// State of one log directory.
pub struct DirHealth {
    path: PathBuf,
    failure: OnceLock<String>,
    listener: Option<FailureListener>,
}

impl fmt::Debug for DirHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirHealth").field("path", &self.path).field("failure", &self.failure.get()).finish()
    }
}

impl DirHealth {
    /// A directory that works.
    pub fn new(path: PathBuf, listener: Option<FailureListener>) -> DirHealth {
        DirHealth { path, failure: OnceLock::new(), listener }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it is offline; `None` while it works.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// An error when the directory is offline.
    pub fn check(&self) -> Result<(), StorageError> {
        match self.failure() {
            None => Ok(()),
            Some(_) => Err(StorageError::Offline { path: self.path.clone() }),
        }
    }

    /// Passes an outcome on; a failed operation takes the directory offline.
    pub fn watch<T>(&self, outcome: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error @ StorageError::Io { .. }) = &outcome {
            self.fail(&error.to_string());
        }
        outcome
    }

    /// Takes the directory offline.
    pub fn fail(&self, reason: &str) {
        if self.failure.set(reason.to_owned()).is_ok() {
            match &self.listener {
                Some(listener) => listener(&self.path, reason),
                None => tracing::error!(dir = %self.path.display(), reason, "log directory goes offline"),
            }
        }
    }
}
