//! The write-ahead log: transactions behind one another in files named `log.<first zxid, 16 hex digits>`.
//!
//! ```text
//! file:    magic "KLAMMZKL" | format u32 = 1 | first zxid i64 | crc32c of the 20 bytes before u32
//!          record …
//! record:  magic "KZTX" | length u32 | crc32c u32 | synced u64 | transaction (length bytes; see txn.rs)
//!          crc32c covers length, synced and transaction; numbers are big-endian
//! mark:    a record of length 0
//! ```
//!
//! `synced` is the position up to which the file was durable when the record was written. It tells a torn tail from
//! damage: a record that cannot be read may be cut off with all that follows, unless a whole record behind it says that
//! its place was synced before; then acknowledged transactions are lost, and we stop. The next batch says so of a batch,
//! and where none follows a mark does, written as soon as there is nothing else to do ([`TxnLog::mark`]) and synced a
//! little later ([`TxnLog::settle`]). So after a stop or a `kill -9` damage anywhere is found; only of the batch that was
//! acknowledged last before the *machine* failed, its mark not yet on the disk, damage passes for a torn tail.
//!
//! Always: what was appended is not acknowledged before [`TxnLog::commit`] has returned. A log whose commit failed is
//! not used again. A file is synced to its end before the next one is begun.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use world::{Disk, DiskFile, MemDisk};

use crate::window::Window;

const FILE_MAGIC: &[u8; 8] = b"KLAMMZKL";
const FORMAT: u32 = 1;
const FILE_HEADER: usize = 24;
const RECORD_MAGIC: &[u8; 4] = b"KZTX";
const RECORD_HEADER: usize = 20;
/// No transaction is longer: it comes from one request, and no request is longer than `jute.maxbuffer` may be.
const MAX_TXN: usize = 256 << 20;
/// How much of an emptied batch buffer is kept.
const KEEP_BATCH: usize = 256 << 10;

/// What can go wrong with the log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file system failed.
    #[error("{attempt} {}", path.display())]
    Io {
        /// What was tried.
        attempt: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
    /// Acknowledged transactions cannot be read.
    #[error("{} is damaged at position {position}: {problem}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        position: u64,
        /// What is wrong there.
        problem: String,
    },
}

impl LogError {
    /// Adds what was tried to an IO error.
    pub fn io(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        move |source| LogError::Io { attempt, path: path.to_path_buf(), source }
    }
}

/// The log, open at its end.
#[derive(Debug)]
pub struct TxnLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// Where the next batch goes.
    end: u64,
    /// Everything before is durable.
    synced: u64,
    /// Whether the last batch still needs a mark behind it.
    unmarked: bool,
    batch: Vec<u8>,
    sync: bool,
}

impl TxnLog {
    /// Starts a new file whose first transaction will be `first_zxid`. With `sync` false a commit only writes: fast,
    /// and a crash of the machine loses what was acknowledged (ZooKeeper's `forceSync=no`).
    pub fn create(disk: Arc<dyn Disk>, dir: &Path, first_zxid: i64, sync: bool) -> Result<TxnLog, LogError> {
        let path = dir.join(file_name(first_zxid));
        let file = disk.open_or_create(&path).map_err(LogError::io("creating", &path))?;
        let write = || {
            file.set_len(0)?;
            file.write_at(&mut [IoSlice::new(&file_header(first_zxid))], 0)?;
            file.sync_all()?;
            disk.sync_dir(dir)
        };
        write().map_err(LogError::io("writing", &path))?;
        Ok(TxnLog::at(disk, path, file, FILE_HEADER as u64, sync))
    }

    /// Goes on behind the last whole record of an existing file; what is behind `end` is cut off.
    pub fn reopen(disk: Arc<dyn Disk>, path: &Path, end: u64, sync: bool) -> Result<TxnLog, LogError> {
        let file = disk.open(path).map_err(LogError::io("opening", path))?;
        let cut = || {
            if file.len()? > end {
                file.set_len(end)?;
            }
            file.sync_all()
        };
        cut().map_err(LogError::io("cutting the tail of", path))?;
        Ok(TxnLog::at(disk, path.to_path_buf(), file, end, sync))
    }

