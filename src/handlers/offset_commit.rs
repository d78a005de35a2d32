//! OffsetCommit, v0–9: a group has read so far. Coordinator only; answered when the commit is replicated.
//!
//! - Partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION, and the others are committed all the same.
//! - v0 writes ZooKeeper, which is not built: UNSUPPORTED_VERSION at every partition.
//! - v1 commit time; v2–4 retention time; v6+ leader epoch; v7+ static members; v9 the same layout.

use std::collections::HashMap;
use std::sync::Arc;

use wire::offset_commit::{OffsetCommitRequestTopic, OffsetCommitResponsePartition, OffsetCommitResponseTopic};
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
    let (known, unknown) = split(topics, |topic, partition| broker.metadata.partition(topic, partition).is_some());
    let mut response = OffsetCommitResponse { topics: unknown, ..Default::default() };
    if !known.is_empty() {
        context.origin.park();
        request.topics = known;
        merge(&mut response.topics, broker.groups.offset_commit(context.api_version, request).await.topics);
    }
    response
}

/// What exists, and the answers for what does not.
fn split(
    topics: Vec<OffsetCommitRequestTopic>,
    exists: impl Fn(&str, i32) -> bool,
) -> (Vec<OffsetCommitRequestTopic>, Vec<OffsetCommitResponseTopic>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for OffsetCommitRequestTopic { name, partitions } in topics {
        let (found, missing): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|partition| exists(&name, partition.partition_index));
        if !missing.is_empty() {
            let partitions = missing.into_iter().map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
            });
            unknown.push(OffsetCommitResponseTopic { name: name.clone(), partitions: partitions.collect() });
        }
        if !found.is_empty() {
            known.push(OffsetCommitRequestTopic { name, partitions: found });
        }
    }
    (known, unknown)
}

/// Every topic appears once in the answer, however many there are.
fn merge(topics: &mut Vec<OffsetCommitResponseTopic>, more: Vec<OffsetCommitResponseTopic>) {
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

#[cfg(test)]
mod tests {
    use wire::offset_commit::OffsetCommitRequestPartition;

    use super::*;

    #[test]
    fn what_does_not_exist_is_answered_beside_what_does() {
        let topic = |name: &str, partitions: &[i32]| OffsetCommitRequestTopic {
            name: name.into(),
            partitions: partitions
                .iter()
                .map(|index| OffsetCommitRequestPartition { partition_index: *index, ..Default::default() })
                .collect(),
        };
        let exists = |name: &str, partition: i32| name == "orders" && partition < 2;
        let (known, unknown) = split(vec![topic("orders", &[0, 1, 2]), topic("nowhere", &[0])], exists);
        assert_eq!(known, [topic("orders", &[0, 1])]);
        let mut answers = unknown;
        let answer = |partition_index, error_code| OffsetCommitResponsePartition { partition_index, error_code };
        let partitions = vec![answer(0, 0), answer(1, 0)];
        merge(&mut answers, vec![OffsetCommitResponseTopic { name: "orders".into(), partitions }]);
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0].partitions, [answer(2, 3), answer(0, 0), answer(1, 0)]);
        assert_eq!((&*answers[1].name, &answers[1].partitions[..]), ("nowhere", &[answer(0, 3)][..]));
    }
}
