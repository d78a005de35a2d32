//! Records in every format and codec, whole and broken, produced to a Java broker and to ours in the same requests: the
//! answers must be the same, and so must what can be fetched afterwards, in every format that a consumer may ask for. Both
//! brokers run at inter-broker protocol 2.8, so that topics can be kept in old formats.
//!
//! Requests are drawn from a seed; `KLAMM_TEST_SEED` and `KLAMM_TEST_CASES` choose others. Bytes are compared where they are
//! determined: compressed ones depend on the encoder, and their records are compared instead.
#![allow(clippy::unwrap_used, reason = "a black-box test")]

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use client::transport::TcpNetwork;
use client::{Connection, ConnectionOptions};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::batch::{Batch, BatchBuilder, Batches, Header, ProducerFields};
use storage::compression::{Codec, Compression, Lz4Checksum, compress};
use test_lab::{JavaBroker, KafkaVersion, Klamm, KlammOptions, ZooKeeper, ZooKeeperVersion};
use wire::create_topics::{CreatableTopic, CreatableTopicConfig};
use wire::fetch::{FetchPartition, FetchTopic};
use wire::produce::{PartitionProduceData, TopicProduceData};
use wire::{CreateTopicsRequest, ErrorCode, FetchRequest, ProduceRequest, Records};
use world::{Clock, SystemClock};

const LIMIT: Duration = Duration::from_secs(30);
const CASES: usize = 1500;

/// Topics with their settings.
const TOPICS: &[(&str, &[(&str, &str)])] = &[
    ("plain", &[]),
    ("compacted", &[("cleanup.policy", "compact")]),
    ("gzip", &[("compression.type", "gzip"), ("compression.gzip.level", "1")]),
    ("lz4", &[("compression.type", "lz4"), ("compression.lz4.level", "12")]),
    ("unpacked", &[("compression.type", "uncompressed")]),
    ("stamped", &[("message.timestamp.type", "LogAppendTime")]),
    ("timely", &[("message.timestamp.before.max.ms", "3600000"), ("message.timestamp.after.max.ms", "3600000")]),
    ("small", &[("max.message.bytes", "700")]),
    ("format-0", &[("message.format.version", "0.9.0")]),
    ("format-0-gzip", &[("message.format.version", "0.9.0"), ("compression.type", "gzip")]),
    ("format-1", &[("message.format.version", "0.10.2")]),
    ("format-1-snappy", &[("message.format.version", "0.10.2"), ("compression.type", "snappy")]),
    ("format-1-stamped", &[("message.format.version", "0.10.2"), ("message.timestamp.type", "LogAppendTime")]),
];

#[test]
fn answers_and_records_are_those_of_java() {
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    // Some records are from 1970: retention would delete them as soon as it looks.
    let properties = [("inter.broker.protocol.version", "2.8"), ("log.retention.ms", "-1")];
    let java = JavaBroker::start(KafkaVersion::V3_9, &format!("{}/java", zookeeper.address()), &properties);
    let klamm = Klamm::start(&KlammOptions {
        binary: env!("CARGO_BIN_EXE_klamm"),
        zookeeper: &format!("{}/klamm", zookeeper.address()),
        properties: &properties,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut both = [Talk::start("Java", java.address()).await, Talk::start("Klamm", klamm.address()).await];
        let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
        let seed = number("KLAMM_TEST_SEED", 1);
        let mut draw = StdRng::seed_from_u64(seed as u64);
        let (mut unlike, mut diverged) = (Vec::new(), HashSet::new());
        for case in 0..number("KLAMM_TEST_CASES", CASES) {
            let produce = draw_produce(&mut draw);
            if diverged.contains(produce.topic) {
                continue;
            }
            let [java, klamm] = &mut both;
            let (expected, answered) = tokio::join!(java.produce(&produce), klamm.produce(&produce));
            // From where only one of them has appended, offsets tell nothing any more.
            let took = |answer: &Option<Answer>| answer.as_ref().map(|answer| answer.base_offset);
            // Wrong offsets in a batch that is not packed are stored by Java, and put right by us.
            let is_taken = expected.as_ref().is_some_and(|answer| answer.error == ErrorCode::None);
            if took(&answered) != took(&expected) || (is_taken && has_wrong_offsets(&produce.records)) {
                diverged.insert(produce.topic);
            }
            if !is_alike(&produce, answered.as_ref(), expected.as_ref()) {
                let Produce { api_version, topic, what, records } = produce;
                let what = format!("{what}: {records:02x?}");
                unlike.push(format!(
                    "case {case}: v{api_version} to {topic}: {what}\nours   {answered:?}\nJava's {expected:?}"
                ));
            }
        }
        assert!(unlike.is_empty(), "seed {seed}, {} answers differ\n{}", unlike.len(), unlike.join("\n"));
        for (topic, _) in TOPICS.iter().filter(|(topic, _)| !diverged.contains(topic)) {
            compare_fetches(&mut both, topic, &mut draw).await;
        }
    });
}

