//! OffsetCommit, v0–9: a group has read so far. Coordinator only; answered when the commit is replicated.
//!
//! - Partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION, and the others are committed all the same.
//! - v0 writes ZooKeeper, which is not built: UNSUPPORTED_VERSION at every partition.
//! - v1 commit time; v2–4 retention time; v6+ leader epoch; v7+ static members; v9 the same layout.

use std::sync::Arc;

use wire::offset_commit::OffsetCommitResponsePartition;
use wire::{ErrorCode, OffsetCommitRequest, OffsetCommitResponse};

use super::Context;
use crate::broker::Broker;
use crate::by_topic;

/// Answers an OffsetCommit request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    mut request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let topics = std::mem::take(&mut request.topics);
    let (known, unknown) = by_topic::split(
        topics,
        |topic, partition| broker.metadata.partition(topic, partition.partition_index).is_some(),
        |partition| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
        },
    );
    let mut response = OffsetCommitResponse { topics: unknown, ..Default::default() };
    if !known.is_empty() {
        context.origin.park();
        request.topics = known;
        let committed = broker.groups.offset_commit(context.api_version, request).await.topics;
        response.topics = by_topic::merge(response.topics, committed);
    }
    response
}
