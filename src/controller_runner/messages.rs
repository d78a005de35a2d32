//! Requests of the core in Kafka's shapes, in the version that `inter.broker.protocol.version` asks for; and the
//! answers, back into the core's words.
//!
//! LeaderAndIsr: topics grouped from v2. UpdateMetadata: topics grouped from v5, endpoints by listener from v3, one
//! PLAINTEXT address in v0. StopReplica: one delete flag per request below v3, so a mixed request becomes two.

use std::collections::{BTreeMap, HashMap};

use config::MetadataVersion;
use controller::action::{LeaderAndIsr, PartitionUpdate, Request, RequestBody, StopReplica, UpdateMetadata};
use controller::cluster::LiveBroker;
use controller::event::{LeaderAndIsrReply, ReplicaError, StopReplicaReply};
use wire::leader_and_isr::{LeaderAndIsrLiveLeader, LeaderAndIsrPartitionState, LeaderAndIsrTopicState};
use wire::stop_replica::{
    StopReplicaPartitionState, StopReplicaPartitionV0, StopReplicaTopicState, StopReplicaTopicV1,
};
use wire::update_metadata::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState, UpdateMetadataTopicState,
};
use wire::{
    ErrorCode, LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest, StopReplicaResponse,
    UpdateMetadataRequest,
};
use zk_paths::broker_registration::SecurityProtocol;
use zk_paths::ids::{BrokerEpoch, BrokerId, ControllerEpoch, TopicId, TopicName, TopicPartition};
use zk_paths::partition_state::LeaderRecoveryState;

/// One request as it goes out, with its API version.
#[derive(Debug, Clone)]
pub(super) enum Message {
    LeaderAndIsr(i16, LeaderAndIsrRequest),
    UpdateMetadata(i16, UpdateMetadataRequest),
    StopReplica(i16, StopReplicaRequest),
}

/// What is the same in all requests of a term.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub controller: BrokerId,
    pub controller_epoch: ControllerEpoch,
    pub protocol: MetadataVersion,
    /// Where followers find their leaders.
    pub inter_broker_listener: String,
}

impl Sender {
    /// The messages of one request, in order.
    pub fn messages(&self, request: &Request) -> Vec<Message> {
        let broker_epoch = request.broker_epoch;
        match &request.body {
            RequestBody::LeaderAndIsr(body) => vec![self.leader_and_isr(broker_epoch, body)],
            RequestBody::UpdateMetadata(body) => vec![self.update_metadata(broker_epoch, body)],
            RequestBody::StopReplica(body) => self.stop_replica(broker_epoch, body),
        }
    }

    fn leader_and_isr(&self, broker_epoch: BrokerEpoch, body: &LeaderAndIsr) -> Message {
        let version = self.protocol.leader_and_isr_version();
        let mut request = LeaderAndIsrRequest {
            controller_id: self.controller.0,
            controller_epoch: self.controller_epoch.0,
            broker_epoch: broker_epoch.0,
            live_leaders: body.live_leaders.iter().filter_map(|leader| self.live_leader(leader)).collect(),
            ..Default::default()
        };
        if version < 2 {
            request.ungrouped_partition_states =
                body.partitions.iter().map(|update| leader_and_isr_state(update, version)).collect();
        } else {
            let topics = by_topic(&body.partitions, |update| leader_and_isr_state(update, version));
            request.topic_states = topics
                .map(|(topic, topic_id, partition_states)| LeaderAndIsrTopicState {
                    topic_name: topic.into(),
                    topic_id,
                    partition_states,
                })
                .collect();
        }
        Message::LeaderAndIsr(version, request)
    }

    fn live_leader(&self, leader: &LiveBroker) -> Option<LeaderAndIsrLiveLeader> {
        let endpoint = leader.registration.endpoint(&self.inter_broker_listener)?;
        let (host_name, port) = (endpoint.host.as_str().into(), endpoint.port);
        Some(LeaderAndIsrLiveLeader { broker_id: leader.id.0, host_name, port })
    }

