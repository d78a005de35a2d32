//! The data directory: recovery at start, the log while running, and when it is time for a snapshot or a purge, which
//! [`background`] carries out beside the requests.
//!
//! Recovery takes the newest snapshot that can be read, replays the log behind it and cuts a torn tail. Everything is
//! in `<dataDir>/klamm-1/`; a directory that holds Apache ZooKeeper's files (`version-2`) is refused, since starting
//! beside them with empty state would look like loss of data.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing::warn;
use world::{Clock, Disk};

use crate::jute::Encoder;
use crate::snapshot;
use crate::state::State;
use crate::txn;
use crate::txn_log::{self, LogError, TxnLog};

pub mod background;

use background::{Done, Job, Worker};

/// What can go wrong when a data directory is opened.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The files of the log or the snapshots.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Another server runs on the directory.
    #[error("{} is in use by another server", .0.display())]
    Locked(PathBuf),
    /// The directory is Apache ZooKeeper's.
    #[error("{} holds the data of an Apache ZooKeeper, which this server cannot read: choose another dataDir", .0.display())]
    Foreign(PathBuf),
}

/// How the store is to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The grain of session timeouts.
    pub tick: Duration,
    /// Whether a commit waits for the disk.
    pub sync: bool,
    /// A snapshot is due after this many transactions.
    pub snap_count: u64,
    /// How many snapshots a purge leaves, with the log that belongs to them.
    pub retain: usize,
    /// When to purge.
    pub purge: Purge,
    /// About how many bytes of a snapshot are taken down between two batches of requests.
    pub snapshot_block: usize,
}

/// When old snapshots and logs are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// Whenever a snapshot was written.
    AfterSnapshot,
    /// At start and then every so often, as ZooKeeper's `DatadirCleanupManager`.
    Every(Duration),
    /// Never.
    Never,
}

/// The open directory.
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    log: TxnLog,
    settings: Settings,
    since_snapshot: u64,
    /// Bytes in the last snapshot written.
    snapshot_bytes: u64,
    /// The snapshot being written.
    snapshot: Option<Snapshot>,
    /// Whether a job is being done.
    busy: bool,
    next_purge: Option<Duration>,
    _lock: Box<dyn world::disk::DirLock>,
}

#[derive(Debug)]
struct Snapshot {
    zxid: i64,
    /// To go in front of the znodes.
    sessions: Encoder,
}

/// A log file may grow to this, or to the length of the last snapshot if that is more, before a snapshot is due,
/// whatever the number of transactions.
const MAX_LOG_BYTES: u64 = 64 << 20;
/// With so much waiting to be written into a snapshot requests wait for the disk.
const MAX_CAPTURED: usize = 16 << 20;

