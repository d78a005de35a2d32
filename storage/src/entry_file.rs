//! A file of fixed-size entries that only grows at its end: what the offset index and the time index have in common.
//!
//! The file is as long as its entries: nothing is preallocated, so Java reads it the same after a clean and an unclean
//! stop. Java preallocates; zero entries behind the last real one are passed over. It is opened when first used.
//! Lookups are binary searches by `pread`; the newest entries are kept in memory, so that the tail costs no read.
//! No mapping: a file cut short under a mapping kills the process, and thousands of maps are not free either.
//!
//! The very newest entries may be in memory alone until there are enough for a write, or until [`EntryFile::sync`] or
//! [`EntryFile::close`]. A crash may take them: whoever believes an index after a crash has synced it before.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use world::{Disk, DiskFile};

use crate::access::Access;
use crate::error::{Attempt, StorageError};
use crate::log_path::SharedDir;

/// What distinguishes one kind of entry file.
pub(crate) trait Entry: Copy + std::fmt::Debug {
    const SIZE: usize;
    fn decode(bytes: &[u8]) -> Option<Self>;
    fn encode(&self) -> Vec<u8>;
    /// Whether the bytes are more than Java's preallocated zeros.
    fn is_real(&self) -> bool;
}

/// Newest entries that stay in memory.
const RECENT: usize = 128;
/// Entries that one write takes to the file; at most [`RECENT`].
const WRITTEN_AT_ONCE: usize = 64;

#[derive(Debug)]
pub(crate) struct EntryFile<E> {
    disk: Arc<dyn Disk>,
    dir: SharedDir,
    name: String,
    /// The name now belongs to another file: this one is not opened again.
    is_retired: AtomicBool,
    inner: Mutex<Inner<E>>,
}

#[derive(Debug)]
struct Inner<E> {
    file: Option<Arc<dyn DiskFile>>,
    /// All entries, also those that are not in the file yet.
    count: usize,
    recent: VecDeque<E>,
    /// How many of the newest are not in the file yet; at most as many as `recent` has.
    unwritten: usize,
    /// The file was changed since it was synced last.
    unsynced: bool,
}

impl<E> Inner<E> {
    fn closed(unsynced: bool) -> Inner<E> {
        Inner { file: None, count: 0, recent: VecDeque::new(), unwritten: 0, unsynced }
    }
}

impl<E: Entry> EntryFile<E> {
    /// Names the file; touches nothing.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: SharedDir, name: String) -> EntryFile<E> {
        EntryFile { disk, dir, name, is_retired: AtomicBool::new(false), inner: Mutex::new(Inner::closed(false)) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.load().join(&self.name)
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> Result<usize, StorageError> {
        Ok(self.looked_at()?.count)
    }

    pub(crate) fn last(&self) -> Result<Option<E>, StorageError> {
        Ok(self.looked_at()?.recent.back().copied())
    }

    /// Entry `number`, from 0.
    pub(crate) fn at(&self, number: usize) -> Result<Option<E>, StorageError> {
        let (file, first_recent) = {
            let inner = self.looked_at()?;
            let first_recent = inner.count - inner.recent.len();
            if let Some(in_memory) = number.checked_sub(first_recent) {
                return Ok(inner.recent.get(in_memory).copied());
            }
            (inner.file.clone(), first_recent)
        };
        match file.filter(|_| number < first_recent) {
            Some(file) => self.read(&file, number),
            None => Ok(None),
        }
    }

    pub(crate) fn append(&self, entry: E) -> Result<(), StorageError> {
        let mut inner = self.opened()?;
        inner.count += 1;
        inner.unwritten += 1;
        inner.recent.push_back(entry);
        if inner.unwritten >= WRITTEN_AT_ONCE {
            self.write_out(&mut inner)?;
        }
        if inner.recent.len() > RECENT {
            inner.recent.pop_front();
        }
        Ok(())
    }

    /// Brings the entries that are in memory alone to the file.
    fn write_out(&self, inner: &mut Inner<E>) -> Result<(), StorageError> {
        let Some(file) = inner.file.clone().filter(|_| inner.unwritten > 0) else { return Ok(()) };
        let first = inner.recent.len().saturating_sub(inner.unwritten);
        let bytes: Vec<u8> = inner.recent.iter().skip(first).flat_map(E::encode).collect();
        let position = ((inner.count - inner.unwritten) * E::SIZE) as u64;
        file.write_at(&mut [IoSlice::new(&bytes)], position).attempt("write", &self.path())?;
        inner.unwritten = 0;
        inner.unsynced = true;
        Ok(())
    }

    /// Cuts the file to its first `count` entries.
    pub(crate) fn truncate(&self, count: usize) -> Result<(), StorageError> {
        let mut inner = self.opened()?;
        self.write_out(&mut inner)?;
        if let Some(file) = inner.file.clone() {
            file.set_len((count * E::SIZE) as u64).attempt("truncate", &self.path())?;
            *inner = Inner { unsynced: true, ..self.load(file)? };
        }
        Ok(())
    }

    /// The last entry for which `before` holds, with its number; entries must be ordered so that it holds for a first
    /// part of them.
    pub(crate) fn search(&self, before: impl Fn(&E) -> bool) -> Result<Option<(usize, E)>, StorageError> {
        self.search_with(before, Access::Disk)
    }

    pub(crate) fn search_with(
        &self,
        before: impl Fn(&E) -> bool,
        access: Access,
    ) -> Result<Option<(usize, E)>, StorageError> {
        let (file, mut high) = {
            let inner = self.looked_at()?;
            let first_recent = inner.count - inner.recent.len();
            let found = inner.recent.partition_point(&before);
            if found > 0 {
                return Ok(inner.recent.get(found - 1).map(|entry| (first_recent + found - 1, *entry)));
            }
            (inner.file.clone(), first_recent)
        };
        // Outside the lock: older entries do not change, unless the file is truncated, and then whoever uses the answer
        // sees that the position does not hold what was promised.
        let Some(file) = file else { return Ok(None) };
        let mut low = 0;
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.read_with(&file, middle, access)?.filter(|entry| before(entry)) {
                Some(entry) => {
                    found = Some((middle, entry));
                    low = middle + 1;
                }
                None => high = middle,
            }
        }
        Ok(found)
    }

