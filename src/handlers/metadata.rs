//! Metadata, v0–12: brokers, topics, who leads what, at the listener that was asked. Served by every broker from its
//! [`crate::metadata_cache::MetadataCache`].
//!
//! - v0: an empty list of topics means all; from v1 null means all and empty none.
//! - v0 lists only replicas that are reachable and reports REPLICA_NOT_AVAILABLE when one is not.
//! - v4+: the request says whether missing topics may be created. A created one is answered LEADER_NOT_AVAILABLE (it has
//!   no leader yet): the client asks again.
//! - up to v5: a leader that lacks this listener is LEADER_NOT_AVAILABLE, from v6 LISTENER_NOT_FOUND.
//! - before the controller has told anything, a broker that has just started knows no topic, which is no answer: it says
//!   LEADER_NOT_AVAILABLE, and the client asks again.
//! - v10, v11: topic ids in the answer, but a request by id (or without name) is INVALID_REQUEST; v12+ by id.

use std::collections::HashSet;
use std::sync::Arc;

use wire::metadata::{MetadataRequestTopic, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use wire::{ErrorCode, MetadataRequest, MetadataResponse, Str};
use zk_paths::ids::TopicId;

use super::Context;
use super::describe_cluster::{CLUSTER_OPERATIONS, NO_OPERATIONS, TOPIC_OPERATIONS};
use crate::broker::Broker;
use crate::metadata_cache::{MetadataCache, PartitionInfo, TopicInfo};
use crate::topic_names;

/// Answers a Metadata request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: MetadataRequest) -> MetadataResponse {
    let mut topics = match asked(&request, context.api_version) {
        Asked::All => all(broker, context),
        Asked::Named(names) => named(broker, context, &names, request.allow_auto_topic_creation).await,
        Asked::ById(ids) => ids.into_iter().map(|id| by_id(broker, context, id)).collect(),
        Asked::Invalid(named) => named.iter().map(invalid).collect(),
    };
    if request.include_topic_authorized_operations {
        topics.iter_mut().for_each(|topic| topic.topic_authorized_operations = TOPIC_OPERATIONS);
    }
    let operations = if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { NO_OPERATIONS };
    MetadataResponse {
        brokers: brokers(&broker.metadata, &context.origin.listener),
        cluster_id: Some(broker.cluster_id.as_str().into()),
        controller_id: broker.metadata.controller().map_or(-1, |id| id.0),
        topics,
        cluster_authorized_operations: operations,
        ..Default::default()
    }
}

/// What the list of topics means.
enum Asked {
    All,
    Named(Vec<Str>),
    ById(Vec<TopicId>),
    Invalid(Vec<MetadataRequestTopic>),
}

fn asked(request: &MetadataRequest, api_version: i16) -> Asked {
    let topics = match &request.topics {
        None => return Asked::All,
        Some(topics) if topics.is_empty() && api_version == 0 => return Asked::All,
        Some(topics) => topics,
    };
    if api_version < 12 && topics.iter().any(|topic| topic.name.is_none() || !topic.topic_id.is_zero()) {
        return Asked::Invalid(topics.clone());
    }
    let mut seen = HashSet::new();
    let ids: Vec<TopicId> = topics.iter().map(|topic| topic.topic_id).filter(|id| !id.is_zero()).collect();
    if !ids.is_empty() {
        return Asked::ById(ids.into_iter().filter(|id| seen.insert(id.to_string())).collect());
    }
    let names = topics.iter().filter_map(|topic| topic.name.clone());
    Asked::Named(names.filter(|name| seen.insert(name.to_string())).collect())
}

fn all(broker: &Broker, context: &Context<'_>) -> Vec<MetadataResponseTopic> {
    broker.metadata.topics().iter().map(|topic| described(&broker.metadata, context, topic)).collect()
}