    fn update_metadata(&self, broker_epoch: BrokerEpoch, body: &UpdateMetadata) -> Message {
        let version = self.protocol.update_metadata_version();
        let mut request = UpdateMetadataRequest {
            controller_id: self.controller.0,
            controller_epoch: self.controller_epoch.0,
            broker_epoch: broker_epoch.0,
            live_brokers: body.brokers.iter().map(|broker| update_metadata_broker(broker, version)).collect(),
            ..Default::default()
        };
        if version < 5 {
            request.ungrouped_partition_states = body.partitions.iter().map(update_metadata_state).collect();
        } else {
            let topics = by_topic(&body.partitions, update_metadata_state);
            request.topic_states = topics
                .map(|(topic, topic_id, partition_states)| UpdateMetadataTopicState {
                    topic_name: topic.into(),
                    topic_id,
                    partition_states,
                })
                .collect();
        }
        Message::UpdateMetadata(version, request)
    }

    fn stop_replica(&self, broker_epoch: BrokerEpoch, body: &[StopReplica]) -> Vec<Message> {
        let version = self.protocol.stop_replica_version();
        let request = StopReplicaRequest {
            controller_id: self.controller.0,
            controller_epoch: self.controller_epoch.0,
            broker_epoch: broker_epoch.0,
            ..Default::default()
        };
        if version >= 3 {
            return vec![Message::StopReplica(
                version,
                StopReplicaRequest { topic_states: stop_states(body), ..request },
            )];
        }
        let (delete, keep): (Vec<_>, Vec<_>) = body.iter().partition(|stop| stop.delete);
        let halves = [(false, keep), (true, delete)].into_iter().filter(|(_, stops)| !stops.is_empty());
        let message = |(delete_partitions, stops): (bool, Vec<&StopReplica>)| {
            let mut request = StopReplicaRequest { delete_partitions, ..request.clone() };
            if version == 0 {
                request.ungrouped_partitions = stops.into_iter().map(stop_v0).collect();
            } else {
                request.topics = stop_topics_v1(&stops);
            }
            Message::StopReplica(version, request)
        };
        halves.map(message).collect()
    }
}

/// Groups partitions by topic, in the order of the topics' names.
fn by_topic<S>(
    updates: &[PartitionUpdate],
    state: impl Fn(&PartitionUpdate) -> S,
) -> impl Iterator<Item = (&str, TopicId, Vec<S>)> {
    let mut topics: BTreeMap<&str, (TopicId, Vec<S>)> = BTreeMap::new();
    for update in updates {
        let topic = topics.entry(&update.partition.topic).or_insert_with(|| (update.topic_id, Vec::new()));
        topic.1.push(state(update));
    }
    topics.into_iter().map(|(topic, (topic_id, states))| (topic, topic_id, states))
}

fn leader_and_isr_state(update: &PartitionUpdate, version: i16) -> LeaderAndIsrPartitionState {
    let recovering = version >= 6 && update.leader_recovery_state == LeaderRecoveryState::Recovering;
    LeaderAndIsrPartitionState {
        topic_name: if version < 2 { (&*update.partition.topic).into() } else { Default::default() },
        partition_index: update.partition.partition,
        controller_epoch: update.controller_epoch.0,
        leader: update.leader.0,
        leader_epoch: update.leader_epoch.0,
        isr: numbers(&update.isr),
        partition_epoch: update.partition_epoch.0,
        replicas: numbers(&update.replicas),
        adding_replicas: numbers(&update.adding),
        removing_replicas: numbers(&update.removing),
        is_new: update.is_new,
        leader_recovery_state: i8::from(recovering),
    }
}

fn update_metadata_state(update: &PartitionUpdate) -> UpdateMetadataPartitionState {
    UpdateMetadataPartitionState {
        topic_name: (&*update.partition.topic).into(),
        partition_index: update.partition.partition,
        controller_epoch: update.controller_epoch.0,
        leader: update.leader.0,
        leader_epoch: update.leader_epoch.0,
        isr: numbers(&update.isr),
        zk_version: update.partition_epoch.0,
        replicas: numbers(&update.replicas),
        offline_replicas: numbers(&update.offline),
    }
}