/// One Produce request for one partition.
#[derive(Debug, Clone)]
struct Produce {
    api_version: i16,
    topic: &'static str,
    records: Bytes,
    what: String,
}

/// What an answer says. The words only where Java has some.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    error: ErrorCode,
    base_offset: i64,
    is_stamped: bool,
    log_start_offset: i64,
    record_errors: Vec<(i32, String)>,
    message: Option<String>,
}

struct Talk {
    name: &'static str,
    broker: String,
    connection: Connection,
}

impl Talk {
    /// Connects and makes the topics.
    async fn start(name: &'static str, broker: String) -> Talk {
        let options = ConnectionOptions::default();
        let connection = Connection::open(&TcpNetwork, &broker, options).await.unwrap();
        let topics = TOPICS.iter().map(|(name, settings)| CreatableTopic {
            name: (*name).into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: settings
                .iter()
                .map(|(name, value)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) })
                .collect(),
            ..Default::default()
        });
        let request = CreateTopicsRequest { topics: topics.collect(), timeout_ms: 30_000, ..Default::default() };
        let created = connection.call(&request).await.unwrap();
        created.topics.iter().for_each(|topic| assert_eq!(topic.error_code, 0, "{topic:?}"));
        Talk { name, broker, connection }
    }

    async fn produce(&mut self, produce: &Produce) -> Option<Answer> {
        let partition = PartitionProduceData { index: 0, records: Records::Bytes(produce.records.clone()) };
        let topic = TopicProduceData { name: produce.topic.into(), partition_data: vec![partition] };
        let request = ProduceRequest { acks: 1, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() };
        let answer = self.connection.call_at(produce.api_version, &request, Some(LIMIT)).await;
        let Ok(mut response) = answer else {
            let again = Connection::open(&TcpNetwork, &self.broker, ConnectionOptions::default()).await;
            let gone = |error| panic!("{} is gone ({error}) after {produce:?}", self.name);
            self.connection = again.unwrap_or_else(gone);
            return None;
        };
        let answer = response.responses.remove(0).partition_responses.remove(0);
        let record_errors = answer.record_errors.into_iter().map(|error| {
            (error.batch_index, without_now(error.batch_index_error_message.as_deref().unwrap_or_default()))
        });
        Some(Talk::comparable(Answer {
            error: ErrorCode::from(answer.error_code),
            base_offset: answer.base_offset,
            is_stamped: answer.log_append_time_ms != -1,
            log_start_offset: answer.log_start_offset,
            record_errors: record_errors.collect(),
            message: answer.error_message.map(|text| text.to_string()),
        }))
    }

    /// We say why in words where Java leaves them out.
    fn comparable(answer: Answer) -> Answer {
        let tells = matches!(answer.error, ErrorCode::InvalidTimestamp)
            || (answer.error == ErrorCode::InvalidRecord && !answer.record_errors.is_empty());
        Answer { message: answer.message.filter(|_| tells).map(|text| without_now(&text)), ..answer }
    }

    async fn fetch(&mut self, api_version: i16, topic: &str, offset: i64, max_bytes: i32) -> (ErrorCode, i64, Bytes) {
        let partition = FetchPartition {
            fetch_offset: offset,
            partition_max_bytes: max_bytes,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            ..Default::default()
        };
        let topic = FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: 0,
            max_bytes: i32::MAX,
            session_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let response = self.connection.call_at(api_version, &request, Some(LIMIT)).await;
        let mut response = response.unwrap_or_else(|error| panic!("v{api_version} from {offset}: {error}"));
        let data = response.responses.remove(0).partitions.remove(0);
        let records = match data.records {
            Records::Bytes(bytes) => bytes,
            Records::Null => Bytes::from_static(b"null"),
            other => panic!("{other:?}"),
        };
        (ErrorCode::from(data.error_code), data.high_watermark, records)
    }
}

