//! OffsetDelete, v0: a group forgets its offsets of some topics, if none of its members subscribes to them.
//!
//! Topics that do not exist are UNKNOWN_TOPIC_OR_PARTITION for each of their partitions; the others go on.

use std::sync::Arc;

use wire::offset_delete::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use wire::{ErrorCode, OffsetDeleteRequest, OffsetDeleteResponse};

use super::Context;
use crate::broker::Broker;

/// Answers an OffsetDelete request.
pub async fn handle(
    broker: &Arc<Broker>,
    _context: &Context<'_>,
    mut request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let topics = std::mem::take(&mut request.topics);
    let (known, unknown): (Vec<_>, Vec<_>) =
        topics.into_iter().partition(|topic| broker.metadata.topic(&topic.name).is_some());
    request.topics = known;
    let mut response = broker.groups.offset_delete(request).await;
    if response.error_code == ErrorCode::None.code() {
        let error_code = ErrorCode::UnknownTopicOrPartition.code();
        response.topics.extend(unknown.into_iter().map(|topic| OffsetDeleteResponseTopic {
            partitions: topic
                .partitions
                .iter()
                .map(|one| OffsetDeleteResponsePartition { partition_index: one.partition_index, error_code })
                .collect(),
            name: topic.name,
        }));
    }
    response
}
