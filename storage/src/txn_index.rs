//! `<base offset>.txnindex`: the transactions whose abort marker lies in the segment. Read-committed consumers get the
//! ones that overlap what they fetched. The file exists only once there is an entry.
//!
//! ```text
//! version 2 (0) | producer id 8 | first offset 8 | last offset 8 | last stable offset 8
//! ```

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use world::Disk;

use crate::be::{i16_at, i64_at};
use crate::error::{Attempt, StorageError};
use crate::file_name::FileKind;
use crate::log_path::SharedDir;

const ENTRY_SIZE: usize = 34;
/// No index of a 2 GiB segment comes near; a larger file is damage.
const MAX_FILE: u64 = 1 << 30;

/// An aborted transaction on one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose it was.
    pub producer_id: i64,
    /// Its first record.
    pub first_offset: i64,
    /// Its abort marker.
    pub last_offset: i64,
    /// Last stable offset when the marker was appended: no open transaction begins below it.
    pub last_stable_offset: i64,
}

impl AbortedTxn {
    pub(crate) fn encode(&self) -> [u8; ENTRY_SIZE] {
        let mut out = [0; ENTRY_SIZE];
        let fields = [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        for (place, field) in out.iter_mut().skip(2).zip(fields.iter().flat_map(|field| field.to_be_bytes())) {
            *place = field;
        }
        out
    }

    /// Reads the entries of a whole file; `Err` names the position of the first that is none.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<AbortedTxn>, usize> {
        let entries = bytes.chunks(ENTRY_SIZE).enumerate();
        entries.map(|(number, entry)| Self::decode(entry).ok_or(number * ENTRY_SIZE)).collect()
    }

    fn decode(entry: &[u8]) -> Option<AbortedTxn> {
        if i16_at(entry, 0)? != 0 {
            return None;
        }
        Some(AbortedTxn {
            producer_id: i64_at(entry, 2)?,
            first_offset: i64_at(entry, 10)?,
            last_offset: i64_at(entry, 18)?,
            last_stable_offset: i64_at(entry, 26)?,
        })
    }
}

/// Transaction index of one segment.
#[derive(Debug)]
pub(crate) struct TxnIndex {
    disk: Arc<dyn Disk>,
    dir: SharedDir,
    base_offset: i64,
    /// The entries, once somebody asked. They are few.
    loaded: Mutex<Option<Vec<AbortedTxn>>>,
    /// The file was changed since it was synced last.
    unsynced: AtomicBool,
}