/// Whether an answer is Java's, but for these:
/// - where Java has an exception but no error for it, ours is clearer;
/// - of two things that are wrong, a producer in an old format and a broken record, either may be told first;
/// - how far a reader has come when its codec finds damage depends on the reader;
/// - packed records whose length is not that of their fields are refused by us; Java passes over them;
/// - a packed batch with wrong offsets is built anew by us; Java wants to, and fails over keys that it has skipped.
fn is_alike(produce: &Produce, ours: Option<&Answer>, javas: Option<&Answer>) -> bool {
    let (Some(ours), Some(javas)) = (ours, javas) else { return ours == javas };
    if (ours.error, javas.error) == (ErrorCode::InvalidRecord, ErrorCode::None) {
        return produce.what.contains("] at ") && !produce.what.contains("None");
    }
    if (ours.error, javas.error) == (ErrorCode::UnsupportedForMessageFormat, ErrorCode::InvalidRecord) {
        return produce.what.contains("producer");
    }
    if javas.error != ErrorCode::UnknownServerError && ours.error != ErrorCode::UnknownServerError {
        return ours == javas;
    }
    match (ours.error, javas.error) {
        (ErrorCode::None, _) => has_wrong_offsets(&produce.records),
        (ErrorCode::UnsupportedCompressionType | ErrorCode::UnsupportedForMessageFormat, _) => true,
        (ErrorCode::InvalidRecord, _) | (_, ErrorCode::InvalidRecord) => !produce.what.contains("None"),
        _ => ours == javas,
    }
}

/// Whether the records of a batch of magic 2 are not numbered 0, 1, 2, …
fn has_wrong_offsets(records: &Bytes) -> bool {
    let batch = Batch::parse(records).ok().filter(|batch| batch.header.magic == 2);
    let records = batch.and_then(|batch| batch.records(1 << 20).ok()).unwrap_or_default();
    records.iter().enumerate().any(|(number, record)| record.offset != number as i64)
}

/// Timestamps that depend on when the request arrived.
fn without_now(text: &str) -> String {
    let mut parts = text.split("within [");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let behind = part.split_once(']').map_or("", |(_, behind)| behind);
        format!("{text}within [..]{behind}")
    })
}

fn draw_produce(draw: &mut StdRng) -> Produce {
    let (topic, _) = TOPICS[draw.random_range(0..TOPICS.len())];
    let magic = [0, 1, 2, 2, 2][draw.random_range(0..5)];
    let api_version = match (magic, draw.random_range(0..12)) {
        // Now and then a version that promises another format.
        (_, 0) => draw.random_range(0..=11),
        (2, _) => draw.random_range(3..=11),
        (_, _) => draw.random_range(0..=2),
    };
    let codec = Codec::from_id(draw.random_range(0..if magic == 2 { 5 } else { 4 })).unwrap();
    let mut what = format!("magic {magic} {codec:?}");
    let whole =
        if magic == 2 { draw_batch(draw, codec, &mut what) } else { draw_messages(draw, magic, codec, &mut what) };
    let mut records = whole.to_vec();
    damage(draw, magic, &mut records, &mut what);
    Produce { api_version, topic, records: records.into(), what }
}

fn now_ms() -> i64 {
    // Any time near now does; both brokers get the same.
    SystemClock::new().now_ms()
}