    /// Everything up to `end` is durable.
    fn at(disk: Arc<dyn Disk>, path: PathBuf, file: Arc<dyn DiskFile>, end: u64, sync: bool) -> TxnLog {
        let dir = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let unmarked = end > FILE_HEADER as u64;
        TxnLog { disk, dir, path, file, end, synced: end, unmarked, batch: Vec::new(), sync }
    }

    /// Adds a transaction to the batch.
    pub fn append(&mut self, txn: &[u8]) {
        let synced = if self.sync { self.synced } else { 0 };
        self.batch.extend_from_slice(&record_header(synced, txn));
        self.batch.extend_from_slice(txn);
    }

    /// Makes the batch durable.
    pub fn commit(&mut self) -> Result<(), LogError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let write = self.file.write_at(&mut [IoSlice::new(&self.batch)], self.end);
        write.map_err(LogError::io("appending to", &self.path))?;
        if self.sync {
            self.file.sync_data().map_err(LogError::io("syncing", &self.path))?;
        }
        self.end += self.batch.len() as u64;
        if self.sync {
            self.synced = self.end;
        }
        self.unmarked = true;
        self.batch.clear();
        self.batch.shrink_to(KEEP_BATCH);
        Ok(())
    }

    /// Notes behind the last batch that it is durable. To be called when nothing waits; costs one small write, and a
    /// write that fails is no harm: the next batch takes its place.
    pub fn mark(&mut self) {
        if !self.sync || !self.unmarked {
            return;
        }
        let mark = record_header(self.synced, &[]);
        if self.file.write_at(&mut [IoSlice::new(&mark)], self.end).is_ok() {
            self.end += mark.len() as u64;
            self.unmarked = false;
        }
    }

    /// Makes a mark durable too, and without `sync` whatever was written.
    pub fn settle(&mut self) -> Result<(), LogError> {
        if self.synced < self.end {
            self.file.sync_data().map_err(LogError::io("syncing", &self.path))?;
            self.synced = self.end;
        }
        Ok(())
    }

    /// Goes on in a new file. When the new one cannot be made the present one stays in use.
    pub fn roll(&mut self, first_zxid: i64) -> Result<(), LogError> {
        self.settle()?;
        *self = TxnLog::create(self.disk.clone(), &self.dir, first_zxid, self.sync)?;
        Ok(())
    }

    /// Length of the present file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.end
    }
}

/// The name of the file that starts with this transaction.
pub fn file_name(first_zxid: i64) -> String {
    format!("log.{first_zxid:016x}")
}

/// The first transaction of the file with this name; `None` for other files.
pub fn first_zxid(name: &str) -> Option<i64> {
    name.strip_prefix("log.").filter(|hex| hex.len() == 16).and_then(|hex| i64::from_str_radix(hex, 16).ok())
}

/// Reads a file and shows each transaction with its position. Answers where the last whole record ends, or `None` for
/// a file whose creation was not finished. Whether a torn tail may be cut is for the caller to say: only the last file
/// of a log can have one.
pub fn scan(
    disk: &dyn Disk,
    path: &Path,
    mut see: impl FnMut(u64, &[u8]) -> Result<(), LogError>,
) -> Result<Option<Scanned>, LogError> {
    let file = disk.open_read(path).map_err(LogError::io("opening", path))?;
    let mut window = Window::new(file).map_err(LogError::io("reading", path))?;
    let reading = || LogError::io("reading", path);
    if !header_is_whole(window.at(0, FILE_HEADER).map_err(reading())?) {
        return match window.file_len() <= FILE_HEADER as u64 {
            true => Ok(None),
            false => {
                let problem = "this is no transaction log, or one of a later version".to_string();
                Err(LogError::Damaged { path: path.to_path_buf(), position: 0, problem })
            }
        };
    }
    let mut position = FILE_HEADER as u64;
    while let Some(record) = record_at(&mut window, position).map_err(reading())? {
        if record.txn_len > 0 {
            let txn = window.at(position + RECORD_HEADER as u64, record.txn_len).map_err(reading())?;
            see(position, txn)?;
        }
        position += (RECORD_HEADER + record.txn_len) as u64;
    }
    if let Some(behind) = proof_of_damage(&mut window, position).map_err(reading())? {
        let problem =
            format!("the record here cannot be read, but the one at {behind} was written after it was synced");
        return Err(LogError::Damaged { path: path.to_path_buf(), position, problem });
    }
    Ok(Some(Scanned { end: position, torn: window.file_len() > position }))
}

