//! The admin client against a scripted broker of one node.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use wire::create_topics::{CreatableTopicResult, CreateTopicsResponse};
use wire::describe_configs::{DescribeConfigsResponse, DescribeConfigsResult};
use wire::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse};
use wire::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};

use super::*;
use crate::cluster::ClusterOptions;
use crate::testing::{Asked, Reply, broker, options};
use crate::transport::MemNetwork;

/// One broker; topic `t` with two partitions, the second without a leader; every other topic is unknown.
fn metadata(asked: &Asked) -> Reply {
    let partition = |partition_index, leader_id| MetadataResponsePartition {
        partition_index,
        leader_id,
        replica_nodes: vec![1],
        ..MetadataResponsePartition::default()
    };
    let topic = |name: &str| match name {
        "t" => MetadataResponseTopic {
            name: Some("t".into()),
            partitions: vec![partition(1, -1), partition(0, 1)],
            ..MetadataResponseTopic::default()
        },
        other => MetadataResponseTopic { error_code: 3, name: Some(other.into()), ..Default::default() },
    };
    let names = asked.body::<MetadataRequest>().topics.unwrap_or_default();
    asked.answer(&MetadataResponse {
        brokers: vec![MetadataResponseBroker { node_id: 1, host: "b".into(), port: 9001, ..Default::default() }],
        controller_id: 1,
        cluster_id: Some("c".into()),
        topics: names.iter().map(|each| topic(each.name.as_ref().unwrap())).collect(),
        ..MetadataResponse::default()
    })
}

async fn admin(script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Admin {
    let network = MemNetwork::default();
    let script = move |asked: &Asked| match asked.key() {
        ApiKey::Metadata => Some(metadata(asked)),
        _ => script(asked),
    };
    let address = broker(&network, "127.0.0.1:9001", script).await;
    let options = ClusterOptions { connection: options(), ..ClusterOptions::default() };
    Admin::new(Cluster::connect(Arc::new(network), &address, options).await.unwrap())
}

#[tokio::test]
async fn topics_are_described_with_partitions_in_order() {
    let outcomes = admin(|_| None).await.describe_topics(&["t", "missing"]).await.unwrap();
    let topic = outcomes[0].1.as_ref().unwrap();
    let leaders: Vec<_> = topic.partitions.iter().map(|each| (each.partition, each.leader)).collect();
    assert_eq!(leaders, [(0, Some(BrokerId(1))), (1, None)]);
    let refusal = outcomes[1].1.as_ref().unwrap_err();
    assert_eq!((&*outcomes[1].0, refusal.code), ("missing", ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test]
async fn a_new_topic_leaves_defaults_to_the_broker() {
    let admin = admin(|asked| {
        if asked.key() != ApiKey::CreateTopics {
            return None;
        }
        let request = asked.body::<CreateTopicsRequest>();
        let topic = &request.topics[0];
        assert_eq!((topic.num_partitions, topic.replication_factor), (-1, -1));
        assert_eq!(topic.assignments[1].partition_index, 1);
        assert_eq!(topic.configs[0].value.as_ref().unwrap(), "5");
        let result = CreatableTopicResult {
            name: topic.name.clone(),
            error_code: ErrorCode::TopicAlreadyExists as i16,
            error_message: Some("Topic 'n' already exists.".into()),
            ..CreatableTopicResult::default()
        };
        Some(asked.answer(&CreateTopicsResponse { topics: vec![result], ..Default::default() }))
    })
    .await;
    let topic = NewTopic {
        name: "n".to_owned(),
        assignment: vec![vec![BrokerId(1)], vec![BrokerId(2)]],
        configs: [("retention.ms".to_owned(), "5".to_owned())].into(),
        ..NewTopic::default()
    };
    let outcomes = admin.create_topics(&[topic], Duration::from_secs(1), false).await.unwrap();
    assert_eq!(outcomes[0].1.as_ref().unwrap_err().to_string(), "Topic 'n' already exists.");
}

#[tokio::test(start_paused = true)]
async fn offsets_are_asked_again_until_the_leader_answers() {
    let rounds = Arc::new(AtomicI32::new(0));
    let counted = rounds.clone();
    let admin = admin(move |asked| {
        (asked.key() == ApiKey::ListOffsets).then(|| {
            let round = counted.fetch_add(1, Ordering::SeqCst);
            let error_code = if round < 2 { ErrorCode::NotLeaderOrFollower as i16 } else { 0 };
            let partition = ListOffsetsPartitionResponse { error_code, offset: 42, ..Default::default() };
            let topic = ListOffsetsTopicResponse { name: "t".into(), partitions: vec![partition] };
            asked.answer(&ListOffsetsResponse { topics: vec![topic], ..Default::default() })
        })
    })
    .await;
    let wanted = [
        (TopicPartition::new("t", 0), OffsetSpec::Latest),
        (TopicPartition::new("t", 1), OffsetSpec::Latest),
        (TopicPartition::new("t", 7), OffsetSpec::Latest),
    ];
    let found = admin.list_offsets(&wanted.into(), Isolation::ReadUncommitted).await.unwrap();
    assert_eq!(found[&TopicPartition::new("t", 0)].as_ref().unwrap().offset, Offset(42));
    assert_eq!(rounds.load(Ordering::SeqCst), 3, "settled partitions are not asked again");
    let codes: Vec<_> = found.values().filter_map(|each| each.as_ref().err()).map(|refusal| refusal.code).collect();
    assert_eq!(codes, [ErrorCode::LeaderNotAvailable, ErrorCode::UnknownTopicOrPartition], "after the time was up");
}

#[tokio::test]
async fn a_refused_description_is_an_error_with_the_brokers_words() {
    let admin = admin(|asked| {
        (asked.key() == ApiKey::DescribeConfigs).then(|| {
            let error_message = Some("Unexpected broker id".into());
            let result = DescribeConfigsResult { error_code: 42, error_message, ..Default::default() };
            asked.answer(&DescribeConfigsResponse { results: vec![result], ..Default::default() })
        })
    })
    .await;
    let error = admin.describe_configs(&ConfigResource::Broker(BrokerId(1)), None, true, false).await.unwrap_err();
    assert_eq!(error.to_string(), "DescribeConfigs: Unexpected broker id");
    assert_eq!(error.code(), Some(ErrorCode::InvalidRequest));
}
