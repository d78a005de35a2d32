//! What follows when a log directory has failed. Its partitions answer KAFKA_STORAGE_ERROR from that moment on; here those
//! who wait for them are woken, moves into it are forgotten, and the controller is told (`/log_dir_event_notification`): it
//! asks this broker about all its replicas, learns from the errors which are gone, and finds them other leaders, or none.
//! Directories that do not work from the start need no announcement: the answers to the first LeaderAndIsr tell of them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tracing::{error, warn};
use zk_paths::ids::BrokerId;
use zk_paths::log_dir_event_notification as notification;

use super::manager::{ReplicaManager, some_of};
use crate::zk::{CreateMode, Zk, ZkError};

/// Pause after an announcement that failed.
const BACKOFF: Duration = Duration::from_secs(1);

/// Ends what goes on in failed directories, whenever the count of them grows. Ends with the sender.
pub async fn stop_serving(replicas: Arc<ReplicaManager>, mut failed: watch::Receiver<usize>) {
    let mut known = HashSet::new();
    while failed.changed().await.is_ok() {
        for (dir, _) in replicas.logs().offline_dirs() {
            if !known.insert(dir.clone()) {
                continue;
            }
            let replicas = replicas.clone();
            if let Err(panic) = tokio::task::spawn_blocking(move || replicas.stop_serving_dir(&dir)).await {
                error!("what goes on in a failed log directory could not be ended: {panic}");
            }
        }
    }
}

impl ReplicaManager {
    /// `ReplicaManager.handleLogDirFailure`, without what asking each partition's directory answers already.
    fn stop_serving_dir(&self, dir: &Path) {
        let (mut lost, mut moves) = (Vec::new(), Vec::new());
        for partition in self.all() {
            if partition.future().is_some_and(|future| future.parent_dir() == dir) {
                moves.push(partition.name().clone());
                if let Err(fault) = self.give_up_move(&partition) {
                    warn!(partition = %partition.name(), "its move could not be given up: {fault}");
                }
            }
            if partition.log().parent_dir() == dir {
                lost.push(partition.name().clone());
                self.rest_move(&partition);
                partition.wake_all();
            }
        }
        warn!(
            "stopped serving {} partitions ({}) and moving {} ({}): they are in the failed log directory {}",
            lost.len(),
            some_of(&lost),
            moves.len(),
            some_of(&moves),
            dir.display()
        );
    }
}

/// Announces whenever the count of failed directories grows. Ends with the ZooKeeper session's client.
pub async fn announce(zk: Arc<dyn Zk>, me: BrokerId, mut failed: watch::Receiver<usize>) {
    // One announcement too many, of what failed at the start, does no harm.
    while failed.changed().await.is_ok() {
        let data = Bytes::from(notification::encode(me));
        loop {
            match zk.create(&notification::create_path(), Some(data.clone()), CreateMode::PersistentSequential).await {
                Ok(_) => break,
                Err(ZkError::Closed { .. }) => return,
                // Twice is as good as once.
                Err(ZkError::UnknownOutcome { .. } | ZkError::SessionExpired { .. }) => {}
                Err(error) => {
                    warn!("the controller could not be told of a failed log directory, trying again: {error}")
                }
            }
            tokio::time::sleep(BACKOFF).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zk::fake::{FakeZooKeeper, Lost};

    /// Seen: a broker whose disk had failed stayed leader in everybody's metadata, and its clients asked it for ever.
    #[tokio::test(start_paused = true)]
    async fn every_failure_is_announced_whatever_becomes_of_the_answer() {
        let ensemble = FakeZooKeeper::new();
        ensemble.put(notification::PATH, "");
        let session = ensemble.session();
        session.lose_next_write(Lost::BeforeTheWrite);
        let (failures, failed) = watch::channel(0);
        let task = tokio::spawn(announce(session.clone(), BrokerId(7), failed));
        for count in 1..=2 {
            failures.send_replace(count);
            tokio::time::sleep(BACKOFF).await;
            session.reconnect();
            tokio::time::sleep(BACKOFF * 2).await;
            let entries: Vec<_> =
                ensemble.paths().into_iter().filter(|path| path.contains("log_dir_event_0")).collect();
            assert_eq!(entries.len(), count);
            let data = ensemble.data(&entries[0]).unwrap().unwrap();
            assert_eq!(notification::decode(&entries[0], &data).unwrap(), BrokerId(7));
        }
        drop(failures);
        task.await.unwrap();
    }
}
