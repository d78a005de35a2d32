//! Files, as storage and the embedded ZooKeeper see them: positioned reads and writes, explicit syncs, no cursor.
//!
//! What survives a crash is what was synced: a file's bytes after [`DiskFile::sync_data`] or [`DiskFile::sync_all`], a
//! directory's entries (creations, renames, removals) after [`Disk::sync_dir`].

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One child of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the directory.
    pub name: String,
    /// Whether it is itself a directory.
    pub is_dir: bool,
}

/// What is known of a path without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Length in bytes.
    pub len: u64,
    /// Time of the last change, milliseconds since 1970.
    pub modified_ms: i64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Room on the file system that holds a path, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total: u64,
    /// What an unprivileged writer may still use.
    pub usable: u64,
}

/// A place where files live.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Opens for reading and writing; the file must exist.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens for reading only; the file must exist.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens for reading and writing and makes the file when it is missing. Keeps what is in it.
    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a new file; fails with `AlreadyExists` when there is one.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Looks at a path; `NotFound` when there is nothing.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Lists a directory, sorted by name.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Makes a directory and its missing parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Renames a file or a directory; an existing file at `to` is replaced in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with all that is in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in this directory survive a crash.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the exclusive POSIX (`fcntl`) lock that Java's `FileChannel.tryLock` takes, so that both exclude each
    /// other; also excludes a second taker in this process. `WouldBlock` when somebody else has it. Released when the
    /// guard is dropped.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>>;
    /// Room left.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Whether there is something at the path.
    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a whole small file. `limit` bounds what is taken into memory: a larger file is `InvalidData`.
    fn read_all(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.open_read(path)?;
        let len = file.len()?;
        if len > limit {
            let text = format!("{} has {len} bytes, more than the {limit} that such a file may have", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut bytes = vec![0; len as usize];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Replaces a small file so that a crash leaves the old or the new content, never a mixture: writes `<path>.tmp`,
    /// syncs it, renames it, syncs the directory (Kafka's `CheckpointFile` does the same).
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut tmp = path.as_os_str().to_owned();
        tmp.push(".tmp");
        let tmp = PathBuf::from(tmp);
        let file = self.open_or_create(&tmp)?;
        file.set_len(0)?;
        file.write_at(&mut [IoSlice::new(bytes)], 0)?;
        file.sync_all()?;
        self.rename(&tmp, path)?;
        match path.parent() {
            Some(parent) => self.sync_dir(parent),
            None => Ok(()),
        }
    }
}

/// Held lock of [`Disk::lock`].
pub trait DirLock: Send + Sync + Debug {}

/// An open file. All methods may be called from several threads at once.
pub trait DiskFile: Send + Sync + Debug {
    /// Fills `buf` from `position`; stops early only at the end of the file. Answers how much was read.
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// As [`DiskFile::read_at`], but reads only what the page cache already holds: `WouldBlock` when the first byte
    /// would have to come from the device, fewer bytes when a later one would.
    fn read_cached_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of the slices, one behind the other, from `position`. The slices are scratch space afterwards.
    fn write_at(&self, slices: &mut [IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends (with zeros).
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Extends with zeros for which the file system has set room aside, where it can do that; never shortens.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Makes the bytes written so far, and the length, survive a crash.
    fn sync_data(&self) -> io::Result<()>;
    /// As `sync_data`, with all of the metadata.
    fn sync_all(&self) -> io::Result<()>;
    /// Time of the last change, milliseconds since 1970.
    fn modified_ms(&self) -> io::Result<i64>;
    /// Sets the time of the last change.
    fn set_modified_ms(&self, modified_ms: i64) -> io::Result<()>;
    /// The descriptor, for mapping and sendfile; `None` for a file that is not really there.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
}
