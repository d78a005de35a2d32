//! Consumers against a scripted broker that has a log of numbered records and one group.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use storage::batch::BatchBuilder;
use wire::fetch::FetchableTopicResponse;
use wire::find_coordinator::FindCoordinatorResponse;
use wire::heartbeat::HeartbeatResponse;
use wire::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use wire::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use wire::metadata::{MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use wire::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use wire::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use wire::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::*;
use crate::cluster::ClusterOptions;
use crate::testing::{Asked, Reply, broker, options};
use crate::transport::MemNetwork;

/// Topic `t`, two partitions, records 10 to 29 in each, batches of five.
#[derive(Default)]
struct Node {
    /// Error codes for the next fetches, the last first.
    fetch_errors: Mutex<Vec<ErrorCode>>,
    committed: Mutex<BTreeMap<i32, i64>>,
    generation: Mutex<i32>,
    heartbeat_error: Mutex<ErrorCode>,
    /// Answers of metadata that do not know the topic yet.
    unknown: AtomicUsize,
    joins: AtomicUsize,
    left: AtomicUsize,
}

const START: i64 = 10;
const END: i64 = 30;

impl Node {
    fn answer(&self, asked: &Asked) -> Option<Reply> {
        Some(match asked.key() {
            ApiKey::ApiVersions => return None,
            ApiKey::Metadata => {
                let unknown = self.unknown.load(Ordering::SeqCst);
                self.unknown.store(unknown.saturating_sub(1), Ordering::SeqCst);
                asked.answer(&metadata(unknown == 0))
            }
            ApiKey::ListOffsets => asked.answer(&list_offsets(&asked.body())),
            ApiKey::Fetch => {
                let response = self.fetch(&asked.body());
                let mut partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
                let empty = partitions.all(|data| data.error_code == 0 && data.records.is_empty());
                match asked.answer(&response) {
                    Reply::Bytes(bytes) if empty => Reply::Later(Duration::from_millis(500), bytes),
                    reply => reply,
                }
            }
            ApiKey::FindCoordinator => asked.answer(&FindCoordinatorResponse {
                node_id: 1,
                host: "b".into(),
                port: 9001,
                error_message: None,
                ..Default::default()
            }),
            ApiKey::JoinGroup => asked.answer(&self.join(&asked.body())),
            ApiKey::SyncGroup => {
                let request = asked.body::<SyncGroupRequest>();
                let own = request.assignments.iter().find(|each| each.member_id == request.member_id);
                let assignment = own.map(|each| each.assignment.clone()).unwrap_or_default();
                asked.answer(&SyncGroupResponse { assignment, ..Default::default() })
            }
            ApiKey::Heartbeat => {
                let code = std::mem::take(&mut *self.heartbeat_error.lock().unwrap());
                asked.answer(&HeartbeatResponse { error_code: code as i16, ..Default::default() })
            }
            ApiKey::LeaveGroup => {
                assert_eq!(asked.body::<LeaveGroupRequest>().members[0].member_id, "m-1");
                self.left.fetch_add(1, Ordering::SeqCst);
                asked.answer(&LeaveGroupResponse::default())
            }
            ApiKey::OffsetCommit => {
                let request = asked.body::<OffsetCommitRequest>();
                for partition in &request.topics[0].partitions {
                    let committed = &mut *self.committed.lock().unwrap();
                    committed.insert(partition.partition_index, partition.committed_offset);
                }
                asked.answer(&OffsetCommitResponse::default())
            }
            ApiKey::OffsetFetch => asked.answer(&self.offsets(&asked.body())),
            other => panic!("{other} was not expected"),
        })
    }

    fn join(&self, request: &JoinGroupRequest) -> JoinGroupResponse {
        if request.member_id.is_empty() {
            let error_code = ErrorCode::MemberIdRequired as i16;
            return JoinGroupResponse { error_code, member_id: "m-1".into(), ..Default::default() };
        }
        self.joins.fetch_add(1, Ordering::SeqCst);
        let mut generation = self.generation.lock().unwrap();
        *generation += 1;
        JoinGroupResponse {
            generation_id: *generation,
            protocol_name: Some("range".into()),
            leader: "m-1".into(),
            member_id: "m-1".into(),
            members: vec![JoinGroupResponseMember {
                member_id: "m-1".into(),
                group_instance_id: None,
                metadata: request.protocols[0].metadata.clone(),
            }],
            ..Default::default()
        }
    }

    fn offsets(&self, request: &OffsetFetchRequest) -> OffsetFetchResponse {
        let committed = self.committed.lock().unwrap();
        let partition = |index: &i32| OffsetFetchResponsePartition {
            partition_index: *index,
            committed_offset: committed.get(index).copied().unwrap_or(-1),
            ..Default::default()
        };
        let topic = |topic: &wire::offset_fetch::OffsetFetchRequestTopic| OffsetFetchResponseTopic {
            name: topic.name.clone(),
            partitions: topic.partition_indexes.iter().map(partition).collect(),
        };
        let topics = request.topics.iter().flatten().map(topic).collect();
        OffsetFetchResponse { topics, ..Default::default() }
    }

    fn fetch(&self, request: &FetchRequest) -> FetchResponse {
        let error = self.fetch_errors.lock().unwrap().pop().unwrap_or(ErrorCode::None);
        let partition = |asked: &FetchPartition| {
            let inside = (START..=END).contains(&asked.fetch_offset);
            let code = if inside { error } else { ErrorCode::OffsetOutOfRange };
            let records = if code == ErrorCode::None { batch_at(asked.fetch_offset) } else { Bytes::new() };
            PartitionData {
                partition_index: asked.partition,
                error_code: code as i16,
                records: Records::Bytes(records),
                aborted_transactions: None,
                ..Default::default()
            }
        };
        let topic = |asked: &FetchTopic| FetchableTopicResponse {
            topic: asked.topic.clone(),
            partitions: asked.partitions.iter().map(partition).collect(),
            ..Default::default()
        };
        FetchResponse { responses: request.topics.iter().map(topic).collect(), ..Default::default() }
    }
}

/// The batch of five that holds this offset, from its own beginning.
fn batch_at(offset: i64) -> Bytes {
    if offset >= END {
        return Bytes::new();
    }
    let base = offset - offset % 5;
    let mut builder = BatchBuilder::new().base_offset(base);
    for offset in base..base + 5 {
        builder.append(1, None, Some(offset.to_string().as_bytes()), &[]);
    }
    builder.build().unwrap()
}

fn metadata(topic_known: bool) -> MetadataResponse {
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        ..MetadataResponsePartition::default()
    };
    let topic = MetadataResponseTopic {
        error_code: if topic_known { 0 } else { ErrorCode::UnknownTopicOrPartition as i16 },
        name: Some("t".into()),
        partitions: if topic_known { vec![partition(0), partition(1)] } else { Vec::new() },
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        brokers: vec![MetadataResponseBroker { node_id: 1, host: "b".into(), port: 9001, ..Default::default() }],
        topics: vec![topic],
        ..MetadataResponse::default()
    }
}

