//! `__consumer_offsets` as the group coordinator sees it: appends of its own that wait for replicas, and reads from the
//! start.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use config::broker::Offsets;
use wire::ErrorCode;
use zk_paths::ids::{LeaderEpoch, Offset};

use super::manager::ReplicaManager;
use super::partition::Partition;
use crate::group::log::{AppendFailure, OffsetsLog, ReadFailure};
use crate::topic_names::CONSUMER_OFFSETS;

/// The offsets topic over the replica manager.
#[derive(Debug)]
pub struct OffsetsOnReplicas {
    replicas: Arc<ReplicaManager>,
    commit_timeout: Duration,
    wait: bool,
}

impl OffsetsOnReplicas {
    /// Takes `offsets.commit.timeout.ms` and `offsets.commit.required.acks`: other than -1 (all in-sync replicas), the
    /// leader's own append is enough, as in Kafka.
    pub fn new(replicas: Arc<ReplicaManager>, config: &Offsets) -> OffsetsOnReplicas {
        let (commit_timeout, wait) = (config.commit_timeout, config.commit_required_acks == -1);
        OffsetsOnReplicas { replicas, commit_timeout, wait }
    }

    fn partition(&self, partition: i32) -> Result<Arc<Partition>, ErrorCode> {
        self.replicas.partition(CONSUMER_OFFSETS, partition).unwrap_or(Err(ErrorCode::UnknownTopicOrPartition))
    }

    async fn append_and_wait(
        &self,
        partition: i32,
        leader_epoch: LeaderEpoch,
        batch: Bytes,
    ) -> Result<Offset, ErrorCode> {
        let partition = self.partition(partition)?;
        if partition.leader_epoch() != leader_epoch {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let appended = partition.append_as_coordinator(batch, self.wait).map_err(|refused| refused.error)?;
        partition.flushed(&appended).await?;
        if self.wait {
            let replicated = tokio::time::timeout(self.commit_timeout, partition.replicated_to(appended.end_offset));
            replicated.await.map_err(|_| ErrorCode::RequestTimedOut)??;
        }
        Ok(appended.base_offset)
    }
}

#[async_trait]
impl OffsetsLog for OffsetsOnReplicas {
    async fn append(&self, partition: i32, leader_epoch: LeaderEpoch, batch: Bytes) -> Result<Offset, AppendFailure> {
        self.append_and_wait(partition, leader_epoch, batch).await.map_err(|error| match error {
            ErrorCode::UnknownTopicOrPartition => AppendFailure::UnknownTopicOrPartition,
            ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend => AppendFailure::NotEnoughReplicas,
            ErrorCode::NotLeaderOrFollower => AppendFailure::NotLeaderOrFollower,
            ErrorCode::KafkaStorageError => AppendFailure::KafkaStorageError,
            ErrorCode::RequestTimedOut => AppendFailure::RequestTimedOut,
            ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => AppendFailure::MessageTooLarge,
            _ => AppendFailure::Unknown,
        })
    }

    fn read(&self, partition: i32, from: Offset, max_bytes: usize) -> Result<Bytes, ReadFailure> {
        let failed = |reason: String| ReadFailure::Failed { partition, from, reason };
        let hosted = self.partition(partition).map_err(|_| ReadFailure::NotLeader(partition))?;
        let log = hosted.log();
        let from = from.max(log.log_start_offset());
        let fetched =
            log.read(from, max_bytes, log.log_end_offset(), true).map_err(|error| failed(error.to_string()))?;
        match fetched.slice {
            Some(slice) => slice.read().map_err(|error| failed(error.to_string())),
            None => Ok(Bytes::new()),
        }
    }
}