/// What [`scan`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// Where the last whole record ends.
    pub end: u64,
    /// Whether something unreadable follows.
    pub torn: bool,
}

impl Scanned {
    /// Whether the file has no record.
    pub fn is_empty(&self) -> bool {
        self.end == FILE_HEADER as u64
    }
}

struct Record {
    txn_len: usize,
    synced: u64,
}

/// The whole record at a position, if there is one.
fn record_at(window: &mut Window, position: u64) -> io::Result<Option<Record>> {
    let head = window.at(position, RECORD_HEADER)?;
    let fields = || {
        let (magic, rest) = head.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let (synced, _) = rest.split_first_chunk::<8>()?;
        (magic == RECORD_MAGIC).then_some((*length, u32::from_be_bytes(*crc), *synced))
    };
    let Some((length, crc, synced)) = fields() else { return Ok(None) };
    let txn_len = u32::from_be_bytes(length) as usize;
    if txn_len > MAX_TXN {
        return Ok(None);
    }
    let txn = window.at(position + RECORD_HEADER as u64, txn_len)?;
    let whole = txn.len() == txn_len && record_crc(length, synced, txn) == crc;
    Ok(whole.then_some(Record { txn_len, synced: u64::from_be_bytes(synced) }))
}

/// Looks behind an unreadable place for a record that was written after that place had been synced.
fn proof_of_damage(window: &mut Window, bad: u64) -> io::Result<Option<u64>> {
    const STEP: usize = 64 << 10;
    let mut position = bad + 1;
    while position < window.file_len() {
        let bytes = window.at(position, STEP)?;
        let Some(found) = bytes.windows(RECORD_MAGIC.len()).position(|bytes| bytes == RECORD_MAGIC) else {
            // The last three bytes may begin a magic that goes on in the next step.
            position += bytes.len().saturating_sub(RECORD_MAGIC.len() - 1).max(1) as u64;
            continue;
        };
        let candidate = position + found as u64;
        if record_at(window, candidate)?.is_some_and(|record| record.synced > bad) {
            return Ok(Some(candidate));
        }
        position = candidate + 1;
    }
    Ok(None)
}

fn record_header(synced: u64, txn: &[u8]) -> [u8; RECORD_HEADER] {
    let (length, synced) = ((txn.len() as u32).to_be_bytes(), synced.to_be_bytes());
    let crc = record_crc(length, synced, txn).to_be_bytes();
    let mut header = [0; RECORD_HEADER];
    let fields = RECORD_MAGIC.iter().chain(&length).chain(&crc).chain(&synced);
    header.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
    header
}

fn record_crc(length: [u8; 4], synced: [u8; 8], txn: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&length), &synced), txn)
}

fn file_header(first_zxid: i64) -> Vec<u8> {
    let mut header = Vec::with_capacity(FILE_HEADER);
    header.extend_from_slice(FILE_MAGIC);
    header.extend_from_slice(&FORMAT.to_be_bytes());
    header.extend_from_slice(&first_zxid.to_be_bytes());
    header.extend_from_slice(&crc32c::crc32c(&header).to_be_bytes());
    header
}

