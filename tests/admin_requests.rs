//! Requests about topics and settings, right and wrong, to a Java broker and to ours: the answers must be the same, field by
//! field, in Kafka's words. What ours answers otherwise on purpose is not asked here (ARCHITECTURE.md lists it).
#![allow(clippy::unwrap_used, reason = "a black-box test")]

use std::fmt::Debug;
use std::time::Duration;

use client::transport::TcpNetwork;
use client::{Connection, ConnectionOptions};
use test_lab::{JavaBroker, KafkaVersion, Klamm, KlammOptions, ZooKeeper, ZooKeeperVersion};
use wire::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use wire::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use wire::delete_topics::DeleteTopicState;
use wire::describe_configs::{DescribeConfigsResource, DescribeConfigsResult};
use wire::fetch::{FetchPartition, FetchTopic};
use wire::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use wire::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use wire::{
    ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, ErrorCode, FetchRequest, FindCoordinatorRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, OffsetForLeaderEpochRequest, Request,
};
use zk_paths::ids::TopicId;

const LIMIT: Duration = Duration::from_secs(60);
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

#[test]
fn admin_requests_are_answered_as_java_does() {
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    let java = JavaBroker::start(KafkaVersion::V3_9, &format!("{}/java", zookeeper.address()), &[]);
    let klamm = Klamm::start(&KlammOptions {
        binary: env!("CARGO_BIN_EXE_klamm"),
        zookeeper: &format!("{}/klamm", zookeeper.address()),
        properties: &[],
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (at_java, at_klamm) = (java.address(), klamm.address());
    let (expected, answered) = runtime.block_on(async { tokio::join!(all(&at_java), all(&at_klamm)) });
    for (expected, answered) in expected.iter().zip(&answered) {
        assert_eq!(answered, expected, "ours on the left, Java's on the right");
    }
    assert_eq!(answered.len(), expected.len());
}

async fn all(broker: &str) -> Vec<String> {
    let connection = Connection::open(&TcpNetwork, broker, ConnectionOptions::default()).await.unwrap();
    let mut talk = Talk { connection, answers: Vec::new() };
    talk.controller_is_elected().await;
    talk.topics_are_created_or_refused().await;
    talk.topics_grow_or_do_not().await;
    talk.settings_are_shown().await;
    talk.settings_are_changed_or_not().await;
    talk.others().await;
    talk.topics_are_deleted_or_not().await;
    talk.answers
}

struct Talk {
    connection: Connection,
    answers: Vec<String>,
}

/// A topic to create: partitions and replicas, or assignments, and settings.
fn topic(
    name: &str,
    counts: (i32, i16),
    assigned: &[(i32, &[i32])],
    configs: &[(&str, Option<&str>)],
) -> CreatableTopic {
    let assigned = assigned.iter().map(|(partition, brokers)| CreatableReplicaAssignment {
        partition_index: *partition,
        broker_ids: brokers.to_vec(),
    });
    let configs =
        configs.iter().map(|(name, value)| CreatableTopicConfig { name: (*name).into(), value: value.map(Into::into) });
    CreatableTopic {
        name: name.into(),
        num_partitions: counts.0,
        replication_factor: counts.1,
        assignments: assigned.collect(),
        configs: configs.collect(),
    }
}

/// A setting that Kafka does not have.
fn is_ours(key: &str) -> bool {
    key.starts_with("klamm.")
}

/// Java lists settings in the order of its hash tables.
fn tidied(result: &mut DescribeConfigsResult) {
    result.configs.retain(|config| !is_ours(&config.name));
    result.configs.sort_by(|a, b| a.name.cmp(&b.name));
}

impl Talk {
    async fn call<R: Request>(&self, api_version: i16, request: &R) -> R::Response {
        self.connection.call_at(api_version, request, Some(LIMIT)).await.unwrap()
    }

    fn note(&mut self, api_version: i16, request: &impl Debug, response: &impl Debug) {
        self.answers.push(format!("v{api_version} of {request:?}\n answers {response:?}"));
    }

    async fn controller_is_elected(&self) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        let topics = vec![topic("a b", (1, 1), &[], &[])];
        let request = CreateTopicsRequest { topics, validate_only: true, ..Default::default() };
        while self.call(7, &request).await.topics[0].error_code == ErrorCode::NotController.code() {
            assert!(tokio::time::Instant::now() < deadline, "no controller");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn create(&mut self, api_version: i16, timeout_ms: i32, topics: Vec<CreatableTopic>) {
        for validate_only in [true, false].into_iter().filter(|only| !only || api_version > 0) {
            let request = CreateTopicsRequest { topics: topics.clone(), timeout_ms, validate_only };
            let mut response = self.call(api_version, &request).await;
            for topic in &mut response.topics {
                // Ids are random; what counts is whether there is one.
                topic.topic_id = if topic.topic_id.is_zero() { TopicId::ZERO } else { TopicId::ONE };
                topic.configs.iter_mut().for_each(|configs| {
                    configs.retain(|config| !is_ours(&config.name));
                    configs.sort_by(|a, b| a.name.cmp(&b.name));
                });
            }
            self.note(api_version, &request, &response);
        }
    }

    async fn topics_are_created_or_refused(&mut self) {
        let (one, by_list) = ((1, 1), (-1, -1));
        for api_version in 0..=7 {
            let names = [format!("fine-{api_version}"), "known".into(), "a b".into()];
            self.create(api_version, 20_000, names.iter().map(|name| topic(name, one, &[], &[])).collect()).await;
        }
        let long = "a".repeat(250);
        for name in ["", ".", "..", "ä", "__cluster_metadata", "dot.ted", "dot_ted", &long] {
            self.create(7, 20_000, vec![topic(name, one, &[], &[])]).await;
        }
        self.create(7, 20_000, vec![topic("twice", one, &[], &[]), topic("twice", one, &[], &[])]).await;
        for (name, counts) in [("n1", (0, 1)), ("n2", (-2, 1)), ("n3", (1, 0)), ("n4", (1, 2)), ("n5", by_list)] {
            self.create(7, 20_000, vec![topic(name, counts, &[], &[])]).await;
        }
        for (name, counts, assigned) in [
            ("a1", by_list, &[(1, &[1][..]), (0, &[1])][..]),
            ("a2", one, &[(0, &[1])]),
            ("a3", by_list, &[(1, &[1])]),
            ("a4", by_list, &[(0, &[1]), (2, &[1])]),
            ("a5", by_list, &[(0, &[1]), (1, &[1, 2])]),
            // What is wrong with the name comes first.
            ("a b", by_list, &[(0, &[7]), (2, &[7])]),
        ] {
            self.create(7, 20_000, vec![topic(name, counts, assigned, &[])]).await;
        }
        for (name, configs) in [
            ("c1", &[("retention.ms", None), ("segment.ms", None)][..]),
            ("c2", &[("retention.ms", Some("abc"))]),
            ("c3", &[("no.such", Some("abc"))]),
            ("c4", &[("cleanup.policy", Some("delete,shred"))]),
            ("c5", &[("cleanup.policy", Some("compact,delete"))]),
            ("c6", &[("segment.bytes", Some("13"))]),
            ("c7", &[("min.compaction.lag.ms", Some("10")), ("max.compaction.lag.ms", Some("1"))]),
            ("c8", &[("remote.storage.enable", Some("true"))]),
            ("c9", &[("leader.replication.throttled.replicas", Some("x"))]),
            ("a b", &[("no.such", Some("abc"))]),
            ("c10", &[("compression.type", Some("zstd")), ("compression.zstd.level", Some("99"))]),
        ] {
            self.create(7, 20_000, vec![topic(name, one, &[], configs)]).await;
        }
        // Without time to wait it is on its way, and has its id.
        self.create(7, 0, vec![topic("hurried", one, &[], &[])]).await;
        self.create(7, 500, vec![topic("nowhere", by_list, &[(0, &[9])], &[])]).await;
    }

    async fn topics_grow_or_do_not(&mut self) {
        self.create(7, 20_000, vec![topic("growing", (2, 1), &[], &[])]).await;
        let asked = |name: &str, count, assigned: Option<&[&[i32]]>| CreatePartitionsTopic {
            name: name.into(),
            count,
            assignments: assigned
                .map(|all| all.iter().map(|ids| CreatePartitionsAssignment { broker_ids: ids.to_vec() }).collect()),
        };
        for (api_version, timeout_ms, topics) in [
            (3, 20_000, vec![asked("growing", 2, None)]),
            (3, 20_000, vec![asked("growing", -1, None)]),
            (3, 20_000, vec![asked("nowhere-to-be-seen", 3, None)]),
            (3, 20_000, vec![asked("growing", 3, None), asked("growing", 4, None)]),
            (3, 20_000, vec![asked("growing", 3, Some(&[&[9]]))]),
            (3, 20_000, vec![asked("growing", 3, Some(&[&[1], &[1]]))]),
            (3, 20_000, vec![asked("growing", 3, Some(&[&[1, 1]]))]),
            (3, 20_000, vec![asked("growing", 3, Some(&[&[]]))]),
            (3, 20_000, vec![asked("growing", 4, Some(&[&[1], &[]]))]),
            (0, 20_000, vec![asked("growing", 3, Some(&[&[1]]))]),
            (3, 0, vec![asked("growing", 4, None)]),
        ] {
            let request = CreatePartitionsRequest { topics, timeout_ms, validate_only: false };
            let response = self.call(api_version, &request).await;
            self.note(api_version, &request, &response);
        }
    }

    async fn settings_are_shown(&mut self) {
        let resource = |resource_type, name: &str, keys: &[&str]| DescribeConfigsResource {
            resource_type,
            resource_name: name.into(),
            configuration_keys: Some(keys.iter().map(|key| (*key).into()).collect()),
        };
        for resource in [
            resource(TOPIC, "growing", &[]),
            resource(TOPIC, "growing", &["retention.ms", "no.such"]),
            resource(TOPIC, "not-there", &[]),
            resource(TOPIC, "a b", &[]),
            resource(BROKER, "1", &["num.io.threads", "no.such", "ssl.keystore.password", "log.retention.ms"]),
            resource(BROKER, "2", &[]),
            resource(BROKER, "x", &[]),
            resource(BROKER, "", &[]),
            resource(8, "", &[]),
            resource(8, "x", &[]),
            resource(8, "2", &[]),
            resource(16, "x", &[]),
        ] {
            for api_version in 1..=4 {
                let request = DescribeConfigsRequest {
                    resources: vec![resource.clone()],
                    include_synonyms: true,
                    include_documentation: false,
                };
                let mut response = self.call(api_version, &request).await;
                response.results.iter_mut().for_each(tidied);
                self.note(api_version, &request, &response);
            }
        }
    }

    async fn settings_are_changed_or_not(&mut self) {
        let (set, delete, append, subtract) = (0, 1, 2, 3);
        let wanted = |name: &str, config_operation, value: Option<&str>| AlterableConfig {
            name: name.into(),
            config_operation,
            value: value.map(Into::into),
        };
        for (name, configs) in [
            ("growing", vec![wanted("retention.ms", set, Some("1000"))]),
            ("growing", vec![wanted("retention.ms", set, Some("abc"))]),
            ("growing", vec![wanted("retention.ms", set, None)]),
            ("growing", vec![wanted("retention.ms", append, Some("5"))]),
            ("growing", vec![wanted("retention.ms", subtract, Some("5"))]),
            ("growing", vec![wanted("cleanup.policy", append, Some("shred"))]),
            ("growing", vec![wanted("cleanup.policy", append, Some("compact"))]),
            ("growing", vec![wanted("cleanup.policy", subtract, Some("delete"))]),
            ("growing", vec![wanted("retention.ms", delete, None)]),
            ("growing", vec![wanted("retention.ms", set, Some("1")), wanted("retention.ms", delete, None)]),
            ("growing", vec![wanted("no.such", set, Some("1"))]),
            ("growing", vec![wanted("remote.storage.enable", set, Some("true"))]),
            ("not-there", vec![wanted("retention.ms", set, Some("1"))]),
            ("", vec![wanted("retention.ms", set, Some("1"))]),
        ] {
            let resource = AlterConfigsResource { resource_type: TOPIC, resource_name: name.into(), configs };
            self.alter(vec![resource.clone()], true).await;
            self.alter(vec![resource], false).await;
            self.settings_are_shown_of("growing").await;
        }
        let other = |resource_type, name: &str| {
            let configs = vec![wanted("a", set, Some("1"))];
            AlterConfigsResource { resource_type, resource_name: name.into(), configs }
        };
        for (resource_type, name) in [(1, "x"), (3, "x"), (BROKER, "x"), (BROKER, "2"), (16, "x"), (32, "x")] {
            self.alter(vec![other(resource_type, name)], true).await;
        }
        self.alter(vec![other(TOPIC, "growing"), other(TOPIC, "growing")], false).await;
    }

    async fn alter(&mut self, resources: Vec<AlterConfigsResource>, validate_only: bool) {
        let request = IncrementalAlterConfigsRequest { resources, validate_only };
        let response = self.call(1, &request).await;
        self.note(1, &request, &response);
    }

    async fn settings_are_shown_of(&mut self, topic: &str) {
        let resource =
            DescribeConfigsResource { resource_type: TOPIC, resource_name: topic.into(), configuration_keys: None };
        let request =
            DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, include_documentation: false };
        let mut response = self.call(4, &request).await;
        response.results.iter_mut().for_each(tidied);
        self.note(4, &request, &response);
    }

    async fn others(&mut self) {
        let request = ApiVersionsRequest { client_software_name: "audit".into(), client_software_version: "1".into() };
        let response = self.call(3, &request).await;
        self.note(3, &request, &(response.finalized_features_epoch, response.finalized_features));
        for endpoint_type in [2, 3] {
            let request = DescribeClusterRequest { endpoint_type, ..Default::default() };
            let response = self.call(1, &request).await;
            self.note(1, &request, &response);
        }
        let request = InitProducerIdRequest { transactional_id: Some("".into()), ..Default::default() };
        let response = self.call(4, &request).await;
        self.note(4, &request, &response);
        for current_leader_epoch in [-2, -1, 0, 1] {
            let partition = OffsetForLeaderPartition { partition: 0, current_leader_epoch, leader_epoch: 0 };
            let topics = vec![OffsetForLeaderTopic { topic: "growing".into(), partitions: vec![partition] }];
            let request = OffsetForLeaderEpochRequest { replica_id: -1, topics };
            let response = self.call(4, &request).await;
            self.note(4, &request, &response);
        }
        self.fetches_are_refused_alike().await;
        self.coordinator_is_found().await;
    }

    async fn fetches_are_refused_alike(&mut self) {
        for (topic, current_leader_epoch, replica_id, fetch_offset) in [
            ("growing", -1, -1, 0),
            ("growing", -2, -1, 0),
            ("growing", 0, -1, 0),
            ("growing", 1, -1, 0),
            ("growing", -1, -1, 5),
            ("growing", -1, 5, 0),
            ("not-there", -1, -1, 0),
            ("not-there", -1, 5, 0),
        ] {
            let partition =
                FetchPartition { current_leader_epoch, fetch_offset, partition_max_bytes: 1000, ..Default::default() };
            let topics = vec![FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() }];
            let request = FetchRequest { replica_id, max_bytes: 1000, topics, ..Default::default() };
            let response = self.call(12, &request).await;
            let partition = &response.responses[0].partitions[0];
            let answer = (partition.error_code, partition.high_watermark, &partition.aborted_transactions);
            self.note(12, &request, &answer);
        }
    }

    async fn coordinator_is_found(&mut self) {
        let one = FindCoordinatorRequest { key: "g".into(), ..Default::default() };
        let deadline = tokio::time::Instant::now() + LIMIT;
        while self.call(3, &one).await.error_code != ErrorCode::None.code() {
            assert!(tokio::time::Instant::now() < deadline, "no coordinator");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for api_version in 1..=3 {
            let response = self.call(api_version, &one).await;
            self.note(api_version, &one, &(response.error_code, response.error_message, response.node_id));
        }
        for (api_version, key_type) in [(4, 0), (5, 0), (6, 0), (4, 2), (5, 2)] {
            let coordinator_keys = vec!["g".into(), "".into()];
            let request = FindCoordinatorRequest { coordinator_keys, key_type, ..Default::default() };
            let mut response = self.call(api_version, &request).await;
            response.coordinators.iter_mut().for_each(|found| found.port = found.port.min(0));
            self.note(api_version, &request, &response);
        }
    }

    async fn topics_are_deleted_or_not(&mut self) {
        let by_name = |name: &str| DeleteTopicState { name: Some(name.into()), topic_id: TopicId::ZERO };
        let by_id = |topic_id| DeleteTopicState { name: None, topic_id };
        for (timeout_ms, topics) in [
            (20_000, vec![by_name("growing"), by_name("not-there"), by_name("")]),
            (20_000, vec![by_id(TopicId([7; 16]))]),
            (20_000, vec![DeleteTopicState { name: Some("a1".into()), topic_id: TopicId::ONE }, by_name("a1")]),
            (0, vec![by_name("a1")]),
        ] {
            let request = DeleteTopicsRequest { topics, timeout_ms, ..Default::default() };
            let mut response = self.call(6, &request).await;
            response.responses.sort_by(|a, b| a.name.cmp(&b.name));
            self.note(6, &request, &response);
        }
        for api_version in 0..6 {
            let topic_names = vec![format!("fine-{api_version}").as_str().into(), "not-there".into()];
            let request = DeleteTopicsRequest { topic_names, timeout_ms: 20_000, ..Default::default() };
            let mut response = self.call(api_version, &request).await;
            response.responses.sort_by(|a, b| a.name.cmp(&b.name));
            self.note(api_version, &request, &response);
        }
    }
}
