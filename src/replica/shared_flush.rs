//! One sync for many producers: appends that must be on disk before they are acknowledged (`klamm.flush=group`,
//! `flush.messages`) wait for a flush that began after they were written, and all who wait meanwhile share the next one.
//!
//! At most one flush of a partition runs at a time, on a blocking thread; it ends by itself, whoever gives up waiting. The
//! more producers wait, the more each sync is worth: the price is latency, not throughput (`docs/performance.md`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use storage::{DueFlush, Log};
use tokio::sync::Notify;
use tracing::error;
use wire::ErrorCode;
use zk_paths::ids::Offset;

/// The flushes of one partition.
#[derive(Debug, Default)]
pub struct SharedFlush {
    is_running: AtomicBool,
    ended: Notify,
}

impl SharedFlush {
    /// Begins a flush, unless there is nothing to do or one is running: that one may have begun too early for what was
    /// just written, and whoever waits for it begins another.
    pub fn start(self: &Arc<Self>, log: Arc<Log>, due: DueFlush) {
        if due == DueFlush::None || self.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = self.clone();
        tokio::task::spawn_blocking(move || {
            let flushed = if due == DueFlush::Everything { log.flush() } else { log.flush_records() };
            if let Err(fault) = flushed {
                error!(partition = %log.partition(), "acknowledgements wait in vain, the flush failed: {fault}");
            }
            shared.is_running.store(false, Ordering::Release);
            shared.ended.notify_waiters();
        });
    }

    /// Waits until everything below `end_offset` is on disk. `current` answers which log it is right now: a move to another
    /// directory changes it, and only a deletion leaves a retired one.
    pub async fn reached(
        self: &Arc<Self>,
        current: impl Fn() -> Arc<Log>,
        end_offset: Offset,
        due: DueFlush,
    ) -> Result<(), ErrorCode> {
        loop {
            // Registered before the look at the log, so that a flush that ends in between is not missed.
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            let log = current();
            if log.is_retired() {
                if Arc::ptr_eq(&log, &current()) {
                    return Err(ErrorCode::NotLeaderOrFollower);
                }
                continue;
            }
            if log.flushed_offset() >= end_offset {
                return Ok(());
            }
            log.check_online().map_err(|_| ErrorCode::KafkaStorageError)?;
            if log.log_end_offset() < end_offset {
                // Truncated: another leader has decided otherwise.
                return Err(ErrorCode::NotLeaderOrFollower);
            }
            self.start(log, due);
            ended.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use bytes::Bytes;
    use storage::batch::BatchBuilder;
    use storage::health::DirHealth;
    use storage::{AppendOrigin, LoadHints, LogConfig, LogContext, LogManager, LogManagerConfig};
    use world::clock::ManualClock;
    use world::{Disk, MemDisk, Unsynced};
    use zk_paths::ids::{LeaderEpoch, TopicPartition};

    use super::*;

    fn open(disk: &MemDisk) -> Arc<Log> {
        disk.create_dir_all(Path::new("/logs/t-0")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let context = LogContext {
            disk: Arc::new(disk.clone()),
            clock: Arc::new(ManualClock::new(0)),
            health: Arc::new(DirHealth::new(PathBuf::from("/logs"), None)),
            producer_id_expiration: Duration::from_secs(1000),
            memory: Default::default(),
        };
        let config = LogConfig { flush_before_ack: true, ..LogConfig::default() };
        let partition = TopicPartition::new("t", 0);
        Arc::new(Log::open(Path::new("/logs/t-0"), partition, config, LoadHints::default(), context).unwrap())
    }

    fn record() -> Bytes {
        let mut builder = BatchBuilder::new();
        builder.append(0, None, Some(b"value"), &[]);
        builder.build().unwrap()
    }

    fn append(log: &Log) -> (Offset, DueFlush) {
        let info = log.append_as_leader(record(), LeaderEpoch(0), AppendOrigin::Client).unwrap();
        (Offset(info.last_offset.0 + 1), info.due_flush)
    }

    #[tokio::test]
    async fn those_who_wait_share_a_sync_and_find_their_records_on_disk() {
        let disk = MemDisk::new();
        let log = open(&disk);
        let shared = Arc::new(SharedFlush::default());
        append(&log);
        shared.reached(|| log.clone(), Offset(1), DueFlush::Records).await.unwrap();
        let before = disk.operations();
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let (end_offset, due) = append(&log);
                assert_eq!(due, DueFlush::Records);
                let (log, shared) = (log.clone(), shared.clone());
                tokio::spawn(async move { shared.reached(|| log.clone(), end_offset, due).await })
            })
            .collect();
        for waiter in waiting {
            waiter.await.unwrap().unwrap();
        }
        // A write for each, a sync for all; a second one for those who came while the first was running.
        assert!((101..=103).contains(&(disk.operations() - before)), "{}", disk.operations() - before);
        assert_eq!(open(&disk.crash(Unsynced::Lost)).log_end_offset(), Offset(101));
    }

    #[tokio::test]
    async fn a_failed_sync_is_an_error_for_all_and_a_truncation_too() {
        let disk = MemDisk::new();
        let log = open(&disk);
        let shared = Arc::new(SharedFlush::default());
        let (end_offset, due) = append(&log);
        log.truncate_to(Offset(0)).unwrap();
        let outcome = shared.reached(|| log.clone(), end_offset, due).await;
        assert_eq!(outcome, Err(ErrorCode::NotLeaderOrFollower));
        let (end_offset, due) = append(&log);
        disk.fail_from(Some(disk.operations()));
        let wait = || shared.reached(|| log.clone(), end_offset, due);
        assert_eq!(
            tokio::join!(wait(), wait()),
            (Err(ErrorCode::KafkaStorageError), Err(ErrorCode::KafkaStorageError))
        );
    }

    /// A deleted log is never flushed again: its producers must not wait for it for ever.
    #[tokio::test]
    async fn those_who_wait_for_a_deleted_log_are_told() {
        let config = LogManagerConfig {
            log_dirs: vec![PathBuf::from("/logs")],
            recovery_threads_per_dir: 1,
            producer_id_expiration: Duration::from_secs(1000),
            failed_dirs: Vec::new(),
            failure_listener: None,
            progress: Default::default(),
        };
        let (disk, clock) = (Arc::new(MemDisk::new()), Arc::new(ManualClock::new(0)));
        let logs = LogManager::load(config, disk, clock, &|_| LogConfig::default()).unwrap();
        let partition = TopicPartition::new("t", 0);
        let flushing = LogConfig { flush_before_ack: true, ..LogConfig::default() };
        let log = logs.get_or_create(&partition, true, None, flushing).unwrap();
        let (end_offset, due) = append(&log);
        logs.delete(&[partition]);
        let outcome = Arc::new(SharedFlush::default()).reached(|| log.clone(), end_offset, due).await;
        assert_eq!(outcome, Err(ErrorCode::NotLeaderOrFollower));
    }
}