fn header_is_whole(header: &[u8]) -> bool {
    match header.split_last_chunk::<4>() {
        Some((fields, crc)) => {
            fields.starts_with(FILE_MAGIC)
                && fields.get(8..12) == Some(&FORMAT.to_be_bytes()[..])
                && u32::from_be_bytes(*crc) == crc32c::crc32c(fields)
        }
        None => false,
    }
}

/// Tries bytes as a log file; nothing may panic. For fuzz targets.
pub fn fuzz(bytes: &[u8]) {
    let (disk, path) = (MemDisk::new(), Path::new("/log"));
    let written = disk.create_new(path).and_then(|file| file.write_at(&mut [IoSlice::new(bytes)], 0));
    if written.is_ok() {
        let _ = scan(&disk, path, |_, _| Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn new_disk() -> Arc<MemDisk> {
        let disk = Arc::new(MemDisk::default());
        disk.create_dir_all(Path::new("/zk")).unwrap();
        disk
    }

    /// Three batches: one transaction, two, one. Answers the path of the file.
    fn write(disk: &Arc<MemDisk>) -> PathBuf {
        let mut log = TxnLog::create(disk.clone(), Path::new("/zk"), 1, true).unwrap();
        for batch in [&[&b"one"[..]][..], &[b"two", b"three"], &[b"four"]] {
            batch.iter().for_each(|txn| log.append(txn));
            log.commit().unwrap();
        }
        Path::new("/zk").join(file_name(1))
    }

    fn read(disk: &MemDisk, path: &Path) -> Result<(Vec<String>, Option<Scanned>), String> {
        let mut seen = Vec::new();
        let scanned = scan(disk, path, |_, txn| {
            seen.push(String::from_utf8_lossy(txn).to_string());
            Ok(())
        });
        scanned.map(|scanned| (seen, scanned)).map_err(|error| error.to_string())
    }

    fn overwrite(disk: &MemDisk, path: &Path, position: u64, byte: u8) {
        disk.open(path).unwrap().write_at(&mut [IoSlice::new(&[byte])], position).unwrap();
    }

    #[test]
    fn committed_transactions_read_back() {
        let disk = new_disk();
        let path = write(&disk);
        let (seen, scanned) = read(&disk, &path).unwrap();
        assert_eq!(seen, ["one", "two", "three", "four"]);
        assert!(!scanned.unwrap().torn);
        assert_eq!(first_zxid(&file_name(0x1f)), Some(0x1f));
        assert_eq!(first_zxid("log.1f"), None);
    }

    #[test]
    fn every_torn_tail_is_cut_at_the_last_whole_record() {
        let disk = new_disk();
        let path = write(&disk);
        let len = disk.metadata(&path).unwrap().len;
        for cut in (0..len).rev() {
            disk.open(&path).unwrap().set_len(cut).unwrap();
            let (seen, scanned) = read(&disk, &path).unwrap();
            assert!(
                ["one", "two", "three", "four"].starts_with(&seen.iter().map(String::as_str).collect::<Vec<_>>()[..])
            );
            assert_eq!(scanned.is_none(), cut < 24, "{cut} bytes are left");
        }
    }

    #[test]
    fn appending_goes_on_where_a_torn_tail_was_cut() {
        let disk = new_disk();
        let path = write(&disk);
        let len = disk.metadata(&path).unwrap().len;
        disk.open(&path).unwrap().set_len(len - 1).unwrap();
        let (_, scanned) = read(&disk, &path).unwrap();
        assert!(scanned.unwrap().torn);
        let mut log = TxnLog::reopen(disk.clone(), &path, scanned.unwrap().end, true).unwrap();
        log.append(b"4");
        log.commit().unwrap();
        assert_eq!(read(&disk, &path).unwrap().0, ["one", "two", "three", "4"]);
    }

    #[test]
    fn damage_in_the_middle_stops_with_path_and_position() {
        let len = write_len();
        // The last record is 24 bytes long; whatever breaks before it is damage, for it was written behind synced ones.
        for position in 24..len - 24 {
            let disk = new_disk();
            let path = write(&disk);
            overwrite(&disk, &path, position, 0xee);
            let error = read(&disk, &path).expect_err(&format!("byte {position} of {len}"));
            assert!(error.starts_with("/zk/log.0000000000000001 is damaged at position"), "{error}");
        }
        for position in len - 24..len {
            let disk = new_disk();
            let path = write(&disk);
            overwrite(&disk, &path, position, 0xee);
            assert_eq!(read(&disk, &path).unwrap().0, ["one", "two", "three"], "byte {position} of {len}");
        }
    }

    fn write_len() -> u64 {
        let disk = new_disk();
        let path = write(&disk);
        disk.metadata(&path).unwrap().len
    }

    #[test]
    fn behind_a_mark_damage_is_found_in_the_last_batch_too() {
        let disk = new_disk();
        let path = write(&disk);
        let end = disk.metadata(&path).unwrap().len;
        let mark = |disk: &Arc<MemDisk>| TxnLog::reopen(disk.clone(), &path, end, true).unwrap().mark();
        mark(&disk);
        let (seen, scanned) = read(&disk, &path).unwrap();
        assert_eq!((seen.len(), scanned.unwrap()), (4, Scanned { end: end + 20, torn: false }));
        for position in 24..end + 20 {
            let disk = new_disk();
            write(&disk);
            mark(&disk);
            overwrite(&disk, &path, position, 0xee);
            match read(&disk, &path) {
                Err(error) => {
                    assert!(position < end && error.contains("is damaged at position"), "{position}: {error}")
                }
                Ok((seen, scanned)) => {
                    assert!(position >= end && scanned.unwrap().torn, "byte {position} of {end}");
                    assert_eq!(seen.len(), 4, "a broken mark costs nothing");
                }
            }
        }
    }

    #[test]
    fn a_mark_is_written_once_and_only_behind_what_is_durable() {
        let disk = new_disk();
        let mut log = TxnLog::create(disk.clone(), Path::new("/zk"), 1, true).unwrap();
        log.mark();
        assert_eq!(log.file_bytes(), 24, "nothing to mark");
        log.append(b"one");
        log.commit().unwrap();
        log.mark();
        log.mark();
        assert_eq!(log.file_bytes(), 24 + 23 + 20);
        let operations = disk.operations();
        log.settle().unwrap();
        log.settle().unwrap();
        assert_eq!(disk.operations(), operations + 1);

        let mut lazy = TxnLog::create(disk.clone(), Path::new("/zk"), 2, false).unwrap();
        lazy.append(b"two");
        lazy.commit().unwrap();
        lazy.mark();
        assert_eq!(lazy.file_bytes(), 24 + 23, "nobody knows whether it is durable");
        let operations = disk.operations();
        lazy.roll(3).unwrap();
        assert_eq!(disk.operations() - operations, 6, "the old file is synced before the new one is made");
    }

    #[test]
    fn a_foreign_file_is_not_taken_for_a_log() {
        let disk = new_disk();
        let path = Path::new("/zk/log.0000000000000001");
        let file = disk.create_new(path).unwrap();
        file.write_at(&mut [IoSlice::new(b"ZKLG, as Apache ZooKeeper writes it, and more")], 0).unwrap();
        assert!(read(&disk, path).unwrap_err().contains("no transaction log"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), lie in any::<u32>(), synced in any::<u64>()) {
            fuzz(&bytes);
            // Behind a good header; then as a whole record, then as one that lies about its length.
            let (header, record) = (file_header(1), record_header(synced, &bytes));
            fuzz(&[&header, &bytes[..]].concat());
            fuzz(&[&header, &record[..], &bytes].concat());
            fuzz(&[&header, &RECORD_MAGIC[..], &lie.to_be_bytes()[..], &record[8..], &bytes].concat());
        }
    }
}
