//! What is done beside the requests: snapshots are written and old files purged. [`Worker`] does it, one [`Job`] at a
//! time; [`Thread`] is where. Which job is next the store says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use tracing::{info, warn};
use world::Disk;

use super::{Files, describe};
use crate::snapshot::Unfinished;
use crate::txn_log::LogError;

/// Something to do.
#[derive(Debug)]
pub enum Job {
    /// Write a part of a snapshot; the first part starts it, the last one finishes it.
    Write {
        /// The snapshot's transaction.
        zxid: i64,
        /// The part.
        entries: Vec<u8>,
        /// Whether it is the last.
        last: bool,
        /// Purge when it is finished.
        purge: bool,
    },
    /// Purge.
    Purge,
}

/// How it ended.
#[derive(Debug)]
pub enum Done {
    /// There is more to do.
    Part,
    /// The snapshot is there, with so many bytes.
    Snapshot(u64),
    /// The snapshot is given up.
    GivenUp,
    /// Nothing more to say.
    Purged,
}

/// Does the jobs.
#[derive(Debug)]
pub struct Worker {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// How many snapshots a purge keeps.
    retain: usize,
    snapshot: Option<Unfinished>,
}

impl Worker {
    /// Works in a store's directory.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, retain: usize) -> Worker {
        Worker { disk, dir: dir.to_path_buf(), retain, snapshot: None }
    }

    /// Does one. Failing is no harm: the log has everything, and the next try comes later.
    pub fn run(&mut self, job: Job) -> Done {
        match job {
            Job::Purge => self.purge(),
            Job::Write { zxid, entries, last, purge } => match self.write(zxid, &entries, last) {
                Ok(None) => Done::Part,
                Ok(Some((path, bytes))) => {
                    info!(path = %path.display(), bytes, "wrote a snapshot");
                    if purge {
                        self.purge();
                    }
                    Done::Snapshot(bytes)
                }
                Err(error) => {
                    self.snapshot = None;
                    warn!(error = %describe(&error), "no snapshot could be written; the log goes on growing");
                    Done::GivenUp
                }
            },
        }
    }

    fn write(&mut self, zxid: i64, entries: &[u8], last: bool) -> Result<Option<(PathBuf, u64)>, LogError> {
        let mut snapshot = match self.snapshot.take() {
            Some(snapshot) => snapshot,
            None => Unfinished::create(self.disk.clone(), &self.dir, zxid)?,
        };
        snapshot.add(entries)?;
        if last {
            return snapshot.finish().map(Some);
        }
        self.snapshot = Some(snapshot);
        Ok(None)
    }

    fn purge(&self) -> Done {
        match self.try_purge() {
            Ok(0) => {}
            Ok(removed) => info!(dir = %self.dir.display(), removed, "purged old snapshots and logs"),
            Err(error) => warn!(error = %describe(&error), "old snapshots and logs could not be purged"),
        }
        Done::Purged
    }

    /// Removes old snapshots and the log files that no remaining one needs (`PurgeTxnLog`); answers how many files.
    fn try_purge(&self) -> Result<usize, LogError> {
        let files = Files::list(&*self.disk, &self.dir)?;
        let kept_from = files.snapshots.len().saturating_sub(self.retain.max(1));
        let Some((oldest_kept, _)) = files.snapshots.get(kept_from) else { return Ok(0) };
        let old_snapshots = files.snapshots.iter().take(kept_from).map(|(_, path)| path);
        let old_logs = files.logs.iter().zip(files.logs.iter().skip(1));
        // A log file ends where the next one begins.
        let old_logs = old_logs.filter(|(_, next)| next.0 <= oldest_kept + 1).map(|(log, _)| &log.1);
        let mut removed = 0;
        for path in old_snapshots.chain(old_logs) {
            self.disk.remove_file(path).map_err(LogError::io("removing", path))?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// A thread with a worker. Dropping it waits for the job at hand.
#[derive(Debug)]
pub struct Thread {
    /// At most one job is in it: the store hands out the next when the last one is done.
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    handle: Option<std::thread::JoinHandle<()>>,
}

impl Thread {
    /// Starts it. `wake` is called behind every job.
    pub fn start(mut worker: Worker, wake: impl Fn() + Send + 'static) -> std::io::Result<Thread> {
        let (jobs, to_do) = channel();
        let (tell, done) = channel();
        let handle = std::thread::Builder::new().name("zk-snapshot".into()).spawn(move || {
            while let Ok(job) = to_do.recv() {
                if tell.send(worker.run(job)).is_err() {
                    return;
                }
                wake();
            }
        })?;
        Ok(Thread { jobs: Some(jobs), done, handle: Some(handle) })
    }

    /// Hands over a job.
    pub fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // A thread that is gone shows in `wait`.
            let _ = jobs.send(job);
        }
    }

    /// How the job at hand ended, if it did.
    pub fn poll(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }

    /// Waits for its end. A thread that is gone has given up.
    pub fn wait(&self) -> Done {
        self.done.recv().unwrap_or(Done::GivenUp)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}