/// Timestamp, key and value.
type Drawn = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// A few records.
fn draw_records(draw: &mut StdRng) -> Vec<Drawn> {
    let base = match draw.random_range(0..10) {
        0 => now_ms() - 4_000_000,
        1 => now_ms() + 4_000_000,
        2 => 0,
        _ => now_ms(),
    };
    let all_have_keys = draw.random_bool(0.7);
    let count = draw.random_range(1..8);
    let record = |draw: &mut StdRng| {
        let bytes = |draw: &mut StdRng, most| {
            let len = draw.random_range(0..most);
            (0..len).map(|_| draw.random_range(b'a'..b'e')).collect::<Vec<u8>>()
        };
        let key = (all_have_keys || draw.random_bool(0.5)).then(|| bytes(draw, 10));
        let value = draw.random_bool(0.9).then(|| bytes(draw, 120));
        (base + draw.random_range(-5..5i64).max(-base), key, value)
    };
    (0..count).map(|_| record(draw)).collect()
}

fn draw_batch(draw: &mut StdRng, codec: Codec, what: &mut String) -> Bytes {
    let mut builder = BatchBuilder::new().compression(Compression { codec, level: None });
    if draw.random_bool(0.1) {
        let base_sequence = draw.random_range(-1..3);
        *what += &format!(", producer with sequence {base_sequence}");
        builder = builder.producer(ProducerFields { id: draw.random_range(1000..1003), epoch: 0, base_sequence });
    }
    if draw.random_bool(0.03) {
        *what += ", log append time";
        builder = builder.log_append_time(now_ms());
    }
    if draw.random_bool(0.03) {
        *what += ", control";
        builder = builder.control();
    }
    if draw.random_bool(0.03) {
        *what += ", base offset 3";
        builder = builder.base_offset(3);
    }
    let headers = [Header { key: Bytes::from_static(b"h"), value: Some(Bytes::from_static(b"v")) }];
    let headers = if draw.random_bool(0.2) { &headers[..] } else { &[] };
    for (timestamp, key, value) in draw_records(draw) {
        builder.append(timestamp, key.as_deref(), value.as_deref(), headers);
    }
    *what += &format!(", {} records", builder.record_count());
    builder.build().unwrap()
}

fn draw_messages(draw: &mut StdRng, magic: u8, codec: Codec, what: &mut String) -> Bytes {
    let records = draw_records(draw);
    let mut set = Vec::new();
    let wrong_at = draw.random_bool(0.1).then(|| draw.random_range(0..records.len()));
    for (number, (timestamp, key, value)) in records.iter().enumerate() {
        let mut offset = number as i64;
        let (mut own_magic, mut attributes) = (magic, 0);
        if wrong_at == Some(number) {
            match draw.random_range(0..4) {
                0 => own_magic = 1 - magic,
                1 => attributes = 8,
                2 => attributes = 1,
                _ => offset += 2,
            }
            *what += &format!(", message {number}: offset {offset}, magic {own_magic}, attributes {attributes}");
        }
        put_message(&mut set, own_magic, offset, *timestamp, attributes, key.as_deref(), value.as_deref());
    }
    *what += &format!(", {} messages", records.len());
    if codec == Codec::None {
        return set.into();
    }
    let lz4 = if magic == 0 { Lz4Checksum::Magic0 } else { Lz4Checksum::Standard };
    let packed = compress(codec.into(), &set, lz4).unwrap();
    let mut attributes = codec.id();
    if draw.random_bool(0.05) {
        *what += ", log append time";
        attributes |= 8;
    }
    let last = records.len() as i64 - 1;
    let offset = if draw.random_bool(0.1) { draw.random_range(0..9) } else { last };
    *what += &format!(", wrapper offset {offset}");
    let newest = records.iter().map(|record| record.0).max().unwrap();
    let mut out = Vec::new();
    put_message(&mut out, magic, offset, newest, attributes, None, Some(&packed));
    out.into()
}

