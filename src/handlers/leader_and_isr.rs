//! LeaderAndIsr, v0–7: the controller says who leads what. Sent by the controller only.
//!
//! - v0–1 list partitions flat, v2+ by topic and with the broker epoch; v5+ topic ids, and the answer goes by them.
//! - The whole request is refused when it was meant for an earlier life of this broker (STALE_BROKER_EPOCH) or comes from a
//!   deposed controller (STALE_CONTROLLER_EPOCH); each partition answers for itself otherwise.
//! - Following another broker is refused until replication is built.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::leader_and_isr::{LeaderAndIsrPartitionError, LeaderAndIsrPartitionState, LeaderAndIsrTopicError};
use wire::{ErrorCode, LeaderAndIsrRequest, LeaderAndIsrResponse};
use zk_paths::ids::{TopicId, TopicPartition};

use super::Context;
use crate::broker::Broker;
use crate::replica::manager::{Assignment, RequestEpochs};
use crate::replica::partition::Assigned;

/// Answers a LeaderAndIsr request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: LeaderAndIsrRequest,
) -> LeaderAndIsrResponse {
    apply(broker, request, context.api_version).await
}

/// Carries the request out. `api_version` decides the shape of the answer.
pub async fn apply(broker: &Arc<Broker>, request: LeaderAndIsrRequest, api_version: i16) -> LeaderAndIsrResponse {
    let epochs = RequestEpochs {
        controller_id: request.controller_id.into(),
        controller_epoch: request.controller_epoch.into(),
        broker_epoch: request.broker_epoch.into(),
    };
    let mut assignments = Vec::new();
    for state in &request.ungrouped_partition_states {
        assignments.push(assignment(&state.topic_name, TopicId::ZERO, state));
    }
    for topic in &request.topic_states {
        let states = topic.partition_states.iter();
        assignments.extend(states.map(|state| assignment(&topic.topic_name, topic.topic_id, state)));
    }
    match broker.replicas.assign(broker, epochs, assignments).await {
        Err(error) => LeaderAndIsrResponse { error_code: error.code(), ..Default::default() },
        Ok(results) if api_version < 5 => LeaderAndIsrResponse {
            partition_errors: results.into_iter().map(|(name, _, error)| partition_error(name, error)).collect(),
            ..Default::default()
        },
        Ok(results) => by_topic_id(results),
    }
}

fn assignment(topic: &str, topic_id: TopicId, state: &LeaderAndIsrPartitionState) -> Assignment {
    Assignment {
        name: TopicPartition::new(topic, state.partition_index),
        topic_id,
        assigned: Assigned {
            leader: state.leader.into(),
            leader_epoch: state.leader_epoch.into(),
            isr: state.isr.clone(),
            replicas: state.replicas.clone(),
            zk_version: state.partition_epoch.into(),
        },
        is_new: state.is_new,
    }
}

fn partition_error(name: TopicPartition, error: ErrorCode) -> LeaderAndIsrPartitionError {
    LeaderAndIsrPartitionError {
        topic_name: (&name.topic).into(),
        partition_index: name.partition,
        error_code: error.code(),
    }
}

fn by_topic_id(results: Vec<(TopicPartition, TopicId, ErrorCode)>) -> LeaderAndIsrResponse {
    let mut topics: BTreeMap<TopicId, Vec<LeaderAndIsrPartitionError>> = BTreeMap::new();
    for (name, topic_id, error) in results {
        topics.entry(topic_id).or_default().push(partition_error(name, error));
    }
    let topics = topics.into_iter();
    let topics = topics.map(|(topic_id, partition_errors)| LeaderAndIsrTopicError { topic_id, partition_errors });
    LeaderAndIsrResponse { topics: topics.collect(), ..Default::default() }
}
