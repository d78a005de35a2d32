//! Whole runs of tools against a broker in memory that keeps what it is sent: what they print, and how they end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use bytes::{BufMut, Bytes, BytesMut};
use client::transport::{BindOptions, MemNetwork, Network, Stream};
use storage::batch::Batches;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use wire::api_versions::{ApiVersion, ApiVersionsResponse};
use wire::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};
use wire::describe_cluster::{DescribeClusterBroker, DescribeClusterResponse};
use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult,
};
use wire::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use wire::init_producer_id::InitProducerIdResponse;
use wire::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use wire::list_partition_reassignments::ListPartitionReassignmentsResponse;
use wire::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use wire::produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse};
use wire::{ApiKey, Budget, ErrorCode, Message, Request, RequestHeader};

use crate::terminal::testing::terminal;

const ADDRESS: &str = "127.0.0.1:9092";

/// Topics by name, each with one log: batches with their base offsets.
type Logs = BTreeMap<String, Vec<Bytes>>;

/// A broker on a thread of its own.
struct Broker {
    network: Arc<MemNetwork>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    fn start(topics: &[&str]) -> Broker {
        let network = Arc::new(MemNetwork::default());
        let logs: Logs = topics.iter().map(|topic| ((*topic).to_owned(), Vec::new())).collect();
        let (stop, stopped) = oneshot::channel();
        let (tell, ready) = mpsc::channel();
        let thread = {
            let network = network.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let acceptor = network.bind(ADDRESS.parse().unwrap(), &BindOptions::default()).await.unwrap();
                    tell.send(()).unwrap();
                    let logs = Arc::new(Mutex::new(logs));
                    let serve_all = async {
                        while let Ok((stream, _)) = acceptor.accept().await {
                            tokio::spawn(serve(stream, logs.clone()));
                        }
                    };
                    tokio::select! { () = serve_all => {}, _ = stopped => {} }
                });
            })
        };
        ready.recv().unwrap();
        Broker { network, stop: Some(stop), thread: Some(thread) }
    }

    /// Standard output, standard error and the status of a tool that is pointed at this broker.
    fn run(&self, tool: &str, arguments: &str, input: &str) -> (String, String, u8) {
        let (mut terminal, out, err) = terminal(input);
        terminal.network = self.network.clone();
        let words = ["--bootstrap-server", ADDRESS].into_iter().chain(arguments.split_whitespace());
        let arguments: Vec<String> = words.map(str::to_owned).collect();
        let tool = crate::find(tool).unwrap();
        let status = crate::finish((tool.run)(&arguments, &mut terminal), Some(tool), &mut terminal);
        (out.take(), err.take(), status)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(mut stream: Box<dyn Stream>, logs: Arc<Mutex<Logs>>) {
    while let Ok(size) = stream.read_i32().await {
        let mut frame = vec![0; size as usize];
        stream.read_exact(&mut frame).await.unwrap();
        let frame = Bytes::from(frame);
        let header = RequestHeader::decode(&mut wire::Reader::new(&frame, Budget::for_frame(frame.len()))).unwrap();
        let reply = answer(&header, &frame, &mut logs.lock().unwrap());
        stream.write_all(&reply).await.unwrap();
    }
}

fn body<R: Request>(frame: &Bytes) -> R {
    wire::decode_request::<R>(frame, Budget::for_frame(frame.len())).unwrap().1
}

fn answer(header: &RequestHeader, frame: &Bytes, logs: &mut Logs) -> Bytes {
    match header.key().unwrap() {
        ApiKey::ApiVersions => encode(header, &all_versions()),
        ApiKey::Metadata => encode(header, &metadata(&body(frame), logs)),
        ApiKey::DescribeCluster => {
            let brokers = vec![DescribeClusterBroker { broker_id: 1, ..DescribeClusterBroker::default() }];
            encode(header, &DescribeClusterResponse { brokers, controller_id: 1, ..Default::default() })
        }
        ApiKey::DescribeConfigs => encode(header, &configs(&body(frame))),
        ApiKey::ListPartitionReassignments => encode(header, &ListPartitionReassignmentsResponse::default()),
        ApiKey::CreateTopics => encode(header, &create(&body(frame), logs)),
        ApiKey::ListOffsets => encode(header, &offsets(&body(frame), logs)),
        ApiKey::InitProducerId => encode(header, &InitProducerIdResponse { producer_id: 7, ..Default::default() }),
        ApiKey::Produce => encode(header, &produce(&body(frame), logs)),
        ApiKey::Fetch => encode(header, &fetch(&body(frame), logs)),
        other => panic!("no answer to {other}"),
    }
}

fn encode<M: Message>(header: &RequestHeader, response: &M) -> Bytes {
    let key = header.key().unwrap();
    wire::encode_response(key, header.api_version, header.correlation_id, response).unwrap().into_bytes().unwrap()
}

fn all_versions() -> ApiVersionsResponse {
    let range = |key: &ApiKey| {
        let versions = key.versions();
        ApiVersion { api_key: key.code(), min_version: versions.min, max_version: versions.max }
    };
    ApiVersionsResponse { api_keys: ApiKey::ALL.iter().map(range).collect(), ..Default::default() }
}

fn metadata(request: &MetadataRequest, logs: &Logs) -> MetadataResponse {
    let wanted: Vec<String> = match &request.topics {
        Some(topics) => {
            topics.iter().filter_map(|topic| topic.name.as_ref().map(|name| name.as_str().to_owned())).collect()
        }
        None => logs.keys().cloned().collect(),
    };
    let topic = |name: &String| {
        let known = logs.contains_key(name);
        let partition = MetadataResponsePartition {
            leader_id: 1,
            replica_nodes: vec![1],
            isr_nodes: vec![1],
            ..MetadataResponsePartition::default()
        };
        MetadataResponseTopic {
            name: Some(name.as_str().into()),
            error_code: if known { 0 } else { ErrorCode::UnknownTopicOrPartition as i16 },
            partitions: if known { vec![partition] } else { Vec::new() },
            ..MetadataResponseTopic::default()
        }
    };
    let broker = MetadataResponseBroker { node_id: 1, host: "127.0.0.1".into(), port: 9092, ..Default::default() };
    MetadataResponse {
        brokers: vec![broker],
        controller_id: 1,
        topics: wanted.iter().map(topic).collect(),
        ..MetadataResponse::default()
    }
}

fn configs(request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    let entry = |(name, value, config_source): (&str, &str, i8)| DescribeConfigsResourceResult {
        name: name.into(),
        value: Some(value.into()),
        config_source,
        ..DescribeConfigsResourceResult::default()
    };
    let entries = [("segment.bytes", "1000", 4), ("retention.ms", "5", 1), ("min.insync.replicas", "1", 5)];
    let result = DescribeConfigsResult {
        resource_name: request.resources[0].resource_name.clone(),
        resource_type: 2,
        configs: entries.into_iter().map(entry).collect(),
        ..DescribeConfigsResult::default()
    };
    DescribeConfigsResponse { results: vec![result], ..Default::default() }
}

fn create(request: &CreateTopicsRequest, logs: &mut Logs) -> CreateTopicsResponse {
    let name = &request.topics[0].name;
    let there = logs.contains_key(name.as_str());
    logs.entry(name.as_str().to_owned()).or_default();
    let result = CreatableTopicResult {
        name: name.clone(),
        error_code: if there { ErrorCode::TopicAlreadyExists as i16 } else { 0 },
        error_message: there.then(|| format!("Topic '{}' already exists.", name.as_str()).as_str().into()),
        ..CreatableTopicResult::default()
    };
    CreateTopicsResponse { topics: vec![result], ..Default::default() }
}

fn end_of(log: &[Bytes]) -> i64 {
    log.last().map_or(0, |bytes| Batches::new(bytes.clone()).next().unwrap().unwrap().header.next_offset())
}

fn offsets(request: &ListOffsetsRequest, logs: &Logs) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let end = end_of(&logs[topic.name.as_str()]);
        let partitions = topic.partitions.iter().map(|partition| ListOffsetsPartitionResponse {
            partition_index: partition.partition_index,
            offset: if partition.timestamp == -2 { 0 } else { end },
            ..ListOffsetsPartitionResponse::default()
        });
        ListOffsetsTopicResponse { name: topic.name.clone(), partitions: partitions.collect() }
    });
    ListOffsetsResponse { topics: topics.collect(), ..Default::default() }
}