/// A message as an old client writes it.
fn put_message(
    out: &mut Vec<u8>,
    magic: u8,
    offset: i64,
    timestamp: i64,
    attributes: u8,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let mut body = vec![magic, attributes];
    if magic > 0 {
        body.extend_from_slice(&timestamp.to_be_bytes());
    }
    for bytes in [key, value] {
        body.extend_from_slice(&bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        body.extend_from_slice(bytes.unwrap_or_default());
    }
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
    out.extend_from_slice(&body);
}

/// Breaks one request in three.
fn damage(draw: &mut StdRng, magic: u8, records: &mut Vec<u8>, what: &mut String) {
    let len = records.len();
    match draw.random_range(0..18) {
        0 => {
            let (at, bit) = (draw.random_range(12..len), draw.random_range(0..8));
            // Not the mark of transactions, which are not built yet.
            if (at, bit) != (22, 4) {
                records[at] ^= 1 << bit;
            }
            *what += &format!(", byte {at} flipped");
        }
        // A field of the header, or of the records if they are not packed, with the checksum made right again.
        1 | 2 if magic == 2 => {
            let (at, bytes) = match draw.random_range(0..4) {
                0 => (23, draw.random_range(-2..9i32).to_be_bytes().to_vec()),
                1 => (57, draw.random_range(-2..9i32).to_be_bytes().to_vec()),
                2 => (35, now_ms().to_be_bytes().to_vec()),
                _ => (draw.random_range(61..len), vec![draw.random()]),
            };
            records[at..at + bytes.len()].copy_from_slice(&bytes);
            let crc = crc32c::crc32c(&records[21..]);
            records[17..21].copy_from_slice(&crc.to_be_bytes());
            *what += &format!(", {bytes:?} at {at}");
        }
        3 => {
            let cut = draw.random_range(0..len);
            records.truncate(cut);
            *what += &format!(", cut to {cut} of {len} bytes");
        }
        4 => {
            records.extend_from_within(..);
            *what += ", twice";
        }
        5 => {
            let junk = draw.random_range(1..40);
            records.extend((0..junk).map(|_| draw.random::<u8>() & 0x7f));
            *what += &format!(", {junk} bytes of junk behind");
        }
        _ => {}
    }
}

async fn compare_fetches(both: &mut [Talk; 2], topic: &str, draw: &mut StdRng) {
    let [java, klamm] = both;
    let (_, end, _) = java.fetch(11, topic, 0, 1).await;
    // What producers packed is not packed anew, so that only conversion for a consumer depends on the encoder.
    let is_packed_nowhere = topic == "unpacked";
    for api_version in [0, 1, 2, 3, 4, 11] {
        for _ in 0..12 {
            let offset = draw.random_range(0..=end + 1);
            let max_bytes = if is_packed_nowhere { draw.random_range(100..20_000) } else { 1 << 20 };
            let told = format!("v{api_version} of {topic} from {offset}, {max_bytes} bytes");
            let (expected, answered) = tokio::join!(
                java.fetch(api_version, topic, offset, max_bytes),
                klamm.fetch(api_version, topic, offset, max_bytes)
            );
            assert_eq!((answered.0, answered.1), (expected.0, expected.1), "{told}");
            let is_stamped = topic.contains("stamped");
            if is_packed_nowhere {
                assert_eq!(answered.2, expected.2, "{told}");
            }
            let both = [answered.2, expected.2].map(|records| seen(records, is_stamped));
            let common = both[0].len().min(both[1].len());
            assert_eq!(both[0][..common], both[1][..common], "{told}");
            assert!(common > 0 || both[0].len() == both[1].len(), "{told}: {} and {}", both[0].len(), both[1].len());
        }
    }
}

/// A record: magic and codec of its batch, offset, timestamp, key, value and headers.
type Seen = (u8, Codec, i64, i64, Option<Bytes>, Option<Bytes>, usize);

fn seen(records: Bytes, is_stamped: bool) -> Vec<Seen> {
    let mut seen = Vec::new();
    for batch in Batches::new(records) {
        let Ok(batch) = batch else { break };
        batch.check_crc().unwrap();
        let Batch { header, .. } = &batch;
        let (magic, codec) = (header.magic, header.codec().unwrap());
        for record in batch.records(1 << 24).unwrap() {
            let timestamp = if is_stamped && record.timestamp > 0 { 0 } else { record.timestamp };
            seen.push((magic, codec, record.offset, timestamp, record.key, record.value, record.headers.len()));
        }
    }
    seen
}
