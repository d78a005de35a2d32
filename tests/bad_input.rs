//! Whatever comes out of a socket, a broker answers with Kafka's error or closes that connection: its memory stays within
//! 64 MiB of what it had, other connections notice nothing, and nothing acknowledged is lost.
//!
//! Requests are put together by hand, in the oldest version that shows the point, so that no encoder of ours can be wrong
//! in the same way as the decoder under test.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod support;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use support::{Ensemble, assert_same_lines, numbered_lines};
use test_lab::KafkaVersion::V3_9;
use test_lab::{Broker, Driver, Target, until};

const MARGIN: u64 = 64 << 20;
/// The length of a request of 1 MiB, and its first two bytes.
const A_MEGABYTE: [u8; 6] = [0, 0x10, 0, 0, 0, 18];
/// Longer than any answer may take, and than an idle connection may live.
const PATIENCE: Duration = Duration::from_secs(20);
const IDLE_MS: &str = "4000";

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const METADATA: i16 = 3;
const SYNC_GROUP: i16 = 14;
const API_VERSIONS: i16 = 18;

/// What must come of a case.
enum Outcome {
    /// The broker closes the connection without an answer.
    Closed,
    /// It answers; the error code stands this many bytes after the correlation id.
    Error { at: usize, code: i16 },
}
use Outcome::{Closed, Error};

#[test]
fn no_input_harms_anybody_but_its_sender() {
    let ensemble = Ensemble::apache();
    let properties = [("connections.max.idle.ms", IDLE_MS)];
    let mut broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &ensemble.address(), &properties);
    let address = broker.address();
    for topic in ["t", "other"] {
        let create = ["--bootstrap-server", &address, "--create", "--topic", topic, "--partitions", "1"];
        Driver::shared().tool(V3_9, "kafka-topics", &create).ok();
    }
    produce_lines(&address, &numbered_lines(100));
    // Read as well before memory is measured; the group brings the offsets topic into being.
    assert_same_lines(&consume_lines(&address), &numbered_lines(100), "what was acknowledged");
    if Target::from_env() == Target::Klamm {
        limit_memory(broker.process().pid());
    }

    for (name, input, outcome) in cases() {
        let sender = check(&address, name, &input, &outcome);
        if matches!((outcome, Target::from_env()), (Closed, Target::Klamm)) {
            said_once(&mut broker, sender, name);
        }
        served(&address, name);
    }
    let ours = Target::from_env() == Target::Klamm;
    for (name, half) in
        [("half a small request", &request(API_VERSIONS, 0, &[])[..6]), ("half a large one", &A_MEGABYTE)]
    {
        let sender = half_a_request_is_dropped_when_idle(&address, half);
        if ours {
            said_once(&mut broker, sender, name);
        }
    }

    produce_lines(&address, &numbered_lines(50));
    let expected = numbered_lines(100) + &numbered_lines(50);
    assert_same_lines(&consume_lines(&address), &expected, "what was acknowledged");
}

/// Name, bytes on the wire, outcome.
fn cases() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let mut cases = frames_and_headers();
    cases.extend(bodies());
    cases.extend(batches());
    if Target::from_env() == Target::Klamm {
        // Java reads all of them into objects, and runs out of heap.
        cases.push(("millions of tagged fields", millions_of_tagged_fields(), Closed));
    }
    cases
}

fn frames_and_headers() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    vec![
        ("a frame of 2 GiB", i32::MAX.to_be_bytes().to_vec(), Closed),
        ("a frame of negative length", (-1i32).to_be_bytes().to_vec(), Closed),
        ("an empty frame", frame(&[]), Closed),
        ("another protocol", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n".to_vec(), Closed),
        ("an unknown API", request(9999, 0, &[]), Closed),
        ("a negative API", request(-1, 0, &[]), Closed),
        ("an API of KRaft controllers", request(52, 0, &[]), Closed),
        ("an unknown version", request(METADATA, 99, &[]), Closed),
        ("an unknown version of ApiVersions", request(API_VERSIONS, 99, &[0]), Error { at: 0, code: 35 }),
        ("a header cut short", frame(&[0, 3, 0, 1, 0]), Closed),
        ("a client id longer than the frame", frame(&[0, 3, 0, 1, 0, 0, 0, 7, 0x7f, 0xff, b'x']), Closed),
        ("20 million tagged fields, said", flexible(API_VERSIONS, 3, &varint(20_000_000)), Closed),
    ]
}