fn produce(request: &ProduceRequest, logs: &mut Logs) -> ProduceResponse {
    let topics = request.topic_data.iter().map(|topic| {
        let log = logs.get_mut(topic.name.as_str()).unwrap();
        let partitions = topic.partition_data.iter().map(|partition| {
            let base_offset = end_of(log);
            let sent = partition.records.bytes().unwrap();
            // The base offset stands in front of what the checksum covers.
            let mut stored = BytesMut::new();
            stored.put_i64(base_offset);
            stored.put_slice(&sent[8..]);
            log.push(stored.freeze());
            PartitionProduceResponse { index: partition.index, base_offset, ..Default::default() }
        });
        TopicProduceResponse { name: topic.name.clone(), partition_responses: partitions.collect() }
    });
    ProduceResponse { responses: topics.collect(), ..Default::default() }
}

fn fetch(request: &FetchRequest, logs: &Logs) -> FetchResponse {
    let topics = request.topics.iter().map(|topic| {
        let log = &logs[topic.topic.as_str()];
        let partitions = topic.partitions.iter().map(|partition| {
            let wanted = |bytes: &&Bytes| end_of(std::slice::from_ref(*bytes)) > partition.fetch_offset;
            let records: Vec<u8> = log.iter().filter(wanted).flat_map(|bytes| bytes.to_vec()).collect();
            let end = end_of(log);
            PartitionData {
                partition_index: partition.partition,
                high_watermark: end,
                last_stable_offset: end,
                records: Bytes::from(records).into(),
                ..PartitionData::default()
            }
        });
        FetchableTopicResponse { topic: topic.topic.clone(), partitions: partitions.collect(), ..Default::default() }
    });
    FetchResponse { responses: topics.collect(), ..Default::default() }
}