impl TxnIndex {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: SharedDir, base_offset: i64) -> TxnIndex {
        TxnIndex { disk, dir, base_offset, loaded: Mutex::new(None), unsynced: AtomicBool::new(false) }
    }

    /// There is no file to look for.
    pub(crate) fn new_empty(disk: Arc<dyn Disk>, dir: SharedDir, base_offset: i64) -> TxnIndex {
        TxnIndex { loaded: Mutex::new(Some(Vec::new())), ..TxnIndex::new(disk, dir, base_offset) }
    }

    pub(crate) fn append(&self, txn: AbortedTxn) -> Result<(), StorageError> {
        let mut loaded = self.loaded()?;
        let entries = loaded.get_or_insert_default();
        let path = self.path();
        let file = self.disk.open_or_create(&path).attempt("open", &path)?;
        let position = (entries.len() * ENTRY_SIZE) as u64;
        file.write_at(&mut [IoSlice::new(&txn.encode())], position).attempt("write", &path)?;
        self.unsynced.store(true, Ordering::Release);
        entries.push(txn);
        Ok(())
    }

    /// Adds the transactions that overlap [from, upper_bound) to `found`. `true`: no later segment can hold another.
    pub(crate) fn collect(
        &self,
        from: i64,
        upper_bound: i64,
        found: &mut Vec<AbortedTxn>,
    ) -> Result<bool, StorageError> {
        for txn in self.loaded()?.iter().flatten() {
            if txn.last_offset >= from && txn.first_offset < upper_bound {
                found.push(*txn);
            }
            if txn.last_stable_offset >= upper_bound {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All of its transactions.
    pub(crate) fn all(&self) -> Result<Vec<AbortedTxn>, StorageError> {
        Ok(self.loaded()?.clone().unwrap_or_default())
    }

    /// Drops the transactions that end at or behind `offset`.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<(), StorageError> {
        let mut loaded = self.loaded()?;
        let entries = loaded.get_or_insert_default();
        let kept = entries.iter().take_while(|txn| txn.last_offset < offset).count();
        if kept == entries.len() {
            return Ok(());
        }
        entries.truncate(kept);
        let path = self.path();
        let file = self.disk.open(&path).attempt("open", &path)?;
        self.unsynced.store(true, Ordering::Release);
        file.set_len((kept * ENTRY_SIZE) as u64).attempt("truncate", &path)
    }

    /// Drops everything, also what could not be read.
    pub(crate) fn reset(&self) -> Result<(), StorageError> {
        let path = self.path();
        match self.disk.open(&path) {
            Ok(file) => {
                self.unsynced.store(true, Ordering::Release);
                file.set_len(0).attempt("truncate", &path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).attempt("open", &path),
        }
        *self.lock() = Some(Vec::new());
        Ok(())
    }

    /// Makes the entries survive a crash. Costs nothing when nothing has changed since the last time.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        if !self.unsynced.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let path = self.path();
        match self.disk.open(&path) {
            // The segment was deleted or cleaned since somebody found it; what took its place is synced already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => opened.and_then(|file| file.sync_data()).attempt("sync", &path),
        }
    }

    /// Whether the file, if there is one, can be read and its transactions end within the segment.
    pub(crate) fn is_sane(&self) -> Result<bool, StorageError> {
        match self.loaded() {
            Ok(loaded) => Ok(loaded.iter().flatten().all(|txn| txn.last_offset >= self.base_offset)),
            Err(StorageError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.load().join(FileKind::TxnIndex.name(self.base_offset))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<AbortedTxn>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loaded(&self) -> Result<MutexGuard<'_, Option<Vec<AbortedTxn>>>, StorageError> {
        let mut loaded = self.lock();
        if loaded.is_none() {
            let name = FileKind::TxnIndex.name(self.base_offset);
            let bytes = match self.dir.with(|dir| self.disk.read_all(&dir.join(name), MAX_FILE)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                read => read.attempt_at("read", || self.path())?,
            };
            let path = self.path();
            let damaged = |position| StorageError::Damaged { path, what: format!("no entry at position {position}") };
            *loaded = Some(AbortedTxn::decode_all(&bytes).map_err(damaged)?);
        }
        Ok(loaded)
    }
}

/// Feeds arbitrary bytes to the reader; for fuzzing.
pub fn fuzz(bytes: &[u8]) {
    let _ = AbortedTxn::decode_all(bytes);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::log_path::LogPath;
    use world::MemDisk;

    use super::*;

    fn txn(first_offset: i64, last_offset: i64, last_stable_offset: i64) -> AbortedTxn {
        AbortedTxn { producer_id: 1, first_offset, last_offset, last_stable_offset }
    }

    #[test]
    fn overlapping_transactions_are_collected_after_reopening() {
        let disk = MemDisk::new();
        let open = || {
            let dir = LogPath::new(PathBuf::from("/"));
            TxnIndex::new(Arc::new(disk.clone()), dir, 0)
        };
        let index = open();
        for entry in [txn(0, 10, 11), txn(5, 20, 12), txn(30, 40, 41)] {
            index.append(entry).unwrap();
        }
        for index in [&index, &open()] {
            let mut found = Vec::new();
            assert!(index.collect(11, 12, &mut found).unwrap());
            assert_eq!(found, [txn(5, 20, 12)]);
            assert!(!index.collect(41, 99, &mut Vec::new()).unwrap());
        }
        index.truncate_to(20).unwrap();
        assert_eq!(disk.metadata(Path::new("/00000000000000000000.txnindex")).unwrap().len, 34);
        assert!(open().is_sane().unwrap());
    }

    #[test]
    fn a_cut_file_is_damaged_until_it_is_reset() {
        let disk = MemDisk::new();
        let dir = LogPath::new(PathBuf::from("/"));
        let path = Path::new("/00000000000000000000.txnindex");
        disk.open_or_create(path).unwrap().set_len(40).unwrap();
        let index = TxnIndex::new(Arc::new(disk.clone()), dir, 0);
        assert!(!index.is_sane().unwrap());
        index.reset().unwrap();
        assert!(index.is_sane().unwrap());
        fuzz(&[0; 100]);
    }
}