impl Store {
    /// Opens the directory, makes it if need be, and recovers what is in it.
    pub fn open(
        disk: Arc<dyn Disk>,
        data_dir: &Path,
        settings: Settings,
        clock: &dyn Clock,
    ) -> Result<(Store, State), StoreError> {
        let dir = data_dir.join("klamm-1");
        let foreign = data_dir.join("version-2");
        let exists = |path: &Path| disk.exists(path).map_err(LogError::io("looking for", path));
        if exists(&foreign)? && !exists(&dir)? {
            return Err(StoreError::Foreign(data_dir.to_path_buf()));
        }
        disk.create_dir_all(&dir).map_err(LogError::io("creating", &dir))?;
        for parent in [Some(data_dir), data_dir.parent()].into_iter().flatten() {
            if !parent.as_os_str().is_empty() {
                disk.sync_dir(parent).map_err(LogError::io("syncing", parent))?;
            }
        }
        let lock_path = dir.join("lock");
        let lock = disk.lock(&lock_path).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => StoreError::Locked(dir.clone()),
            _ => LogError::io("locking", &lock_path)(error).into(),
        })?;
        let files = Files::list(&*disk, &dir)?;
        for path in &files.unfinished {
            disk.remove_file(path).map_err(LogError::io("removing", path))?;
        }
        let recovered = recover(&disk, &files, settings, clock)?;
        let log = match recovered.tail {
            Some((path, end)) => TxnLog::reopen(disk.clone(), &path, end, settings.sync)?,
            None => TxnLog::create(disk.clone(), &dir, recovered.state.zxid + 1, settings.sync)?,
        };
        let store = Store {
            disk,
            dir,
            log,
            settings,
            since_snapshot: recovered.replayed,
            snapshot_bytes: 0,
            snapshot: None,
            busy: false,
            next_purge: matches!(settings.purge, Purge::Every(_)).then(|| clock.monotonic()),
            _lock: lock,
        };
        Ok((store, recovered.state))
    }

    /// Adds a transaction to the batch that the next commit makes durable.
    pub fn append(&mut self, txn: &[u8]) {
        self.since_snapshot += 1;
        self.log.append(txn);
    }

    /// Makes durable what was appended. After an error the store is not to be used again.
    pub fn commit(&mut self) -> Result<(), LogError> {
        self.log.commit()
    }

    /// To be called when there is nothing to commit for now.
    pub fn idle(&mut self) {
        self.log.mark();
    }

    /// To be called now and then, with everything committed.
    pub fn tick(&mut self) -> Result<(), LogError> {
        if self.settings.sync { self.log.settle() } else { Ok(()) }
    }

    /// The end, with everything committed.
    pub fn close(&mut self) {
        self.log.mark();
        if let Err(error) = self.log.settle() {
            warn!(error = %describe(&error), "the ZooKeeper log could not be synced at the end");
        }
    }

    /// Who does the jobs.
    pub fn worker(&self) -> Worker {
        Worker::new(self.disk.clone(), &self.dir, self.settings.retain)
    }

    /// What is to be done beside the requests now, with everything committed. One job at a time: the next one comes when
    /// the end of this one was told.
    pub fn next_job(&mut self, state: &mut State, now: Duration) -> Option<Job> {
        if self.busy {
            return None;
        }
        if self.snapshot.is_none() && self.snapshot_is_due() {
            self.begin_snapshot(state);
        }
        let job = match self.snapshot.as_mut() {
            Some(snapshot) => snapshot.part(state, self.settings),
            None => self.purge_if_due(now)?,
        };
        self.busy = true;
        Some(job)
    }

    /// Tells how a job ended.
    pub fn done(&mut self, done: &Done, state: &mut State) {
        self.busy = false;
        match done {
            Done::Part | Done::Purged => {}
            Done::Snapshot(bytes) => (self.snapshot, self.snapshot_bytes) = (None, *bytes),
            Done::GivenUp => {
                self.snapshot = None;
                state.tree.end_capture();
            }
        }
    }

    /// Whether a snapshot has so much in memory that no further request should be taken before some of it was written.
    pub fn is_behind(&self, state: &State) -> bool {
        state.tree.captured_bytes() > MAX_CAPTURED
    }

    /// Whether a job is being done.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    fn snapshot_is_due(&self) -> bool {
        self.since_snapshot >= self.settings.snap_count
            || (self.since_snapshot > 0 && self.log.file_bytes() >= MAX_LOG_BYTES.max(self.snapshot_bytes))
    }

    /// From here on the log is in a new file, which is what remains to be replayed behind the snapshot.
    fn begin_snapshot(&mut self, state: &mut State) {
        self.since_snapshot = 0;
        match self.log.roll(state.zxid + 1) {
            Ok(()) => self.snapshot = Some(Snapshot { zxid: state.zxid, sessions: snapshot::begin(state) }),
            Err(error) => {
                warn!(error = %describe(&error), "no new log file could be made for a snapshot; the log goes on growing");
            }
        }
    }

    fn purge_if_due(&mut self, now: Duration) -> Option<Job> {
        let Purge::Every(interval) = self.settings.purge else { return None };
        let due = self.next_purge.filter(|due| *due <= now)?;
        self.next_purge = due.checked_add(interval);
        Some(Job::Purge)
    }
}

impl Snapshot {
    fn part(&mut self, state: &mut State, settings: Settings) -> Job {
        let mut entries = std::mem::take(&mut self.sessions).into_bytes();
        let (nodes, last) = state.tree.capture_more(settings.snapshot_block);
        if entries.is_empty() {
            entries = nodes.into_bytes();
        } else {
            entries.extend_from_slice(nodes.bytes());
        }
        Job::Write { zxid: self.zxid, entries, last, purge: settings.purge == Purge::AfterSnapshot }
    }
}

/// An error with what caused it, in one line.
pub fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(|cause| cause.to_string())).collect::<Vec<_>>().join(": ")
}