fn update_metadata_broker(broker: &LiveBroker, version: i16) -> UpdateMetadataBroker {
    let endpoints = &broker.registration.endpoints;
    let mut message = UpdateMetadataBroker {
        id: broker.id.0,
        rack: broker.registration.rack.as_deref().map(Into::into),
        ..Default::default()
    };
    if version == 0 {
        if let Some(plaintext) = endpoints.iter().find(|e| e.security_protocol == SecurityProtocol::Plaintext) {
            (message.v0_host, message.v0_port) = (plaintext.host.as_str().into(), plaintext.port);
        }
        return message;
    }
    message.endpoints = endpoints
        .iter()
        .map(|endpoint| UpdateMetadataEndpoint {
            port: endpoint.port,
            host: endpoint.host.as_str().into(),
            listener: endpoint.listener_name.as_str().into(),
            security_protocol: endpoint.security_protocol.id(),
        })
        .collect();
    message
}

fn stop_states(stops: &[StopReplica]) -> Vec<StopReplicaTopicState> {
    let mut topics: BTreeMap<&str, Vec<StopReplicaPartitionState>> = BTreeMap::new();
    for stop in stops {
        topics.entry(&stop.partition.topic).or_default().push(StopReplicaPartitionState {
            partition_index: stop.partition.partition,
            leader_epoch: stop.leader_epoch.0,
            delete_partition: stop.delete,
        });
    }
    let topics = topics.into_iter();
    topics
        .map(|(topic, partition_states)| StopReplicaTopicState { topic_name: topic.into(), partition_states })
        .collect()
}

fn stop_topics_v1(stops: &[&StopReplica]) -> Vec<StopReplicaTopicV1> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for stop in stops {
        topics.entry(&stop.partition.topic).or_default().push(stop.partition.partition);
    }
    let topics = topics.into_iter();
    topics.map(|(name, partition_indexes)| StopReplicaTopicV1 { name: name.into(), partition_indexes }).collect()
}

fn stop_v0(stop: &StopReplica) -> StopReplicaPartitionV0 {
    StopReplicaPartitionV0 { topic_name: (&*stop.partition.topic).into(), partition_index: stop.partition.partition }
}

fn numbers(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

/// Who answers: one life of one broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answerer {
    pub broker: BrokerId,
    pub broker_epoch: BrokerEpoch,
}

/// The answer to `request`, which knows the names of the topic ids.
pub(super) fn leader_and_isr_reply(
    from: Answerer,
    request: &LeaderAndIsrRequest,
    response: &LeaderAndIsrResponse,
) -> LeaderAndIsrReply {
    let names: HashMap<TopicId, TopicName> =
        request.topic_states.iter().map(|topic| (topic.topic_id, (&*topic.topic_name).into())).collect();
    let by_name = response.partition_errors.iter().map(|partition| {
        let name = TopicPartition::new(&*partition.topic_name, partition.partition_index);
        (name, replica_error(partition.error_code))
    });
    let by_id = response.topics.iter().filter_map(|topic| Some((names.get(&topic.topic_id)?, topic)));
    let by_id = by_id.flat_map(|(name, topic)| {
        topic.partition_errors.iter().map(move |partition| {
            let name = TopicPartition { topic: name.clone(), partition: partition.partition_index };
            (name, replica_error(partition.error_code))
        })
    });
    LeaderAndIsrReply {
        broker: from.broker,
        broker_epoch: from.broker_epoch,
        error_code: response.error_code,
        partitions: by_name.chain(by_id).collect(),
    }
}

/// The answer to `request`, for those partitions that were to be deleted. A whole-request error names no partitions, so
/// the request's own are taken.
pub(super) fn stop_replica_reply(
    from: Answerer,
    request: &StopReplicaRequest,
    response: &StopReplicaResponse,
) -> StopReplicaReply {
    let errors: HashMap<TopicPartition, i16> = response
        .partition_errors
        .iter()
        .map(|error| (TopicPartition::new(&*error.topic_name, error.partition_index), error.error_code))
        .collect();
    let deleted = deletions(request).into_iter().map(|partition| {
        let code = errors.get(&partition).copied().unwrap_or(ErrorCode::UnknownServerError.code());
        (partition, replica_error(code))
    });
    StopReplicaReply {
        broker: from.broker,
        broker_epoch: from.broker_epoch,
        error_code: response.error_code,
        deleted: deleted.collect(),
    }
}

