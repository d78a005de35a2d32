//! OffsetCommit, v0–9: a group's positions, kept in `__consumer_offsets` before the answer.
//!
//! Topics that do not exist are UNKNOWN_TOPIC_OR_PARTITION for each of their partitions; the others go on. v0 kept
//! offsets in ZooKeeper: UNSUPPORTED_VERSION until that is built.

use std::sync::Arc;

use wire::offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use wire::{ErrorCode, OffsetCommitRequest, OffsetCommitResponse};

use super::Context;
use crate::broker::Broker;

/// Answers an OffsetCommit request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    mut request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let topics = std::mem::take(&mut request.topics);
    let (known, unknown): (Vec<_>, Vec<_>) =
        topics.into_iter().partition(|topic| broker.metadata.topic(&topic.name).is_some());
    let nothing_left = known.is_empty() && !unknown.is_empty();
    request.topics = known;
    let mut response = if nothing_left {
        OffsetCommitResponse::default()
    } else {
        broker.groups.offset_commit(context.api_version, request).await
    };
    let error_code = ErrorCode::UnknownTopicOrPartition.code();
    response.topics.extend(unknown.into_iter().map(|topic| OffsetCommitResponseTopic {
        partitions: topic
            .partitions
            .iter()
            .map(|one| OffsetCommitResponsePartition { partition_index: one.partition_index, error_code })
            .collect(),
        name: topic.name,
    }));
    response
}
