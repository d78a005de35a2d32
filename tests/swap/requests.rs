//! What no client asks, and only a broker that has kept its state answers rightly: batches sent again, sequences with a gap,
//! an epoch of the past; and where leader epochs end.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::transport::TcpNetwork;
use client::{Connection, ConnectionOptions};
use klamm::zk::{Zk, ZkSession, ZkSettings};
use storage::batch::{BatchBuilder, ProducerFields};
use tokio::runtime::Runtime;
use wire::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use wire::produce::{PartitionProduceData, TopicProduceData};
use wire::{ErrorCode, InitProducerIdRequest, OffsetForLeaderEpochRequest, ProduceRequest, Records};
use zk_paths::ids::TopicPartition;
use zk_paths::partition_state::{self, PartitionState};

const TOPIC: &str = "sequences";
const LIMIT: Duration = Duration::from_secs(30);
/// Records in each batch.
const RECORDS: i32 = 3;
/// A batch in a topic's partition, as a broker answered it.
type Answer = (ErrorCode, i64);

/// A producer that knows what a broker must remember of it.
pub struct Requests {
    runtime: Runtime,
    broker: String,
    producer: Option<(i64, i16)>,
    /// Sequence and offset of the last batch of the current epoch.
    last: Option<(i32, i64)>,
}

impl Requests {
    pub fn new(broker: &str) -> Requests {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Requests { runtime, broker: broker.to_owned(), producer: None, last: None }
    }

    /// Between two turns: partitions get a new leader epoch, as if leadership had been elsewhere meanwhile.
    pub fn raise_leader_epochs(&self, zookeeper: &str) {
        self.runtime.block_on(async {
            let zk = ZkSession::connect(ZkSettings::parse(zookeeper).unwrap()).await.unwrap();
            for partition in partitions_of_epochs() {
                let path = partition_state::path(&partition);
                let node = zk.get(&path).await.unwrap();
                let mut state = PartitionState::decode(&partition, &node.data).unwrap();
                state.leader_epoch.0 += 1;
                zk.set(&path, state.encode().into(), node.stat.version).await.unwrap();
            }
        });
    }

    /// Asks the broker that has just begun its turn.
    pub fn go_on(&mut self, log_dir: &Path, turn: &str) {
        let options = ConnectionOptions { request_timeout: LIMIT, ..ConnectionOptions::default() };
        let opened = self.runtime.block_on(Connection::open(&TcpNetwork, &self.broker, options));
        let connection = opened.unwrap();
        self.go_on_producing(&connection, turn);
        for partition in partitions_of_epochs() {
            self.runtime.block_on(epochs_end_where_the_next_begin(&connection, log_dir, &partition, turn));
        }
    }

    fn go_on_producing(&mut self, connection: &Connection, turn: &str) {
        let (id, epoch) = match self.producer {
            Some(producer) => producer,
            None => self.runtime.block_on(producer_id(connection)),
        };
        let send = |epoch: i16, sequence: i32| self.runtime.block_on(produce(connection, id, epoch, sequence));
        if let Some((sequence, offset)) = self.last {
            assert_eq!(send(epoch, sequence), (ErrorCode::None, offset), "{turn}: the last batch again");
            let gap = sequence + RECORDS + 1;
            assert_eq!(send(epoch, gap).0, ErrorCode::OutOfOrderSequenceNumber, "{turn}: a gap");
            assert_eq!(send(epoch, sequence + RECORDS), (ErrorCode::None, offset + 3), "{turn}: the next batch");
            assert_eq!(send(epoch - 1, 0).0, ErrorCode::InvalidProducerEpoch, "{turn}: an earlier epoch");
        }
        // The next broker is to know the newer of two epochs.
        let epoch = epoch + 1;
        let (error, first) = send(epoch, 0);
        assert_eq!(error, ErrorCode::None, "{turn}: a new epoch");
        for batch in 1..4 {
            assert_eq!(send(epoch, batch * RECORDS), (ErrorCode::None, first + i64::from(batch * RECORDS)), "{turn}");
        }
        assert_eq!(
            send(epoch, RECORDS),
            (ErrorCode::None, first + i64::from(RECORDS)),
            "{turn}: an earlier batch again"
        );
        self.producer = Some((id, epoch));
        self.last = Some((3 * RECORDS, first + i64::from(3 * RECORDS)));
    }
}

async fn producer_id(connection: &Connection) -> (i64, i16) {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 60_000,
        ..InitProducerIdRequest::default()
    };
    loop {
        let response = connection.call(&request).await.unwrap();
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => return (response.producer_id, response.producer_epoch),
            // Java reserves a block of ids first.
            ErrorCode::CoordinatorLoadInProgress => tokio::time::sleep(Duration::from_millis(50)).await,
            other => panic!("{other:?}"),
        }
    }
}

async fn produce(connection: &Connection, id: i64, epoch: i16, base_sequence: i32) -> Answer {
    // A broker forgets who last sent records of long ago.
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let mut batch = BatchBuilder::new().producer(ProducerFields { id, epoch, base_sequence });
    (0..RECORDS).for_each(|i| batch.append(now_ms, None, Some(format!("{base_sequence} {i}").as_bytes()), &[]));
    let records = Records::Bytes(batch.build().unwrap());
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: LIMIT.as_millis() as i32,
        topic_data: vec![TopicProduceData { name: TOPIC.into(), partition_data }],
    };
    let response = connection.call(&request).await.unwrap();
    let answer = &response.responses[0].partition_responses[0];
    (ErrorCode::from(answer.error_code), answer.base_offset)
}

/// Partitions that every turn writes to and from which nothing is removed: their logs know every leader epoch.
pub fn partitions_of_epochs() -> impl Iterator<Item = TopicPartition> {
    (0..5).map(|partition| TopicPartition::new("codecs", partition))
}

/// Each epoch of the checkpoint ends where the next one starts.
async fn epochs_end_where_the_next_begin(
    connection: &Connection,
    log_dir: &Path,
    partition: &TopicPartition,
    turn: &str,
) {
    let file = log_dir.join(format!("{partition}/leader-epoch-checkpoint"));
    let text = fs::read_to_string(&file).unwrap_or_default();
    let entries: Vec<(i32, i64)> = text
        .lines()
        .skip(2)
        .map(|line| line.split_once(' ').unwrap())
        .map(|(epoch, start)| (epoch.parse().unwrap(), start.parse().unwrap()))
        .collect();
    for pair in entries.windows(2) {
        let asked = OffsetForLeaderPartition {
            partition: partition.partition,
            current_leader_epoch: -1,
            leader_epoch: pair[0].0,
        };
        let topic = OffsetForLeaderTopic { topic: partition.topic.to_string().into(), partitions: vec![asked] };
        let request = OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![topic] };
        let response = connection.call(&request).await.unwrap();
        let answer = &response.topics[0].partitions[0];
        // Before 2.0 the answer does not name the epoch.
        assert!([pair[0].0, -1].contains(&answer.leader_epoch), "{turn}: {answer:?}");
        assert_eq!(
            (answer.error_code, answer.end_offset),
            (0, pair[1].1),
            "{turn}: {} has {entries:?}",
            file.display()
        );
    }
}