fn bodies() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let long_name = [&1i32.to_be_bytes()[..], &string(&"x".repeat(250))].concat();
    let unknown_member = [string("g"), 1i32.to_be_bytes().to_vec(), string("nobody"), vec![0; 4]].concat();
    vec![
        ("a count of 2147483647", request(METADATA, 1, &i32::MAX.to_be_bytes()), Closed),
        ("a string longer than the frame", request(METADATA, 1, &[0, 0, 0, 1, 0x7f, 0xff, b'x']), Closed),
        (
            "a fetch of 2147483647 topics",
            request(FETCH, 4, &[fetch_header(), i32::MAX.to_be_bytes().to_vec()].concat()),
            Closed,
        ),
        ("a fetch of -2 topics", request(FETCH, 4, &[fetch_header(), (-2i32).to_be_bytes().to_vec()].concat()), Closed),
        // The brokers come first, so where the code stands is found out from the answer.
        ("a topic name of 250 characters", request(METADATA, 1, &long_name), Error { at: usize::MAX, code: 17 }),
        ("a sync before any join", request(SYNC_GROUP, 0, &unknown_member), Error { at: 0, code: 25 }),
    ]
}

fn batches() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    // Array count, topic "t", array count, partition 0: then comes the code.
    let code = |code| Error { at: 4 + 3 + 4 + 4, code };
    let good = batch(1, 2, &record(b"v"));
    let mut wrong_crc = good.clone();
    wrong_crc[17] ^= 1;
    let mut too_long = good.clone();
    too_long[8..12].copy_from_slice(&0x7fff_fff0i32.to_be_bytes());
    let lying_record = [&[0x7e, 0, 0, 0][..], &varint(i32::MAX as u32), b"xx"].concat();
    vec![
        ("a good batch, for comparison", produce("other", &good), Error { at: 4 + 7 + 4 + 4, code: 0 }),
        ("a batch with a wrong CRC", produce("t", &wrong_crc), code(2)),
        ("a batch of magic 9", produce("t", &batch(1, 9, &record(b"v"))), code(2)),
        ("a batch that counts more records than it has", produce("t", &batch(2, 2, &record(b"v"))), code(87)),
        ("a batch that counts 2147483647 records", produce("t", &batch(i32::MAX, 2, &record(b"v"))), code(87)),
        ("a record longer than its batch", produce("t", &batch(1, 2, &lying_record)), code(87)),
        ("a batch longer than the request", produce("t", &too_long), code(87)),
        ("records longer than the frame", produce_saying("t", 0x7fff_ffff, &good), Closed),
    ]
}

/// Sends a case's bytes on a connection of its own and checks what comes of it; answers with the sender's address.
fn check(address: &str, name: &str, input: &[u8], outcome: &Outcome) -> SocketAddr {
    let mut stream = connect(address);
    // A broker may close before it has read everything.
    let _ = stream.write_all(input);
    let answer = answer(&mut stream);
    match (outcome, answer) {
        (Closed, None) => {}
        (Closed, Some(answer)) => panic!("{name}: answered with {answer:?}"),
        (Error { code, .. }, None) => panic!("{name}: closed, where error {code} was expected"),
        (Error { at, code }, Some(answer)) => {
            let body = answer.get(4..).unwrap_or_default();
            let at = if *at == usize::MAX { metadata_v1_error(body) } else { *at };
            let found = body.get(at..at + 2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]));
            assert_eq!(found, Some(*code), "{name}: {answer:?}");
        }
    }
    stream.local_addr().unwrap()
}

/// Where the first topic's error code stands in a Metadata v1 response: after the brokers and the controller id.
fn metadata_v1_error(body: &[u8]) -> usize {
    let short = |at: usize| i16::from_be_bytes([body[at], body[at + 1]]);
    let mut at = 4;
    for _ in 0..i32::from_be_bytes([body[0], body[1], body[2], body[3]]) {
        at += 4;
        at += 2 + short(at).max(0) as usize + 4;
        at += 2 + short(at).max(0) as usize;
    }
    at + 4 + 4
}

/// Every other connection is served as ever.
fn served(address: &str, after: &str) {
    let started = Instant::now();
    let mut stream = connect(address);
    stream.write_all(&request(API_VERSIONS, 0, &[])).unwrap();
    let answer = answer(&mut stream).unwrap_or_else(|| panic!("after {after} the broker closes good connections"));
    assert_eq!(answer[..6], [0, 0, 0, 7, 0, 0], "after {after}");
    assert!(started.elapsed() < Duration::from_secs(5), "after {after} an answer took {:?}", started.elapsed());
}

/// Our broker's log has one line about the sender, with its address.
fn said_once(broker: &mut Broker, sender: SocketAddr, name: &str) {
    let lines = |output: &str| output.lines().filter(|line| line.contains(&sender.to_string())).count();
    until(Duration::from_secs(5), || (lines(&broker.process().output()) > 0).then_some(()));
    let found = lines(&broker.process().output());
    assert_eq!(found, 1, "log lines about {name} from {sender}:\n{}", broker.process().output_tail());
}

