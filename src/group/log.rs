//! What the coordinator needs of the log: its partition of `__consumer_offsets`, appended to and read back.
//!
//! The broker implements [`OffsetsLog`] over its replica manager; tests have one in memory.

use async_trait::async_trait;
use bytes::Bytes;
use zk_paths::ids::{LeaderEpoch, Offset};

pub use super::core::answer::AppendFailure;

/// The partitions of `__consumer_offsets` on this broker.
#[async_trait]
pub trait OffsetsLog: Send + Sync + std::fmt::Debug + 'static {
    /// Appends one batch (format v2, offsets from 0) as the leader of `leader_epoch`, and waits until
    /// `offsets.commit.required.acks` replicas have it, at most `offsets.commit.timeout.ms`. Answers the offset of its
    /// first record. When the partition has another leader epoch by now nothing is appended: `NotLeaderOrFollower`.
    async fn append(&self, partition: i32, leader_epoch: LeaderEpoch, batch: Bytes) -> Result<Offset, AppendFailure>;

    /// Reads whole batches up to the log end: from the one that holds `from` on (from the first one when the log
    /// starts later), at least one, about `max_bytes`. Empty at the end. Blocks on the disk.
    fn read(&self, partition: i32, from: Offset, max_bytes: usize) -> Result<Bytes, ReadFailure>;
}

/// Why a partition could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFailure {
    /// This broker does not lead it (any more).
    #[error("__consumer_offsets-{0} is not led by this broker")]
    NotLeader(i32),
    /// The disk failed, or what it holds is damaged.
    #[error("reading __consumer_offsets-{partition} from offset {from} failed: {reason}")]
    Failed {
        /// The partition.
        partition: i32,
        /// Where.
        from: Offset,
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
pub mod fake {
    //! A log in memory whose appends can be made to fail or to wait.

    use std::collections::HashMap;
    use std::sync::Mutex;

    use storage::batch::Batch;
    use tokio::sync::Semaphore;

    use super::*;

    /// The log.
    #[derive(Debug)]
    pub struct FakeLog {
        partitions: Mutex<HashMap<i32, Vec<Batch>>>,
        /// What appends answer instead.
        pub failure: Mutex<Option<AppendFailure>>,
        /// An append takes a permit for its time.
        pub gate: Semaphore,
        /// Batches larger than this are refused.
        pub max_batch: Mutex<usize>,
    }

    impl Default for FakeLog {
        fn default() -> Self {
            FakeLog {
                partitions: Mutex::default(),
                failure: Mutex::default(),
                gate: Semaphore::new(1_000),
                max_batch: Mutex::new(1 << 20),
            }
        }
    }

    impl FakeLog {
        /// Puts the batches of a segment file at the end of a partition.
        pub fn fill(&self, partition: i32, segment: &'static [u8]) {
            let batches = storage::batch::Batches::new(Bytes::from_static(segment)).map(|batch| batch.unwrap());
            self.partitions.lock().unwrap().entry(partition).or_default().extend(batches);
        }

        /// How many batches a partition has.
        pub fn batches(&self, partition: i32) -> usize {
            self.partitions.lock().unwrap().get(&partition).map_or(0, Vec::len)
        }
    }

    #[async_trait]
    impl OffsetsLog for FakeLog {
        async fn append(&self, partition: i32, _: LeaderEpoch, batch: Bytes) -> Result<Offset, AppendFailure> {
            let _permit = self.gate.acquire().await.unwrap();
            if let Some(failure) = *self.failure.lock().unwrap() {
                return Err(failure);
            }
            if batch.len() > *self.max_batch.lock().unwrap() {
                return Err(AppendFailure::MessageTooLarge);
            }
            let mut partitions = self.partitions.lock().unwrap();
            let log = partitions.entry(partition).or_default();
            let base = log.last().map_or(0, |batch| batch.header.next_offset());
            let mut patched = batch.to_vec();
            patched[..8].copy_from_slice(&base.to_be_bytes());
            log.push(Batch::parse(&Bytes::from(patched)).unwrap());
            Ok(Offset(base))
        }

        fn read(&self, partition: i32, from: Offset, max_bytes: usize) -> Result<Bytes, ReadFailure> {
            let partitions = self.partitions.lock().unwrap();
            let log = partitions.get(&partition).ok_or(ReadFailure::NotLeader(partition))?;
            let mut bytes = Vec::new();
            for batch in log.iter().filter(|batch| batch.header.last_offset() >= from.0) {
                if !bytes.is_empty() && bytes.len() + batch.bytes.len() > max_bytes {
                    break;
                }
                bytes.extend_from_slice(&batch.bytes);
            }
            Ok(bytes.into())
        }
    }
}
