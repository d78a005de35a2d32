//! The machine's own file system.
//!
//! Positioned reads and writes go straight to `pread`/`pwritev`, so a handle has no cursor and may be shared between
//! threads. Errors come back as the system gave them; whoever asked knows the path and adds it.
#![allow(clippy::disallowed_methods, reason = "this file is the one reader and writer of real files")]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, fcntl_lock, statvfs};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev};

use crate::disk::{DirLock, Disk, DiskFile, Entry, Metadata, Space};

/// The machine's own file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        open_with(path, OpenOptions::new().read(true).write(true))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        open_with(path, OpenOptions::new().read(true))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        open_with(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        open_with(path, OpenOptions::new().read(true).write(true).create_new(true))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let found = fs::metadata(path)?;
        Ok(Metadata { len: found.len(), modified_ms: modified_ms(&found), is_dir: found.is_dir() })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A link to a directory counts as one; a dangling link counts as a file.
            let is_dir = fs::metadata(entry.path()).is_ok_and(|target| target.is_dir());
            entries.push(Entry { name, is_dir });
        }
        entries.sort();
        Ok(entries)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // An empty parent is what `Path::parent` answers for a bare file name.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        PosixLock::take(path).map(|lock| Box::new(lock) as Box<dyn DirLock>)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let found = statvfs(path)?;
        Ok(Space {
            total: found.f_blocks.saturating_mul(found.f_frsize),
            usable: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }
}

fn open_with(path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn DiskFile>> {
    Ok(Arc::new(RealFile { file: options.open(path)?, nowait_works: AtomicBool::new(true) }))
}

fn modified_ms(metadata: &fs::Metadata) -> i64 {
    metadata.mtime().saturating_mul(1000).saturating_add(metadata.mtime_nsec() / 1_000_000)
}

#[derive(Debug)]
struct RealFile {
    file: File,
    /// Cleared when the file system refuses `RWF_NOWAIT`, so that it is asked only once.
    nowait_works: AtomicBool,
}

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, position + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn read_cached_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        if !self.nowait_works.load(Ordering::Relaxed) {
            return self.read_at(buf, position);
        }
        match preadv2(&self.file, &mut [IoSliceMut::new(buf)], position, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(read),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.nowait_works.store(false, Ordering::Relaxed);
                self.read_at(buf, position)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn write_at(&self, mut slices: &mut [IoSlice<'_>], mut position: u64) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match pwritev(&self.file, slices, position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    position += written as u64;
                    IoSlice::advance_slices(&mut slices, written);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len <= self.len()? {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), 0, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.set_len(len),
            outcome => Ok(outcome?),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn modified_ms(&self) -> io::Result<i64> {
        Ok(modified_ms(&self.file.metadata()?))
    }

    fn set_modified_ms(&self, modified_ms: i64) -> io::Result<()> {
        let since = Duration::from_millis(modified_ms.unsigned_abs());
        let time = if modified_ms >= 0 { UNIX_EPOCH + since } else { UNIX_EPOCH - since };
        self.file.set_modified(time as SystemTime)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

/// Files this process has locked, as (device, inode): POSIX locks do not exclude a second taker in the same process,
/// and closing *any* descriptor of the file would drop them.
static HELD: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

#[derive(Debug)]
struct PosixLock {
    inode: (u64, u64),
    /// Keeps the lock; dropped, and the lock with it, before `inode` is free for others.
    file: Option<File>,
}

impl PosixLock {
    fn take(path: &Path) -> io::Result<PosixLock> {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at before it is opened: opening and closing it again would drop a lock that this process holds.
        if let Ok(found) = fs::metadata(path)
            && held.contains(&(found.dev(), found.ino()))
        {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(errno) => return Err(errno.into()),
        }
        let found = file.metadata()?;
        let inode = (found.dev(), found.ino());
        held.insert(inode);
        Ok(PosixLock { inode, file: Some(file) })
    }
}

impl DirLock for PosixLock {}

impl Drop for PosixLock {
    fn drop(&mut self) {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        self.file = None;
        held.remove(&self.inode);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positioned_writes_and_reads_meet() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealDisk.create_new(&dir.path().join("f")).unwrap();
        file.write_at(&mut [IoSlice::new(b""), IoSlice::new(b"abc"), IoSlice::new(b"def")], 2).unwrap();
        file.write_at(&mut [], 0).unwrap();
        let mut buf = [9; 16];
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), 8);
        assert_eq!(&buf[..8], b"\0\0abcdef");
        assert_eq!(file.read_cached_at(&mut buf, 6).unwrap(), 2);
        assert_eq!(file.read_at(&mut buf, 100).unwrap(), 0);
        file.set_len(4).unwrap();
        assert_eq!(file.len().unwrap(), 4);
        file.allocate(3).unwrap();
        assert_eq!(file.len().unwrap(), 4);
        file.allocate(6).unwrap();
        assert_eq!(file.read_at(&mut buf, 2).unwrap(), 4);
        assert_eq!(&buf[..4], b"ab\0\0");
        file.set_modified_ms(1_234_567).unwrap();
        assert_eq!(file.modified_ms().unwrap(), 1_234_567);
        file.sync_data().unwrap();
    }

    #[test]
    fn opening_keeps_content_and_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        assert_eq!(RealDisk.open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        RealDisk.replace(&path, b"one").unwrap();
        RealDisk.open_or_create(&path).unwrap();
        assert_eq!(RealDisk.create_new(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(RealDisk.read_all(&path, 3).unwrap(), b"one");
        assert_eq!(RealDisk.read_all(&path, 2).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(RealDisk.open_read(&path).unwrap().write_at(&mut [IoSlice::new(b"x")], 0).is_err());
        RealDisk.create_dir_all(&dir.path().join("a/b")).unwrap();
        let names: Vec<_> = RealDisk.read_dir(dir.path()).unwrap().into_iter().map(|e| (e.name, e.is_dir)).collect();
        assert_eq!(names, [("a".to_owned(), true), ("f".to_owned(), false)]);
        assert!(RealDisk.space(dir.path()).unwrap().total > 0);
    }

    #[test]
    fn a_lock_is_taken_once_and_again_after_release() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let first = RealDisk.lock(&path).unwrap();
        assert_eq!(RealDisk.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        RealDisk.lock(&path).unwrap();
    }
}