    /// Forgets the entries in memory and looks at the file again, or creates it empty.
    pub(crate) fn reset(&self) -> Result<(), StorageError> {
        self.truncate(0)
    }

    /// Makes the entries survive a crash. Costs nothing when nothing has changed since the last time.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let file = {
            let mut inner = self.lock();
            if inner.unwritten == 0 && !inner.unsynced {
                return Ok(());
            }
            if inner.file.is_none() {
                drop(inner);
                inner = self.opened()?;
            }
            self.write_out(&mut inner)?;
            // What changes from here on counts for the next time. A failure leaves nobody who would ask again.
            inner.unsynced = false;
            inner.file.clone()
        };
        file.map_or(Ok(()), |file| file.sync_data().attempt("sync", &self.path()))
    }

    /// Closes the file until it is used again.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        let mut inner = self.lock();
        self.write_out(&mut inner)?;
        *inner = Inner::closed(inner.unsynced);
        Ok(())
    }

    /// Closes the file for good: to whoever still asks, there are no entries.
    pub(crate) fn retire(&self) {
        let mut inner = self.lock();
        self.is_retired.store(true, Ordering::Release);
        *inner = Inner::closed(false);
    }

    /// Bytes of its entries.
    pub(crate) fn bytes(&self) -> Result<u64, StorageError> {
        Ok((self.count()? * E::SIZE) as u64)
    }

    /// Length of the file is a whole number of entries.
    pub(crate) fn is_whole(&self) -> Result<bool, StorageError> {
        let len = self.disk.metadata(&self.path()).attempt("look at", &self.path())?.len;
        Ok(len % E::SIZE as u64 == 0)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<E>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opened for writing; a missing file is made.
    fn opened(&self) -> Result<MutexGuard<'_, Inner<E>>, StorageError> {
        let mut inner = self.lock();
        if inner.file.is_none() {
            let opened = self.dir.with(|dir| self.disk.open_or_create(&dir.join(&self.name)));
            let loaded = self.load(opened.attempt_at("open", || self.path())?)?;
            *inner = Inner { unsynced: inner.unsynced, ..loaded };
        }
        Ok(inner)
    }

    /// Opened for reading; a missing file is empty, and stays missing: a late reader of a deleted segment must not make
    /// its index anew.
    fn looked_at(&self) -> Result<MutexGuard<'_, Inner<E>>, StorageError> {
        let mut inner = self.lock();
        if inner.file.is_none() && !self.is_retired.load(Ordering::Acquire) {
            match self.dir.with(|dir| self.disk.open(&dir.join(&self.name))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => {
                    let loaded = self.load(opened.attempt_at("open", || self.path())?)?;
                    *inner = Inner { unsynced: inner.unsynced, ..loaded };
                }
            }
        }
        Ok(inner)
    }

    fn load(&self, file: Arc<dyn DiskFile>) -> Result<Inner<E>, StorageError> {
        let len = file.len().attempt("look at", &self.path())?;
        let mut count = (len / E::SIZE as u64) as usize;
        let ends_real = |count: usize| Ok(count == 0 || self.read(&file, count - 1)?.is_some_and(|e: E| e.is_real()));
        if !ends_real(count)? {
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low + (high - low) / 2;
                if self.read(&file, middle)?.is_some_and(|entry: E| entry.is_real()) {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            count = low;
        }
        // Only the last entry: the others join the memory as they are appended.
        let last = if count == 0 { None } else { self.read(&file, count - 1)? };
        let recent = last.into_iter().collect();
        Ok(Inner { file: Some(file), count, recent, unwritten: 0, unsynced: false })
    }

    fn read(&self, file: &Arc<dyn DiskFile>, number: usize) -> Result<Option<E>, StorageError> {
        self.read_with(file, number, Access::Disk)
    }

    fn read_with(&self, file: &Arc<dyn DiskFile>, number: usize, access: Access) -> Result<Option<E>, StorageError> {
        let mut bytes = [0; 16];
        let Some(place) = bytes.get_mut(..E::SIZE) else { return Ok(None) };
        let read = access.read_at(file, place, (number * E::SIZE) as u64).attempt_at("read", || self.path())?;
        Ok(if read == E::SIZE { E::decode(place) } else { None })
    }
}