async fn named(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    names: &[Str],
    may_create: bool,
) -> Vec<MetadataResponseTopic> {
    let mut answers = Vec::with_capacity(names.len());
    for name in names {
        answers.push(match broker.metadata.topic(name) {
            Some(topic) => described(&broker.metadata, context, &topic),
            None => missing(broker, name, may_create).await,
        });
    }
    answers
}

async fn missing(broker: &Arc<Broker>, name: &Str, may_create: bool) -> MetadataResponseTopic {
    let error = if broker.metadata.is_untold() && topic_names::validate(name).is_ok() {
        ErrorCode::LeaderNotAvailable
    } else if may_create && broker.config.topics.auto_create {
        broker.auto_create_topic(name).await
    } else if topic_names::validate(name).is_err() {
        ErrorCode::InvalidTopicException
    } else {
        ErrorCode::UnknownTopicOrPartition
    };
    MetadataResponseTopic {
        error_code: error.code(),
        name: Some(name.clone()),
        is_internal: topic_names::is_internal(name),
        ..Default::default()
    }
}

fn by_id(broker: &Broker, context: &Context<'_>, id: TopicId) -> MetadataResponseTopic {
    let topic = broker.metadata.topic_name(id).and_then(|name| broker.metadata.topic(&name));
    match topic {
        Some(topic) => described(&broker.metadata, context, &topic),
        None => {
            let error_code = ErrorCode::UnknownTopicId.code();
            MetadataResponseTopic { error_code, name: None, topic_id: id, ..Default::default() }
        }
    }
}

fn invalid(topic: &MetadataRequestTopic) -> MetadataResponseTopic {
    let name = Some(topic.name.clone().unwrap_or_default());
    let error_code = ErrorCode::InvalidRequest.code();
    MetadataResponseTopic { error_code, name, topic_id: topic.topic_id, ..Default::default() }
}

fn brokers(metadata: &MetadataCache, listener: &str) -> Vec<MetadataResponseBroker> {
    let brokers = metadata.brokers().into_iter().filter_map(|broker| {
        let (host, port) = broker.endpoints.get(listener)?;
        let rack = broker.rack.as_deref().map(Into::into);
        Some(MetadataResponseBroker { node_id: broker.id.0, host: host.as_str().into(), port: *port, rack })
    });
    brokers.collect()
}

fn described(metadata: &MetadataCache, context: &Context<'_>, topic: &TopicInfo) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().map(|(index, info)| partition(metadata, context, *index, info)).collect();
    MetadataResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some((&topic.name).into()),
        topic_id: topic.id,
        is_internal: topic_names::is_internal(&topic.name),
        partitions,
        ..Default::default()
    }
}

fn partition(
    metadata: &MetadataCache,
    context: &Context<'_>,
    index: i32,
    info: &PartitionInfo,
) -> MetadataResponsePartition {
    let listener = &*context.origin.listener;
    let reachable = |ids: &[i32]| -> Vec<i32> {
        let all = context.api_version > 0;
        ids.iter().copied().filter(|id| all || metadata.endpoint((*id).into(), listener).is_some()).collect()
    };
    let (replica_nodes, isr_nodes) = (reachable(&info.replicas), reachable(&info.isr));
    let has_leader = metadata.endpoint(info.leader, listener).is_some();
    let error = if !has_leader && (context.api_version <= 5 || !metadata.is_alive(info.leader)) {
        ErrorCode::LeaderNotAvailable
    } else if !has_leader {
        ErrorCode::ListenerNotFound
    } else if replica_nodes.len() < info.replicas.len() || isr_nodes.len() < info.isr.len() {
        ErrorCode::ReplicaNotAvailable
    } else {
        ErrorCode::None
    };
    MetadataResponsePartition {
        error_code: error.code(),
        partition_index: index,
        leader_id: if has_leader { info.leader.0 } else { -1 },
        leader_epoch: info.leader_epoch.0,
        replica_nodes,
        isr_nodes,
        offline_replicas: info.offline_replicas.clone(),
    }
}
