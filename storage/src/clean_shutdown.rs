//! `.kafka_cleanshutdown`: the last stop was clean, so logs need no recovery. Only its existence counts.
//!
//! It is removed before anything is loaded and written after everything was flushed: a crash in between must find no
//! file. The content is Kafka 3.9's; 2.4.1 leaves the file empty and reads neither.

use std::io;
use std::path::Path;

use world::Disk;

use crate::error::{Attempt, StorageError};

/// The file's name.
pub const FILE_NAME: &str = ".kafka_cleanshutdown";
const CONTENT: &[u8] = br#"{"version":0,"brokerEpoch":-1}"#;

/// Whether the last stop was clean, and forgets it for the next crash.
pub fn take(disk: &dyn Disk, log_dir: &Path) -> Result<bool, StorageError> {
    let path = log_dir.join(FILE_NAME);
    match disk.remove_file(&path) {
        Ok(()) => disk.sync_dir(log_dir).attempt("sync", log_dir).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).attempt("remove", &path),
    }
}

/// Notes that the stop was clean. The last write of a stop.
pub fn write(disk: &dyn Disk, log_dir: &Path) -> Result<(), StorageError> {
    let path = log_dir.join(FILE_NAME);
    disk.replace(&path, CONTENT).attempt("write", &path)
}

#[cfg(test)]
mod tests {
    use world::{MemDisk, Unsynced};

    use super::*;

    #[test]
    fn it_is_taken_once_and_stays_taken_after_a_crash() {
        let disk = MemDisk::new();
        let dir = Path::new("/");
        assert!(!take(&disk, dir).unwrap());
        write(&disk, dir).unwrap();
        assert!(take(&disk.crash(Unsynced::Lost), dir).unwrap());
        assert!(take(&disk, dir).unwrap());
        assert!(!take(&disk.crash(Unsynced::Lost), dir).unwrap());
    }
}
