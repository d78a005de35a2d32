//! Producers against a scripted broker that keeps what it is sent.

use std::collections::HashSet;

use storage::batch::{Batch, Batches};
use wire::init_producer_id::InitProducerIdResponse;
use wire::metadata::{MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use wire::produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse};
use world::clock::ManualClock;

use super::*;
use crate::cluster::ClusterOptions;
use crate::testing::{Asked, Reply, broker};
use crate::transport::MemNetwork;

/// What the broker does with the n-th Produce request.
#[derive(Clone, Copy)]
enum Act {
    /// Appends and answers.
    Take,
    /// Answers this code without appending.
    Refuse(ErrorCode),
    /// Appends and closes the connection before it answers.
    TakeAndClose,
}

/// The values of one partition's log, each with producer id and sequence.
type Log = Vec<(String, i64, i32)>;

#[derive(Default)]
struct Node {
    produced: usize,
    ids: i64,
    logs: HashMap<i32, Log>,
}

impl Node {
    fn append(&mut self, partition: i32, batch: &Batch) -> ErrorCode {
        let header = batch.header;
        let log = self.logs.entry(partition).or_default();
        let of_producer = log.iter().filter(|(_, id, _)| *id == header.producer_id);
        let expected = of_producer.map(|(_, _, sequence)| sequence + 1).next_back().unwrap_or(0);
        if header.producer_id >= 0 && header.base_sequence < expected {
            return ErrorCode::DuplicateSequenceNumber;
        }
        if header.producer_id >= 0 && header.base_sequence > expected {
            return ErrorCode::OutOfOrderSequenceNumber;
        }
        for (index, record) in (0..).zip(batch.records(1 << 20).unwrap()) {
            let text = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            log.push((text, header.producer_id, header.base_sequence + index));
        }
        ErrorCode::None
    }

    fn produce(&mut self, asked: &Asked, acts: &[Act]) -> Reply {
        let act = acts.get(self.produced).copied().unwrap_or(Act::Take);
        self.produced += 1;
        let request = asked.body::<ProduceRequest>();
        let mut responses = Vec::new();
        for topic in &request.topic_data {
            let mut partition_responses = Vec::new();
            for data in &topic.partition_data {
                let batch = Batches::new(data.records.bytes().unwrap().clone()).next().unwrap().unwrap();
                batch.check_crc().unwrap();
                let base_offset = self.logs.get(&data.index).map_or(0, Vec::len) as i64;
                let code = match act {
                    Act::Refuse(code) => code,
                    Act::Take | Act::TakeAndClose => self.append(data.index, &batch),
                };
                let error_code = code as i16;
                partition_responses.push(PartitionProduceResponse {
                    index: data.index,
                    error_code,
                    base_offset,
                    ..PartitionProduceResponse::default()
                });
            }
            responses.push(TopicProduceResponse { name: topic.name.clone(), partition_responses });
        }
        match act {
            Act::TakeAndClose => Reply::Close,
            _ if request.acks == 0 => Reply::Silence,
            _ => asked.answer(&ProduceResponse { responses, ..ProduceResponse::default() }),
        }
    }
}

fn metadata(asked: &Asked, partitions: i32) -> Reply {
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        ..MetadataResponsePartition::default()
    };
    let topic = MetadataResponseTopic {
        name: Some("t".into()),
        partitions: (0..partitions).map(partition).collect(),
        ..MetadataResponseTopic::default()
    };
    asked.answer(&MetadataResponse {
        brokers: vec![MetadataResponseBroker { node_id: 1, host: "b".into(), port: 9001, ..Default::default() }],
        topics: vec![topic],
        ..MetadataResponse::default()
    })
}

async fn start(partitions: i32, options: ProducerOptions, acts: &'static [Act]) -> (Producer, Arc<Mutex<Node>>) {
    let network = MemNetwork::default();
    let node = Arc::new(Mutex::new(Node::default()));
    let inside = node.clone();
    let script = move |asked: &Asked| {
        let mut node = inside.lock().unwrap();
        match asked.key() {
            ApiKey::Metadata => Some(metadata(asked, partitions)),
            ApiKey::InitProducerId => {
                node.ids += 1;
                let producer_id = node.ids;
                Some(asked.answer(&InitProducerIdResponse { producer_id, ..Default::default() }))
            }
            ApiKey::Produce => Some(node.produce(asked, acts)),
            _ => None,
        }
    };
    let address = broker(&network, "127.0.0.1:9001", script).await;
    let cluster_options = ClusterOptions { connection: crate::testing::options(), ..ClusterOptions::default() };
    let cluster = Cluster::connect(Arc::new(network), &address, cluster_options).await.unwrap();
    (Producer::new(cluster, options, Arc::new(ManualClock::new(5))).unwrap(), node)
}

fn record(value: &str, partition: Option<i32>) -> ProducerRecord {
    ProducerRecord {
        topic: "t".into(),
        partition,
        key: None,
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
        timestamp: None,
    }
}