fn list_offsets(request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let partition = |asked: &wire::list_offsets::ListOffsetsPartition| ListOffsetsPartitionResponse {
        partition_index: asked.partition_index,
        offset: if asked.timestamp == -2 { START } else { END },
        ..Default::default()
    };
    let topic = |asked: &wire::list_offsets::ListOffsetsTopic| ListOffsetsTopicResponse {
        name: asked.name.clone(),
        partitions: asked.partitions.iter().map(partition).collect(),
    };
    ListOffsetsResponse { topics: request.topics.iter().map(topic).collect(), ..Default::default() }
}

async fn start(consumer_options: ConsumerOptions) -> (Consumer, Arc<Node>) {
    let network = MemNetwork::default();
    let node = Arc::new(Node::default());
    let inside = node.clone();
    let address = broker(&network, "127.0.0.1:9001", move |asked| inside.answer(asked)).await;
    let cluster_options = ClusterOptions { connection: options(), ..ClusterOptions::default() };
    let cluster = Cluster::connect(Arc::new(network), &address, cluster_options).await.unwrap();
    (Consumer::new(cluster, consumer_options), node)
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("t", number)
}

/// Polls until nothing comes any more; the offsets by partition.
async fn drain(consumer: &mut Consumer) -> BTreeMap<i32, Vec<i64>> {
    let mut seen: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    loop {
        let records = consumer.poll(Duration::from_secs(1)).await.unwrap();
        if records.is_empty() {
            return seen;
        }
        for record in records {
            assert_eq!(record.value.unwrap(), record.offset.to_string());
            seen.entry(record.partition.partition).or_default().push(record.offset.0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_assigned_by_hand_are_read_from_where_they_should() {
    let (mut consumer, _) = start(ConsumerOptions { max_poll_records: 3, ..Default::default() }).await;
    consumer.assign([(partition(0), Start::Earliest), (partition(1), Start::At(Offset(27)))]);
    let seen = drain(&mut consumer).await;
    assert_eq!(seen[&0], (10..30).collect::<Vec<_>>());
    assert_eq!(seen[&1], [27, 28, 29]);
    consumer.seek(&partition(0), Start::At(Offset(28)));
    assert_eq!(drain(&mut consumer).await[&0], [28, 29]);
    consumer.assign([(partition(0), Start::Latest)]);
    assert!(drain(&mut consumer).await.is_empty());
    assert_eq!(consumer.position(&partition(0)), Some(Offset(END)));
}

#[tokio::test(start_paused = true)]
async fn a_position_outside_of_the_log_is_reset_or_an_error() {
    let earliest = ConsumerOptions { reset: OffsetReset::Earliest, ..Default::default() };
    let (mut consumer, _) = start(earliest).await;
    consumer.assign([(partition(0), Start::At(Offset(3)))]);
    assert_eq!(drain(&mut consumer).await[&0].len(), 20);
    let (mut consumer, _) = start(ConsumerOptions { reset: OffsetReset::None, ..Default::default() }).await;
    consumer.assign([(partition(0), Start::At(Offset(3)))]);
    let error = consumer.poll(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "Fetch position 3 is out of range for partition t-0");
}

#[tokio::test(start_paused = true)]
async fn a_moved_leader_is_found_again() {
    let (mut consumer, node) = start(ConsumerOptions::default()).await;
    *node.fetch_errors.lock().unwrap() =
        vec![ErrorCode::FencedLeaderEpoch, ErrorCode::None, ErrorCode::NotLeaderOrFollower];
    consumer.assign([(partition(0), Start::Earliest)]);
    assert_eq!(drain(&mut consumer).await[&0], (10..30).collect::<Vec<_>>());
}

fn in_group() -> ConsumerOptions {
    ConsumerOptions { group_id: Some("g".to_owned()), reset: OffsetReset::Earliest, ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn a_group_member_reads_commits_leaves_and_its_successor_goes_on() {
    let (mut consumer, node) = start(ConsumerOptions { max_poll_records: 7, ..in_group() }).await;
    consumer.subscribe(Subscription::Topics(vec!["t".to_owned()])).unwrap();
    let first = consumer.poll(Duration::from_secs(5)).await.unwrap();
    assert_eq!(consumer.assignment(), [partition(0), partition(1)]);
    let cluster = consumer.admin.cluster().clone();
    consumer.close().await.unwrap();
    assert_eq!(node.left.load(Ordering::SeqCst), 1);
    let committed: i64 = node.committed.lock().unwrap().values().map(|offset| offset - START).sum();
    assert_eq!(committed, first.len() as i64, "what was handed out and no more");

    let mut consumer = Consumer::new(cluster, in_group());
    consumer.subscribe(Subscription::Matching(Arc::new(|name| name == "t"))).unwrap();
    let rest: usize = drain(&mut consumer).await.values().map(Vec::len).sum();
    assert_eq!(rest + first.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_is_followed_and_positions_survive_it() {
    let (mut consumer, node) = start(in_group()).await;
    consumer.subscribe(Subscription::Topics(vec!["t".to_owned()])).unwrap();
    assert_eq!(drain(&mut consumer).await.values().map(Vec::len).sum::<usize>(), 40);
    for code in [ErrorCode::RebalanceInProgress, ErrorCode::UnknownMemberId] {
        let before = node.joins.load(Ordering::SeqCst);
        *node.heartbeat_error.lock().unwrap() = code;
        for _ in 0..10 {
            assert_eq!(consumer.poll(Duration::from_secs(1)).await.unwrap(), []);
        }
        assert_eq!(node.joins.load(Ordering::SeqCst), before + 1, "{code:?}");
    }
    assert_eq!(node.committed.lock().unwrap().values().copied().collect::<Vec<_>>(), [END, END]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_comes_later_is_found_soon() {
    let (mut consumer, node) = start(in_group()).await;
    node.unknown.store(4, Ordering::SeqCst);
    consumer.subscribe(Subscription::Topics(vec!["t".to_owned()])).unwrap();
    let mut seen = 0;
    for _ in 0..20 {
        seen += consumer.poll(Duration::from_secs(1)).await.unwrap().len();
    }
    assert_eq!(seen, 40);
}

#[tokio::test]
async fn subscribing_needs_a_group() {
    let (mut consumer, _) = start(ConsumerOptions::default()).await;
    assert!(consumer.subscribe(Subscription::Topics(vec!["t".to_owned()])).is_err());
    assert!(consumer.commit().await.is_err());
}