/// Answers the address that it was sent from.
fn half_a_request_is_dropped_when_idle(address: &str, half: &[u8]) -> SocketAddr {
    let mut stream = connect(address);
    stream.write_all(half).unwrap();
    served(address, "half a request");
    assert!(answer(&mut stream).is_none());
    stream.local_addr().unwrap()
}

/// Lets the process have as much address space as it has now, and the margin.
fn limit_memory(pid: Pid) {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
    let size_kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let most = Some(size_kib * 1024 + MARGIN);
    prlimit(Some(pid), Resource::As, Rlimit { current: most, maximum: most }).unwrap();
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The next response without its length; `None` if the broker closes the connection.
fn answer(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => panic!("neither an answer nor an end within {PATIENCE:?}"),
        Err(_) => return None,
    }
    let mut answer = vec![0; i32::from_be_bytes(length).try_into().unwrap()];
    stream.read_exact(&mut answer).unwrap();
    Some(answer)
}

/// Length and content.
fn frame(content: &[u8]) -> Vec<u8> {
    [&(content.len() as i32).to_be_bytes(), content].concat()
}

/// A request with header version 1 and correlation id 7.
fn request(api_key: i16, api_version: i16, body: &[u8]) -> Vec<u8> {
    frame(&[&api_key.to_be_bytes()[..], &api_version.to_be_bytes(), &[0, 0, 0, 7], &string("bad"), body].concat())
}

/// A request with header version 2, from its count of tagged fields on.
fn flexible(api_key: i16, api_version: i16, rest: &[u8]) -> Vec<u8> {
    request(api_key, api_version, rest)
}

/// An ApiVersions request whose header has 20 million empty tagged fields, all of them there.
fn millions_of_tagged_fields() -> Vec<u8> {
    let mut rest = varint(20_000_000);
    for tag in 0..20_000_000 {
        rest.extend(varint(tag));
        rest.push(0);
    }
    flexible(API_VERSIONS, 3, &rest)
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as i16).to_be_bytes(), text.as_bytes()].concat()
}

fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Produce v3, acks=1, one partition.
fn produce(topic: &str, records: &[u8]) -> Vec<u8> {
    produce_saying(topic, records.len() as i32, records)
}

fn produce_saying(topic: &str, length: i32, records: &[u8]) -> Vec<u8> {
    let one = 1i32.to_be_bytes();
    let acks_and_timeout = [0, 1, 0, 0, 0x27, 0x10];
    let no_transaction = [0xff, 0xff];
    let partition = 0i32.to_be_bytes();
    let head = [&no_transaction[..], &acks_and_timeout, &one, &string(topic), &one, &partition].concat();
    request(PRODUCE, 3, &[&head[..], &length.to_be_bytes(), records].concat())
}

/// Fetch v4 up to its topics: a consumer, no waiting.
fn fetch_header() -> Vec<u8> {
    let (max_wait, min_bytes, isolation_level) = ([0; 4], [0; 4], [0]);
    [&(-1i32).to_be_bytes()[..], &max_wait, &min_bytes, &1024i32.to_be_bytes(), &isolation_level].concat()
}

/// A record of format v2 with offset delta 0, no key and no headers.
fn record(value: &[u8]) -> Vec<u8> {
    let zigzag = |n: i32| varint(((n << 1) ^ (n >> 31)) as u32);
    let body = [&[0, 0, 0][..], &zigzag(-1), &zigzag(value.len() as i32), value, &[0]].concat();
    [zigzag(body.len() as i32), body].concat()
}

/// A batch with a right length and CRC, and `count` as its number of records.
fn batch(count: i32, magic: u8, records: &[u8]) -> Vec<u8> {
    let last_offset_delta = count.wrapping_sub(1);
    let no_producer = [0xff; 8 + 2 + 4];
    let checked = [
        &0i16.to_be_bytes()[..],
        &last_offset_delta.to_be_bytes(),
        &1_700_000_000_000i64.to_be_bytes(),
        &1_700_000_000_000i64.to_be_bytes(),
        &no_producer,
        &count.to_be_bytes(),
        records,
    ]
    .concat();
    let length = (4 + 1 + 4 + checked.len()) as i32;
    let crc = crc32c(&checked);
    [&[0; 8][..], &length.to_be_bytes(), &[0; 4], &[magic], &crc.to_be_bytes(), &checked].concat()
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1));
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn produce_lines(address: &str, lines: &str) {
    let args = ["--bootstrap-server", address, "--topic", "t", "--request-required-acks", "all"];
    Driver::shared().tool_with_input(V3_9, "kafka-console-producer", &args, lines).ok();
}

fn consume_lines(address: &str) -> String {
    let args = ["--bootstrap-server", address, "--topic", "t", "--from-beginning", "--timeout-ms", "4000"];
    Driver::shared().tool(V3_9, "kafka-console-consumer", &args).ok().stdout
}
