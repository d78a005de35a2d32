//! UpdateMetadata, v0–8: the controller tells what the cluster looks like. Sent by the controller only.
//!
//! - The list of brokers replaces the one before; partitions are changes. Leader -2 says that the topic is being deleted.
//! - v0–4 list partitions flat; v5+ by topic, with topic ids from v7. Endpoints: one host and port in v0, by security
//!   protocol up to v2, by listener name from v3.

use std::sync::Arc;

use wire::update_metadata::{UpdateMetadataBroker, UpdateMetadataPartitionState};
use wire::{UpdateMetadataRequest, UpdateMetadataResponse};
use zk_paths::ids::{LeaderEpoch, TopicId, TopicPartition};

use super::Context;
use crate::broker::Broker;
use crate::metadata_cache::{BrokerInfo, PartitionInfo, PartitionUpdate};
use crate::replica::manager::RequestEpochs;

/// Answers an UpdateMetadata request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: UpdateMetadataRequest,
) -> UpdateMetadataResponse {
    apply(broker, request, context.api_version)
}

/// Carries the request out. `api_version` says how endpoints are written.
pub fn apply(broker: &Arc<Broker>, request: UpdateMetadataRequest, api_version: i16) -> UpdateMetadataResponse {
    let epochs = RequestEpochs {
        controller_id: request.controller_id.into(),
        controller_epoch: request.controller_epoch.into(),
        broker_epoch: request.broker_epoch.into(),
    };
    if let Err(error) = broker.replicas.accept(epochs) {
        return UpdateMetadataResponse { error_code: error.code() };
    }
    let brokers = request.live_brokers.iter().map(|known| broker_info(known, api_version)).collect();
    let mut updates: Vec<PartitionUpdate> = Vec::new();
    for state in &request.ungrouped_partition_states {
        updates.push(partition(&state.topic_name, TopicId::ZERO, state));
    }
    for topic in &request.topic_states {
        let states = topic.partition_states.iter();
        updates.extend(states.map(|state| partition(&topic.topic_name, topic.topic_id, state)));
    }
    let deleted = updates.iter().filter(|update| update.info.is_none());
    let deleted = deleted.map(|update| TopicPartition::new(update.topic.clone(), update.partition)).collect::<Vec<_>>();
    broker.metadata.update(epochs.controller_id, brokers, updates);
    if !deleted.is_empty() {
        // A topic of the same name must not inherit the offsets that groups had in it.
        broker.groups.on_partitions_deleted(&deleted);
    }
    UpdateMetadataResponse::default()
}

fn partition(topic: &str, topic_id: TopicId, state: &UpdateMetadataPartitionState) -> PartitionUpdate {
    let deleted = state.leader == LeaderEpoch::DURING_DELETE.0;
    let info = PartitionInfo {
        leader: state.leader.into(),
        leader_epoch: state.leader_epoch.into(),
        isr: state.isr.clone(),
        replicas: state.replicas.clone(),
        offline_replicas: state.offline_replicas.clone(),
    };
    PartitionUpdate {
        topic: topic.into(),
        topic_id,
        partition: state.partition_index,
        info: (!deleted).then_some(info),
    }
}

fn broker_info(broker: &UpdateMetadataBroker, api_version: i16) -> BrokerInfo {
    let endpoints = if api_version == 0 {
        [("PLAINTEXT".to_string(), (broker.v0_host.to_string(), broker.v0_port))].into()
    } else {
        let endpoints = broker.endpoints.iter().map(|endpoint| {
            let listener = match api_version {
                1 | 2 => protocol_name(endpoint.security_protocol).to_string(),
                _ => endpoint.listener.to_string(),
            };
            (listener, (endpoint.host.to_string(), endpoint.port))
        });
        endpoints.collect()
    };
    BrokerInfo { id: broker.id.into(), rack: broker.rack.as_deref().map(Into::into), endpoints }
}

/// `SecurityProtocol.forId`.
fn protocol_name(id: i16) -> &'static str {
    match id {
        1 => "SSL",
        2 => "SASL_PLAINTEXT",
        3 => "SASL_SSL",
        _ => "PLAINTEXT",
    }
}