fn check(broker: &Broker, tool: &str, arguments: &str, input: &str, want: (&str, &str, u8)) {
    let (out, err, status) = broker.run(tool, arguments, input);
    assert_eq!((out.as_str(), err.as_str(), status), want, "{tool} {arguments}");
}

#[test]
fn topics_are_created_listed_and_described() {
    let broker = Broker::start(&["orders", "__consumer_offsets"]);
    check(&broker, "topics", "--create --topic new", "", ("Created topic new.\n", "", 0));
    let exists = "Error while executing topic command : Topic 'new' already exists.\n";
    check(&broker, "topics", "--create --topic new", "", (exists, "", 1));
    check(&broker, "topics", "--create --topic new --if-not-exists", "", ("", "", 0));
    check(&broker, "topics", "--list", "", ("__consumer_offsets\nnew\norders\n", "", 0));
    check(&broker, "topics", "--list --exclude-internal --topic n.*,ord", "", ("new\n", "", 0));
    let described = "Topic: orders\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: \
                     segment.bytes=1000,retention.ms=5\n\tTopic: orders\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: \
                     1\tElr: N/A\tLastKnownElr: N/A\n";
    check(&broker, "topics", "--describe --topic orders", "", (described, "", 0));
    let partition = "\tTopic: orders\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: N/A\tLastKnownElr: N/A\n";
    check(&broker, "topics", "--describe --topic orders --at-min-isr-partitions", "", (partition, "", 0));
    check(&broker, "topics", "--describe --topic orders --under-replicated-partitions", "", ("", "", 0));
    let missing = "Error while executing topic command : Topic 'Optional[nix]' does not exist as expected\n";
    check(&broker, "topics", "--describe --topic nix", "", (missing, "", 1));
    check(&broker, "topics", "--delete --topic nix --if-exists", "", ("", "", 0));
}

#[test]
fn lines_come_back() {
    let broker = Broker::start(&["lines"]);
    let lines: String = (0..3000).map(|number| format!("line {number}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let arguments = format!("--topic lines --compression-codec {codec} --timeout 0");
        check(&broker, "console-producer", &arguments, &lines, ("", "", 0));
    }
    check(&broker, "get-offsets", "--topic lines", "", ("lines:0:15000\n", "", 0));
    check(&broker, "get-offsets", "--topic lines --time earliest", "", ("lines:0:0\n", "", 0));
    let all = "--topic lines --partition 0 --from-beginning --max-messages 15000";
    let counted = "Processed a total of 15000 messages\n";
    check(&broker, "console-consumer", all, "", (&lines.repeat(5), counted, 0));
    let some = "--topic lines --partition 0 --offset 2999 --max-messages 2 --property print.offset=true";
    let want = "Offset:2999\tline 2999\nOffset:3000\tline 0\n";
    check(&broker, "console-consumer", some, "", (want, "Processed a total of 2 messages\n", 0));
}

#[test]
fn keys_headers_and_nothing_come_back() {
    let broker = Broker::start(&["t"]);
    let properties = "--property parse.key=true --property parse.headers=true --property null.marker=NULL";
    let lines = "h:1,g:NULL\tk\tv\nNULL\tNULL\tNULL\n";
    check(&broker, "console-producer", &format!("--topic t --sync {properties}"), lines, ("", "", 0));
    let read = "--topic t --partition 0 --from-beginning --max-messages 2 --property print.key=true --property \
                print.headers=true --property null.literal=-";
    let want = "h:1,g:-\tk\tv\nNO_HEADERS\t-\t-\n";
    check(&broker, "console-consumer", read, "", (want, "Processed a total of 2 messages\n", 0));
    let wrong = "org.apache.kafka.common.KafkaException: No headers delimiter found on line number 1: 'x'\n";
    check(&broker, "console-producer", &format!("--topic t {properties}"), "x\n", ("", wrong, 1));
}

#[test]
fn the_end_of_patience_is_no_failure() {
    let broker = Broker::start(&["t"]);
    let told = "ERROR Error processing message, terminating consumer process: \
                org.apache.kafka.common.errors.TimeoutException\nProcessed a total of 0 messages\n";
    let read = "--topic t --partition 0 --timeout-ms 100";
    check(&broker, "console-consumer", read, "", ("", told, 0));
}

#[test]
fn versions_are_told_for_every_broker() {
    let broker = Broker::start(&[]);
    let (out, err, status) = broker.run("broker-api-versions", "", "");
    assert!(out.starts_with("127.0.0.1:9092 (id: 1 rack: null) -> (\n\tProduce(0): 0 to 11 [usable: 11],\n"), "{out}");
    assert!(out.contains("\tDescribeTopicPartitions(75): UNSUPPORTED,\n"), "{out}");
    assert_eq!((err.as_str(), status), ("", 0));
}