fn deletions(request: &StopReplicaRequest) -> Vec<TopicPartition> {
    let v3 = request.topic_states.iter().flat_map(|topic| {
        let deleted = topic.partition_states.iter().filter(|state| state.delete_partition);
        deleted.map(|state| TopicPartition::new(&*topic.topic_name, state.partition_index))
    });
    let v1 = request
        .topics
        .iter()
        .flat_map(|topic| topic.partition_indexes.iter().map(|index| TopicPartition::new(&*topic.name, *index)));
    let v0 = request.ungrouped_partitions.iter();
    let v0 = v0.map(|partition| TopicPartition::new(&*partition.topic_name, partition.partition_index));
    v3.chain(v1.chain(v0).filter(|_| request.delete_partitions)).collect()
}

fn replica_error(code: i16) -> ReplicaError {
    match ErrorCode::from(code) {
        ErrorCode::None => ReplicaError::None,
        ErrorCode::KafkaStorageError => ReplicaError::Storage,
        _ => ReplicaError::Other(code),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::leader_and_isr::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
    use wire::stop_replica::StopReplicaPartitionError;
    use zk_paths::broker_registration::{BrokerRegistration, Endpoint};
    use zk_paths::ids::{LeaderEpoch, ZkVersion};

    use super::*;

    fn sender(protocol: MetadataVersion) -> Sender {
        Sender {
            controller: BrokerId(1),
            controller_epoch: ControllerEpoch(7),
            protocol,
            inter_broker_listener: "REPL".into(),
        }
    }

    fn live(id: i32) -> Arc<LiveBroker> {
        let endpoint = |listener_name: &str, port| Endpoint {
            listener_name: listener_name.into(),
            security_protocol: SecurityProtocol::Plaintext,
            host: "host".into(),
            port,
        };
        let registration = BrokerRegistration {
            endpoints: vec![endpoint("CLIENT", 9092), endpoint("REPL", 9093)],
            rack: Some("r".into()),
            features: BTreeMap::new(),
            jmx_port: -1,
            timestamp_ms: 0,
        };
        Arc::new(LiveBroker { id: BrokerId(id), broker_epoch: BrokerEpoch(5), registration })
    }

    fn update(topic: &str, partition: i32) -> PartitionUpdate {
        PartitionUpdate {
            partition: TopicPartition::new(topic, partition),
            topic_id: TopicId([3; 16]),
            controller_epoch: ControllerEpoch(6),
            leader: BrokerId(1),
            leader_epoch: LeaderEpoch(4),
            isr: vec![BrokerId(1)],
            partition_epoch: ZkVersion(9),
            replicas: vec![BrokerId(1), BrokerId(2)],
            adding: vec![],
            removing: vec![],
            offline: vec![BrokerId(2)],
            is_new: true,
            leader_recovery_state: LeaderRecoveryState::Recovering,
        }
    }

    fn request(body: RequestBody) -> Request {
        Request { to: BrokerId(2), broker_epoch: BrokerEpoch(5), body }
    }

    /// Every request can be written in the version that each protocol version asks for.
    #[test]
    fn every_protocol_version_can_be_spoken() {
        let bodies = [
            RequestBody::LeaderAndIsr(LeaderAndIsr { partitions: vec![update("a", 0)], live_leaders: vec![live(1)] }),
            RequestBody::UpdateMetadata(Arc::new(UpdateMetadata {
                brokers: vec![live(1)],
                partitions: vec![update("a", 0), update("b", 1)],
            })),
            RequestBody::StopReplica(vec![stop("a", 0, true), stop("a", 1, false)]),
        ];
        for protocol in MetadataVersion::ALL {
            for body in &bodies {
                for message in sender(*protocol).messages(&request(body.clone())) {
                    let written = match &message {
                        Message::LeaderAndIsr(v, body) => wire::encode_request(*v, 1, None, body).map(drop),
                        Message::UpdateMetadata(v, body) => wire::encode_request(*v, 1, None, body).map(drop),
                        Message::StopReplica(v, body) => wire::encode_request(*v, 1, None, body).map(drop),
                    };
                    assert!(written.is_ok(), "{protocol}: {message:?}: {written:?}");
                }
            }
        }
    }

    fn stop(topic: &str, partition: i32, delete: bool) -> StopReplica {
        StopReplica { partition: TopicPartition::new(topic, partition), leader_epoch: LeaderEpoch(4), delete }
    }

    #[test]
    fn leaders_are_named_at_the_inter_broker_listener() {
        let body = LeaderAndIsr { partitions: vec![update("a", 0), update("a", 1)], live_leaders: vec![live(1)] };
        let messages = sender(MetadataVersion::LATEST).messages(&request(RequestBody::LeaderAndIsr(body)));
        let [Message::LeaderAndIsr(7, message)] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!((message.controller_id, message.controller_epoch, message.broker_epoch), (1, 7, 5));
        assert_eq!(message.live_leaders[0].port, 9093);
        assert_eq!(message.topic_states.len(), 1);
        let state = &message.topic_states[0].partition_states[1];
        assert_eq!((state.partition_index, state.controller_epoch, state.leader_recovery_state), (1, 6, 1));
    }

    #[test]
    fn below_version_3_a_mixed_stop_becomes_two() {
        let body = RequestBody::StopReplica(vec![stop("a", 0, true), stop("a", 1, false), stop("b", 0, true)]);
        let messages = sender("2.4".parse().unwrap()).messages(&request(body));
        let [Message::StopReplica(2, keep), Message::StopReplica(2, delete)] = messages.as_slice() else {
            panic!("{messages:?}")
        };
        assert!(!keep.delete_partitions && keep.topics.len() == 1);
        assert!(delete.delete_partitions && delete.topics.len() == 2);
    }

    const FROM: Answerer = Answerer { broker: BrokerId(2), broker_epoch: BrokerEpoch(5) };

    #[test]
    fn answers_by_topic_id_get_their_names_back() {
        let body = LeaderAndIsr { partitions: vec![update("a", 0), update("a", 1)], live_leaders: vec![] };
        let messages = sender(MetadataVersion::LATEST).messages(&request(RequestBody::LeaderAndIsr(body)));
        let [Message::LeaderAndIsr(_, message)] = messages.as_slice() else { panic!("{messages:?}") };
        let error = |partition_index, code: ErrorCode| LeaderAndIsrPartitionError {
            partition_index,
            error_code: code.code(),
            ..Default::default()
        };
        let errors = vec![error(0, ErrorCode::None), error(1, ErrorCode::KafkaStorageError)];
        let topics = vec![LeaderAndIsrTopicError { topic_id: TopicId([3; 16]), partition_errors: errors }];
        let reply = leader_and_isr_reply(FROM, message, &LeaderAndIsrResponse { topics, ..Default::default() });
        let expected = vec![
            (TopicPartition::new("a", 0), ReplicaError::None),
            (TopicPartition::new("a", 1), ReplicaError::Storage),
        ];
        assert_eq!(reply.partitions, expected);
    }

    #[test]
    fn only_deletions_are_reported_and_a_missing_answer_is_an_error() {
        let body = RequestBody::StopReplica(vec![stop("a", 0, true), stop("a", 1, false), stop("b", 0, true)]);
        let messages = sender(MetadataVersion::LATEST).messages(&request(body));
        let [Message::StopReplica(_, message)] = messages.as_slice() else { panic!("{messages:?}") };
        let done = StopReplicaPartitionError { topic_name: "a".into(), partition_index: 0, error_code: 0 };
        let response = StopReplicaResponse { partition_errors: vec![done], ..Default::default() };
        let expected = vec![
            (TopicPartition::new("a", 0), ReplicaError::None),
            (TopicPartition::new("b", 0), ReplicaError::Other(-1)),
        ];
        assert_eq!(stop_replica_reply(FROM, message, &response).deleted, expected);
    }
}
