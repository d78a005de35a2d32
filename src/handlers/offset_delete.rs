//! OffsetDelete, v0: a group forgets offsets of topics that no member reads. Coordinator only; answered when the
//! tombstones are replicated.
//!
//! - Partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION. An error of the group stands alone.

use std::sync::Arc;

use wire::offset_delete::OffsetDeleteResponsePartition;
use wire::{ErrorCode, OffsetDeleteRequest, OffsetDeleteResponse};

use super::Context;
use crate::broker::Broker;
use crate::by_topic;

/// Answers an OffsetDelete request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    mut request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let topics = std::mem::take(&mut request.topics);
    let (known, unknown) = by_topic::split(
        topics,
        |topic, partition| broker.metadata.partition(topic, partition.partition_index).is_some(),
        |partition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index,
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
        },
    );
    request.topics = known;
    context.origin.park();
    let mut response = broker.groups.offset_delete(request).await;
    if response.error_code == ErrorCode::None.code() {
        response.topics = by_topic::merge(response.topics, unknown);
    }
    response
}
