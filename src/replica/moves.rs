//! Moves of replicas between log directories while they serve (KIP-113, `ReplicaAlterLogDirsThread`): a future log follows
//! the current one slice by slice, and takes its place at a moment when nobody can append.
//!
//! | what happens to the partition | its move |
//! |---|---|
//! | it is led or followed again, also after a restart | goes on where it stands |
//! | another target, or its own directory, is asked for | given up, the copy deleted |
//! | it is deleted | ends with it |
//! | the target's directory fails | forgotten |
//! | its own directory fails | rests until the broker starts again |
//!
//! As many moves go on at once as `num.replica.alter.log.dirs.threads` says, the others in the order of their names, and
//! all of them share `replica.alter.log.dirs.io.max.bytes.per.second`. Before the end the copy is flushed, so that what a
//! crash could not take from the old directory it cannot take from the new one either.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use storage::log_manager::{CopyError, copy_latest_epochs, copy_some};
use storage::{Log, StorageError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use zk_paths::ids::TopicPartition;

use super::manager::ReplicaManager;
use super::partition::Partition;
use super::throttle::Throttle;
use crate::broker::Broker;
use crate::locks::lock;

/// Bytes that are copied in one go.
const SLICE: usize = 1 << 20;
/// Slices that may be copied while producers wait for the end of a move.
const HELD_SLICES: usize = 4;
/// Pause after a slice that could not be copied.
const BACKOFF: Duration = Duration::from_secs(10);

/// The moves that wait for their turn.
#[derive(Debug, Default)]
pub struct Moves {
    waiting: Mutex<BTreeSet<TopicPartition>>,
    added: Notify,
    throttle: Arc<Throttle>,
}

impl Moves {
    /// What all moves share.
    pub fn throttle(&self) -> &Arc<Throttle> {
        &self.throttle
    }

    fn add(&self, name: TopicPartition) {
        lock(&self.waiting).insert(name);
        self.added.notify_one();
    }

    fn remove(&self, name: &TopicPartition) {
        lock(&self.waiting).remove(name);
    }

    async fn next(&self) -> TopicPartition {
        loop {
            let added = self.added.notified();
            if let Some(name) = lock(&self.waiting).pop_first() {
                return name;
            }
            added.await;
        }
    }
}

/// What became of one slice.
enum Step {
    /// So many bytes were copied, and there are more.
    Copied(usize),
    /// The replica has moved, after so many more bytes.
    Moved(usize),
    /// There is nothing to move any more, or nothing to move it from.
    Over,
}

/// Carries out moves until the tasks are dropped.
pub fn start(broker: &Arc<Broker>, tasks: &mut JoinSet<()>) {
    // What Kafka's first sample lets through after a rest (`alter.log.dirs.replication.quota.window.size.seconds`).
    broker.replicas.moves().throttle().set_burst(broker.config.quotas.alter_log_dirs.sample);
    let config = &broker.config.logs;
    let count = config.alter_log_dirs_threads.unwrap_or(config.dirs.len());
    for _ in 0..count.max(1) {
        tasks.spawn(work(broker.replicas.clone()));
    }
}

async fn work(replicas: Arc<ReplicaManager>) {
    loop {
        let name = replicas.moves().next().await;
        while let Some(bytes) = one_step(&replicas, &name).await {
            replicas.moves().throttle.pay(bytes).await;
        }
    }
}

/// Copies a slice, and answers how large it was as long as the move goes on.
async fn one_step(replicas: &Arc<ReplicaManager>, name: &TopicPartition) -> Option<usize> {
    let (manager, partition) = (replicas.clone(), name.clone());
    match tokio::task::spawn_blocking(move || manager.step(&partition)).await {
        Ok(Ok(Step::Copied(bytes))) => Some(bytes),
        Ok(Ok(Step::Moved(bytes))) => {
            replicas.moves().throttle.pay(bytes).await;
            None
        }
        Ok(Ok(Step::Over)) => None,
        Ok(Err(error)) => {
            warn!(partition = %name, "its move stands still, trying again in {} s: {error}", BACKOFF.as_secs());
            tokio::time::sleep(BACKOFF).await;
            Some(0)
        }
        Err(panic) => {
            error!(partition = %name, "its move is given up until the next start: {panic}");
            None
        }
    }
}

impl ReplicaManager {
    /// Begins a move, unless there is one.
    pub(super) fn begin_move(&self, partition: &Partition, future: Arc<Log>) {
        let _moving = partition.moving();
        if partition.future().is_none() {
            partition.set_future(Some(future));
            self.moves().add(partition.name().clone());
        }
    }

    /// Goes on with a move that an earlier life of the broker has begun.
    pub(super) fn resume_move(&self, partition: &Partition) {
        if let Some(future) = self.logs().future(partition.name()) {
            self.begin_move(partition, future);
        }
    }

    /// Ends a move; what was copied is deleted, or forgotten when its directory has failed.
    pub(super) fn give_up_move(&self, partition: &Partition) -> Result<(), StorageError> {
        self.rest_move(partition);
        self.logs().delete_future(partition.name()).map(drop)
    }

    /// Stops working on a move; its log stays as it is.
    pub(super) fn rest_move(&self, partition: &Partition) {
        self.moves().remove(partition.name());
        let _moving = partition.moving();
        partition.set_future(None);
    }

    /// Stops working on all moves, and returns when nobody does any more.
    pub fn rest_all_moves(&self) {
        self.all().iter().for_each(|partition| self.rest_move(partition));
    }

    fn step(&self, name: &TopicPartition) -> Result<Step, CopyError> {
        let Some(Ok(partition)) = self.partition(&name.topic, name.partition) else { return Ok(Step::Over) };
        let _moving = partition.moving();
        let Some(future) = partition.future() else { return Ok(Step::Over) };
        if future.check_online().is_err() {
            return Ok(Step::Over);
        }
        let log = partition.log();
        let end = log.log_end_offset();
        let start = future.log_start_offset();
        let copied = copy_some(&log, &future, SLICE)?;
        if future.log_start_offset() != start {
            // DeleteRecords waits for the copy as well.
            partition.wake_all();
        }
        if future.log_end_offset() < end {
            return Ok(Step::Copied(copied));
        }
        future.flush()?;
        let copied = copied + copy_some(&log, &future, SLICE)?;
        self.finish(&partition, &log, &future, copied)
    }

    /// Copies the rest while producers wait, unless it is too much, and lets the future log be the log.
    fn finish(
        &self,
        partition: &Partition,
        log: &Log,
        future: &Arc<Log>,
        mut copied: usize,
    ) -> Result<Step, CopyError> {
        let held = partition.hold();
        for _ in 0..HELD_SLICES {
            copied += copy_some(log, future, SLICE)?;
        }
        if future.log_end_offset() != log.log_end_offset() {
            return Ok(Step::Copied(copied));
        }
        copy_latest_epochs(log, future)?;
        if future.flushed_offset() < log.flushed_offset() {
            // Somebody may have been told that the rest is on disk.
            future.flush_records()?;
        }
        let replaced = self.logs().replace_with_future(partition.name(), |log| partition.replace(log.clone()))?;
        drop(held);
        self.logs().note_replaced(&replaced);
        partition.wake_all();
        let (from, to) = (replaced.former.parent_dir().display(), replaced.log.parent_dir().display());
        info!(partition = %partition.name(), "moved from {from} to {to}");
        Ok(Step::Moved(copied))
    }
}