/// Snapshots and log files, oldest first.
struct Files {
    snapshots: Vec<(i64, PathBuf)>,
    logs: Vec<(i64, PathBuf)>,
    /// What a crash left, while no snapshot is being written.
    unfinished: Vec<PathBuf>,
}

impl Files {
    fn list(disk: &dyn Disk, dir: &Path) -> Result<Files, LogError> {
        let mut files = Files { snapshots: Vec::new(), logs: Vec::new(), unfinished: Vec::new() };
        for entry in disk.read_dir(dir).map_err(LogError::io("listing", dir))? {
            let path = dir.join(&entry.name);
            if let Some(zxid) = snapshot::zxid(&entry.name) {
                files.snapshots.push((zxid, path));
            } else if let Some(zxid) = txn_log::first_zxid(&entry.name) {
                files.logs.push((zxid, path));
            } else if entry.name.ends_with(".tmp") {
                files.unfinished.push(path);
            }
        }
        files.snapshots.sort();
        files.logs.sort();
        Ok(files)
    }
}

struct Recovered {
    state: State,
    replayed: u64,
    /// The log file to go on with and where its last whole record ends.
    tail: Option<(PathBuf, u64)>,
}

fn recover(disk: &Arc<dyn Disk>, files: &Files, settings: Settings, clock: &dyn Clock) -> Result<Recovered, LogError> {
    let now = clock.monotonic();
    let fresh = || State::new(settings.tick, clock.now_ms());
    let (mut state, passed_over) = newest_snapshot(&**disk, files, fresh, now)?;
    let (mut replayed, mut tail) = (0, None);
    for (index, (first, path)) in files.logs.iter().enumerate() {
        let next = files.logs.get(index + 1).map(|(first, _)| *first);
        if next.is_some_and(|next| next <= state.zxid + 1) {
            continue;
        }
        // Even an empty file proves that everything before its first transaction was once durable.
        if *first > state.zxid + 1 {
            let problem = format!("it begins with transaction {first:#x}, the last one before it is {:#x}", state.zxid);
            return Err(LogError::Damaged { path: path.clone(), position: 0, problem });
        }
        let scanned = txn_log::scan(&**disk, path, |position, bytes| {
            let damaged = |problem| LogError::Damaged { path: path.clone(), position, problem };
            let (header, changes) = txn::decode(bytes).map_err(|error| damaged(error.to_string()))?;
            replayed += u64::from(header.zxid > state.zxid);
            state.replay(&header, changes, now).map_err(|misfit| damaged(misfit.to_string()))
        })?;
        match scanned {
            Some(scanned) if !scanned.is_empty() => {
                forbid_torn_middle(tail.replace((path.clone(), scanned)))?;
            }
            // The crash came while the file was being made, before anything was acknowledged from it.
            _ => disk.remove_file(path).map_err(LogError::io("removing", path))?,
        }
    }
    if let Some(error) = passed_over
        && files.snapshots.last().is_some_and(|(newest, _)| state.zxid < *newest)
    {
        return Err(error);
    }
    if let Some((path, scanned)) = tail.as_ref().filter(|(_, scanned)| scanned.torn) {
        warn!(path = %path.display(), position = scanned.end, "cutting a torn tail off the transaction log");
    }
    Ok(Recovered { state, replayed, tail: tail.map(|(path, scanned)| (path, scanned.end)) })
}

/// A file with another one behind it was synced to its end.
fn forbid_torn_middle(before: Option<(PathBuf, txn_log::Scanned)>) -> Result<(), LogError> {
    match before {
        Some((path, scanned)) if scanned.torn => {
            let problem = "the record here cannot be read, but a later log file exists".to_string();
            Err(LogError::Damaged { path, position: scanned.end, problem })
        }
        _ => Ok(()),
    }
}

/// The newest snapshot that can be read, and the error of the newest one if it was passed over: the log must then make
/// up for it. An error when there are some and none can be read.
fn newest_snapshot(
    disk: &dyn Disk,
    files: &Files,
    fresh: impl Fn() -> State,
    now: Duration,
) -> Result<(State, Option<LogError>), LogError> {
    let mut first_error = None;
    for (_, path) in files.snapshots.iter().rev() {
        match snapshot::read(disk, path, fresh(), now) {
            Ok(state) => return Ok((state, first_error)),
            Err(error) => {
                warn!(error = %describe(&error), "passing over a snapshot");
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or_else(|| Ok((fresh(), None)), Err)
}

#[cfg(test)]
mod tests;
