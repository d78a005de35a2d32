//! OffsetForLeaderEpoch, v0–4: where a leader epoch ended, so that consumers and followers find where they diverge
//! (KIP-101, KIP-320). Leaders only.
//!
//! - v1+: the epoch that the end offset belongs to, which may be an earlier one. v2+: the leader epoch is checked.

use std::sync::Arc;

use wire::offset_for_leader_epoch::{EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult};
use wire::{ErrorCode, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::Context;
use crate::broker::Broker;

/// Answers an OffsetForLeaderEpoch request.
pub async fn handle(
    broker: &Arc<Broker>,
    _context: &Context<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| OffsetForLeaderTopicResult {
        partitions: topic.partitions.iter().map(|partition| answer(broker, &topic.topic, partition)).collect(),
        topic: topic.topic,
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
}

fn answer(broker: &Broker, topic: &str, wanted: &OffsetForLeaderPartition) -> EpochEndOffset {
    let found = broker
        .partition(topic, wanted.partition)
        .and_then(|partition| partition.epoch_end_offset(wanted.current_leader_epoch, wanted.leader_epoch.into()));
    let (error, leader_epoch, end_offset) = match found {
        Err(error) => (error, -1, -1),
        Ok(None) => (ErrorCode::None, -1, -1),
        Ok(Some((epoch, offset))) => (ErrorCode::None, epoch.0, offset.0),
    };
    EpochEndOffset { error_code: error.code(), partition: wanted.partition, leader_epoch, end_offset }
}
