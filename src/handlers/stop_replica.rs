//! StopReplica, v0–4: the controller takes partitions away from this broker, and perhaps their data. Sent by the
//! controller only.
//!
//! - v0–2: one delete flag for all of them, no leader epochs; v3+: both per partition. Epoch -2 says that the topic is being
//!   deleted, -1 that the sender does not know it: neither is compared.
//! - A partition that is not hosted here is no error; with the delete flag what is left of it on disk goes as well.

use std::sync::Arc;

use wire::stop_replica::StopReplicaPartitionError;
use wire::{StopReplicaRequest, StopReplicaResponse};
use zk_paths::ids::{LeaderEpoch, TopicPartition};

use super::Context;
use crate::broker::Broker;
use crate::replica::manager::{RequestEpochs, Stop};

/// Answers a StopReplica request.
pub async fn handle(broker: &Arc<Broker>, _context: &Context<'_>, request: StopReplicaRequest) -> StopReplicaResponse {
    apply(broker, request).await
}

/// Carries the request out.
pub async fn apply(broker: &Arc<Broker>, request: StopReplicaRequest) -> StopReplicaResponse {
    let epochs = RequestEpochs {
        controller_id: request.controller_id.into(),
        controller_epoch: request.controller_epoch.into(),
        broker_epoch: request.broker_epoch.into(),
    };
    match broker.replicas.stop(broker, epochs, stops(&request)).await {
        Err(error) => StopReplicaResponse { error_code: error.code(), ..Default::default() },
        Ok(results) => {
            let errors = results.into_iter().map(|(name, error)| StopReplicaPartitionError {
                topic_name: (&name.topic).into(),
                partition_index: name.partition,
                error_code: error.code(),
            });
            StopReplicaResponse { partition_errors: errors.collect(), ..Default::default() }
        }
    }
}

fn stops(request: &StopReplicaRequest) -> Vec<Stop> {
    let old = |topic: &str, partition| Stop {
        name: TopicPartition::new(topic, partition),
        leader_epoch: LeaderEpoch::NONE,
        delete: request.delete_partitions,
    };
    let v0 = request.ungrouped_partitions.iter().map(|one| old(&one.topic_name, one.partition_index));
    let v1 = request.topics.iter();
    let v1 = v1.flat_map(|topic| topic.partition_indexes.iter().map(move |index| old(&topic.name, *index)));
    let v3 = request.topic_states.iter().flat_map(|topic| {
        topic.partition_states.iter().map(move |state| Stop {
            name: TopicPartition::new(&*topic.topic_name, state.partition_index),
            leader_epoch: state.leader_epoch.into(),
            delete: state.delete_partition,
        })
    });
    v0.chain(v1).chain(v3).collect()
}