/// Sends 200 numbered records to one partition and answers its log.
async fn send_200(options: ProducerOptions, acts: &'static [Act]) -> (Vec<String>, HashSet<i64>) {
    let (producer, node) = start(1, options, acts).await;
    let mut deliveries = Vec::new();
    for number in 0..200 {
        deliveries.push(producer.send(record(&number.to_string(), Some(0))).await.unwrap());
    }
    producer.flush().await;
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    let node = node.lock().unwrap();
    let log = &node.logs[&0];
    (log.iter().map(|(text, _, _)| text.clone()).collect(), log.iter().map(|(_, id, _)| *id).collect())
}

fn small_batches() -> ProducerOptions {
    ProducerOptions { batch_bytes: 300, ..ProducerOptions::default() }
}

fn numbers() -> Vec<String> {
    (0..200).map(|number: i32| number.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_record_arrives_once_and_in_order_whatever_is_repeated() {
    let (log, ids) = send_200(small_batches(), &[]).await;
    assert_eq!((log, ids.len()), (numbers(), 1));
    let acts = &[
        Act::Take,
        Act::TakeAndClose,
        Act::Take,
        Act::Refuse(ErrorCode::NotLeaderOrFollower),
        Act::TakeAndClose,
        Act::Take,
        Act::Refuse(ErrorCode::UnknownProducerId),
        Act::Refuse(ErrorCode::NotEnoughReplicas),
    ];
    let (log, ids) = send_200(small_batches(), acts).await;
    assert_eq!(log, numbers());
    assert_eq!(ids.len(), 2, "a new producer id where the broker had forgotten the first");
}

#[tokio::test(start_paused = true)]
async fn without_idempotence_a_lost_answer_repeats_records() {
    let options = ProducerOptions { idempotent: false, ..small_batches() };
    let (log, _) = send_200(options, &[Act::TakeAndClose]).await;
    let distinct: HashSet<_> = log.iter().collect();
    assert_eq!(distinct.len(), 200);
    assert!(log.len() > 200);
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_lost_and_the_next_one_arrives() {
    let (producer, node) = start(1, small_batches(), &[Act::Refuse(ErrorCode::MessageTooLarge)]).await;
    let lost = producer.send(record("a", Some(0))).await.unwrap().await.unwrap_err();
    assert_eq!(lost.code(), Some(ErrorCode::MessageTooLarge));
    let kept = producer.send(record("b", Some(0))).await.unwrap().await.unwrap();
    assert_eq!((kept.offset, kept.partition.partition), (Offset(0), 0));
    assert_eq!(node.lock().unwrap().logs[&0], [("b".to_owned(), 1, 0)], "the sequence was not used up");
}

#[tokio::test(start_paused = true)]
async fn a_record_is_given_up_in_time() {
    let acts: &[Act] = &[Act::Refuse(ErrorCode::NotEnoughReplicas); 100];
    let options = ProducerOptions { delivery_timeout: Duration::from_secs(1), ..small_batches() };
    let (producer, _) = start(1, options, acts).await;
    let lost = producer.send(record("a", Some(0))).await.unwrap().await.unwrap_err();
    assert_eq!(lost.code(), Some(ErrorCode::NotEnoughReplicas));
}

#[tokio::test(start_paused = true)]
async fn acks_0_does_not_wait() {
    let options = ProducerOptions { acks: 0, idempotent: false, ..ProducerOptions::default() };
    let (producer, _) = start(1, options, &[]).await;
    let delivered = producer.send(record("a", None)).await.unwrap().await.unwrap();
    assert_eq!(delivered.offset, Offset::NONE);
    let contradiction = ProducerOptions { acks: 1, ..ProducerOptions::default() };
    let cluster = producer.shared.cluster.clone();
    assert!(Producer::new(cluster, contradiction, Arc::new(ManualClock::new(0))).is_err());
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded() {
    let acts: &[Act] = &[Act::Refuse(ErrorCode::NotEnoughReplicas); 1000];
    let options = ProducerOptions { buffer_bytes: 100, max_block: Duration::from_secs(1), ..small_batches() };
    let (producer, _) = start(1, options, acts).await;
    let _first = producer.send(record("a", Some(0))).await.unwrap();
    let _second = producer.send(record("b", Some(0))).await.unwrap();
    let error = producer.send(record("c", Some(0))).await.unwrap_err();
    assert!(error.to_string().starts_with("room for the record was not done within 1000 ms"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn records_with_a_key_stay_together_and_others_spread() {
    let (producer, node) = start(4, small_batches(), &[]).await;
    for number in 0..200 {
        let mut keyed = record(&number.to_string(), None);
        keyed.key = Some(Bytes::from_static(b"21"));
        producer.send(keyed).await.unwrap();
    }
    producer.flush().await;
    let of_key = partition_for_key(b"21", 4).unwrap();
    assert_eq!(node.lock().unwrap().logs.keys().copied().collect::<Vec<_>>(), [of_key]);
    for number in 0..200 {
        producer.send(record(&number.to_string(), None)).await.unwrap();
    }
    producer.close().await;
    let node = node.lock().unwrap();
    assert!(node.logs.len() > 1, "batch after batch goes elsewhere");
    assert_eq!(node.logs.values().map(Vec::len).sum::<usize>(), 400);
}
