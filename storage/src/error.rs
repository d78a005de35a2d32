//! Faults: what the disk did to us. Answers to a client (a gap in sequences, an offset out of range) are types of
//! their own in `log.rs` and `validate.rs`.

use std::io;
use std::path::{Path, PathBuf};

/// A fault. Whoever gets one need not log it again: the log directory that it hit is marked offline and says so.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// An operation on a file failed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as the rest of "could not …".
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds something it cannot hold.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, with the position where that helps.
        what: String,
    },
    /// The directory failed earlier; nothing in it is touched any more.
    #[error("log directory {} is offline", path.display())]
    Offline {
        /// Which directory.
        path: PathBuf,
    },
}

/// Adds what was attempted to an I/O error.
pub(crate) trait Attempt<T> {
    fn attempt(self, action: &'static str, path: &Path) -> Result<T, StorageError>;
    /// The same where composing the path would cost more than it should on every success.
    fn attempt_at(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, StorageError>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, action: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::Io { action, path: path.to_owned(), source })
    }

    fn attempt_at(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::Io { action, path: path(), source })
    }
}
