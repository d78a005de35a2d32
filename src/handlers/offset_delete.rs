//! OffsetDelete, v0: a group forgets offsets of topics that no member reads. Coordinator only; answered when the
//! tombstones are replicated.
//!
//! - Partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION. An error of the group stands alone.

use std::collections::HashMap;
use std::sync::Arc;

use wire::offset_delete::{OffsetDeleteRequestTopic, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use wire::{ErrorCode, OffsetDeleteRequest, OffsetDeleteResponse};

use super::Context;
use crate::broker::Broker;

/// Answers an OffsetDelete request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    mut request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let topics = std::mem::take(&mut request.topics);
    let (known, unknown) = split(topics, |topic, partition| broker.metadata.partition(topic, partition).is_some());
    request.topics = known;
    context.origin.park();
    let mut response = broker.groups.offset_delete(request).await;
    if response.error_code == ErrorCode::None.code() {
        merge(&mut response.topics, unknown);
    }
    response
}

/// What exists, and the answers for what does not.
fn split(
    topics: Vec<OffsetDeleteRequestTopic>,
    exists: impl Fn(&str, i32) -> bool,
) -> (Vec<OffsetDeleteRequestTopic>, Vec<OffsetDeleteResponseTopic>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for OffsetDeleteRequestTopic { name, partitions } in topics {
        let (found, missing): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|partition| exists(&name, partition.partition_index));
        let partitions = missing.into_iter().map(|partition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index,
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
        });
        unknown.push(OffsetDeleteResponseTopic { name: name.clone(), partitions: partitions.collect() });
        known.push(OffsetDeleteRequestTopic { name, partitions: found });
    }
    unknown.retain(|topic| !topic.partitions.is_empty());
    (known, unknown)
}

/// Every topic appears once in the answer, however many there are.
fn merge(topics: &mut Vec<OffsetDeleteResponseTopic>, more: Vec<OffsetDeleteResponseTopic>) {
    let mut places = topics.iter().enumerate().map(|(place, topic)| (topic.name.clone(), place)).collect::<HashMap<_, _>>();
    for topic in more {
        match places.get(&topic.name).and_then(|place| topics.get_mut(*place)) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => {
                places.insert(topic.name.clone(), topics.len());
                topics.push(topic);
            }
        }
    }
}
