//! A file of fixed-size entries that only grows at its end: what the offset index and the time index have in common.
//!
//! The file is as long as its entries: nothing is preallocated, so Java reads it the same after a clean and an unclean
//! stop. Java preallocates; zero entries behind the last real one are passed over. It is opened when first used.
//! Lookups are binary searches by `pread`; the newest entries are kept in memory, so that the tail costs no read.
//! No mapping: a file cut short under a mapping kills the process, and thousands of maps are not free either.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use world::{Disk, DiskFile};

use crate::error::{Attempt, StorageError};

/// A partition's directory; it is renamed while files in it are open.
pub(crate) type SharedDir = Arc<ArcSwap<PathBuf>>;

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

#[derive(Debug)]
pub(crate) struct EntryFile<E> {
    disk: Arc<dyn Disk>,
    dir: SharedDir,
    name: String,
    inner: Mutex<Inner<E>>,
}

#[derive(Debug)]
struct Inner<E> {
    file: Option<Arc<dyn DiskFile>>,
    count: usize,
    recent: VecDeque<E>,
}

impl<E: Entry> EntryFile<E> {
    /// Names the file; touches nothing.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: SharedDir, name: String) -> EntryFile<E> {
        let inner = Inner { file: None, count: 0, recent: VecDeque::new() };
        EntryFile { disk, dir, name, inner: Mutex::new(inner) }
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
        let (file, count) = {
            let inner = self.looked_at()?;
            (inner.file.clone(), inner.count)
        };
        match file.filter(|_| number < count) {
            Some(file) => self.read(&file, number),
            None => Ok(None),
        }
    }

    pub(crate) fn append(&self, entry: E) -> Result<(), StorageError> {
        let mut inner = self.opened()?;
        let position = (inner.count * E::SIZE) as u64;
        if let Some(file) = &inner.file {
            file.write_at(&mut [IoSlice::new(&entry.encode())], position).attempt("write", &self.path())?;
        }
        inner.count += 1;
        inner.recent.push_back(entry);
        if inner.recent.len() > RECENT {
            inner.recent.pop_front();
        }
        Ok(())
    }

    /// Cuts the file to its first `count` entries.
    pub(crate) fn truncate(&self, count: usize) -> Result<(), StorageError> {
        let mut inner = self.opened()?;
        if let Some(file) = inner.file.clone() {
            file.set_len((count * E::SIZE) as u64).attempt("truncate", &self.path())?;
            *inner = self.load(file)?;
        }
        Ok(())
    }

    /// The last entry for which `before` holds, with its number; entries must be ordered so that it holds for a first
    /// part of them.
    pub(crate) fn search(&self, before: impl Fn(&E) -> bool) -> Result<Option<(usize, E)>, StorageError> {
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
            match self.read(&file, middle)?.filter(|entry| before(entry)) {
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

    /// Makes the entries survive a crash. A file that was never opened has nothing to lose.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let file = self.lock().file.clone();
        file.map_or(Ok(()), |file| file.sync_data().attempt("sync", &self.path()))
    }

    /// Closes the file until it is used again.
    pub(crate) fn close(&self) {
        *self.lock() = Inner { file: None, count: 0, recent: VecDeque::new() };
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
            let path = self.path();
            *inner = self.load(self.disk.open_or_create(&path).attempt("open", &path)?)?;
        }
        Ok(inner)
    }

    /// Opened for reading; a missing file is empty, and stays missing: a late reader of a deleted segment must not make
    /// its index anew.
    fn looked_at(&self) -> Result<MutexGuard<'_, Inner<E>>, StorageError> {
        let mut inner = self.lock();
        if inner.file.is_none() {
            let path = self.path();
            match self.disk.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => *inner = self.load(opened.attempt("open", &path)?)?,
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
        Ok(Inner { file: Some(file), count, recent: last.into_iter().collect() })
    }

    fn read(&self, file: &Arc<dyn DiskFile>, number: usize) -> Result<Option<E>, StorageError> {
        let mut bytes = [0; 16];
        let Some(place) = bytes.get_mut(..E::SIZE) else { return Ok(None) };
        let read = file.read_at(place, (number * E::SIZE) as u64).attempt("read", &self.path())?;
        Ok(if read == E::SIZE { E::decode(place) } else { None })
    }
}
