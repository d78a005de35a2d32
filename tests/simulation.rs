//! A whole broker in a seeded world: memory for a disk, memory for a network, a fake ZooKeeper, a clock that only moves when
//! everybody waits. A seed decides what its clients do and what befalls it; after each step nothing that was acknowledged
//! may be missing, doubled or out of order.
//!
//! `KLAMM_SIM_SEED=7 cargo test --test simulation` plays one seed; a failure names its seed. What clients do and what
//! befalls the broker repeats exactly; the order of file work on blocking threads does not yet.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use client::connection::{Connection, ConnectionOptions};
use client::transport::MemNetwork;
use config::BrokerConfig;
use klamm::server::{Server, World};
use klamm::zk::fake::{FakeSession, FakeZooKeeper};
use klamm::zk::{Ensemble, Zk};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::batch::{BatchBuilder, Batches};
use tokio::time::{Instant, sleep};
use wire::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use wire::create_topics::CreatableTopic;
use wire::fetch::{FetchPartition, FetchTopic};
use wire::produce::{PartitionProduceData, TopicProduceData};
use wire::{AlterReplicaLogDirsRequest, CreateTopicsRequest, FetchRequest, MetadataRequest, ProduceRequest, Records};
use world::{Clock, MemDisk, Unsynced};

const ADDRESS: &str = "127.0.0.1:9092";
const TOPIC: &str = "t";
/// 2026-01-01.
const BEGIN_MS: i64 = 1_767_225_600_000;
const STEPS: usize = 30;

/// Tokio's time, which stands still while anybody works.
#[derive(Debug)]
struct SimClock {
    begin: Instant,
    begin_ms: i64,
}

impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        self.begin_ms + self.monotonic().as_millis() as i64
    }

    fn monotonic(&self) -> Duration {
        self.begin.elapsed()
    }
}

/// Remembers the broker's session, so that the script can do something to it.
#[derive(Debug, Default)]
struct Watched {
    ensemble: FakeZooKeeper,
    session: Mutex<Option<Arc<FakeSession>>>,
}

#[async_trait]
impl Ensemble for Watched {
    async fn connect(&self, _: &config::broker::ZooKeeper) -> Result<Arc<dyn Zk>, String> {
        let session = self.ensemble.session();
        *self.session.lock().unwrap() = Some(session.clone());
        Ok(session)
    }
}

impl Watched {
    fn session(&self) -> Arc<FakeSession> {
        self.session.lock().unwrap().clone().unwrap()
    }
}

/// What outlives a broker's life.
struct Play {
    random: StdRng,
    disk: MemDisk,
    zookeeper: Arc<Watched>,
    now_ms: i64,
    /// Values that were acknowledged, in order.
    acknowledged: Vec<String>,
    next: u64,
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Kill,
}

#[test]
fn what_was_acknowledged_survives_whatever_a_seed_deals() {
    let seeds = match std::env::var("KLAMM_SIM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..6_u64,
    };
    for seed in seeds {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "seed {seed} failed: KLAMM_SIM_SEED={seed} cargo test --test simulation");
    }
}

fn play(seed: u64) {
    let mut play = Play {
        random: StdRng::seed_from_u64(seed),
        disk: MemDisk::new(),
        zookeeper: Arc::default(),
        now_ms: BEGIN_MS,
        acknowledged: Vec::new(),
        next: 0,
    };
    for life in 0..4 {
        // Time is per runtime; a killed broker takes everything it was doing with its runtime.
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        let end = runtime.block_on(live(&mut play, life));
        runtime.shutdown_timeout(Duration::from_secs(10));
        if end == End::Kill {
            // The process is gone, the machine is not: what was written stays, whether it was synced or not.
            play.disk = play.disk.crash(Unsynced::Kept);
            play.zookeeper.session().expire();
        }
    }
}

async fn live(play: &mut Play, life: u32) -> End {
    let network = Arc::new(MemNetwork::default());
    let clock = Arc::new(SimClock { begin: Instant::now(), begin_ms: play.now_ms });
    let world = World {
        clock: clock.clone(),
        disk: Arc::new(play.disk.clone()),
        network: network.clone(),
        ensemble: play.zookeeper.clone(),
    };
    let server = Server::start(settings(), world).await.unwrap();
    let options = ConnectionOptions::default();
    let client = Connection::open(network.as_ref(), ADDRESS, options).await.unwrap();
    if life == 0 {
        create(&client).await;
    }
    led(&client).await;
    check(play, &client).await;
    for _ in 0..STEPS {
        step(play, &client).await;
    }
    check(play, &client).await;
    let end = if play.random.random_bool(0.5) { End::Stop } else { End::Kill };
    if end == End::Stop {
        server.stop().await;
    }
    play.now_ms = clock.now_ms();
    end
}

fn settings() -> BrokerConfig {
    let settings = [
        ("broker.id", "1"),
        ("listeners", "PLAINTEXT://127.0.0.1:9092"),
        ("log.dirs", "/logs,/more"),
        ("zookeeper.connect", "fake:2181"),
        ("log.segment.bytes", "4096"),
        ("offsets.topic.replication.factor", "1"),
    ];
    BrokerConfig::new(settings.into_iter().collect()).unwrap()
}

async fn create(client: &Connection) {
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..CreatableTopic::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only: false };
    // The controller may not have been elected yet.
    for _ in 0..100 {
        let response = client.call(&request).await.unwrap();
        if matches!(response.topics[0].error_code, 0 | 36) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("the topic was not created");
}

/// Waits until the partition has its leader.
async fn led(client: &Connection) {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    for _ in 0..100 {
        let response = client.call(&request).await.unwrap();
        let topic = response.topics.iter().find(|topic| topic.name.as_deref() == Some(TOPIC));
        if topic.is_some_and(|topic| topic.partitions.iter().all(|partition| partition.leader_id == 1)) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("nobody leads the partition");
}

async fn step(play: &mut Play, client: &Connection) {
    match play.random.random_range(0..10) {
        0 => {
            play.zookeeper.session().disconnect();
            sleep(Duration::from_millis(play.random.random_range(1..5_000))).await;
            produce(play, client).await;
            play.zookeeper.session().reconnect();
        }
        1 => {
            play.zookeeper.session().expire();
            sleep(Duration::from_millis(play.random.random_range(1..3_000))).await;
            led(client).await;
        }
        2 => check(play, client).await,
        4 => move_replica(play, client).await,
        3 => sleep(Duration::from_millis(play.random.random_range(1..40_000))).await,
        _ => produce(play, client).await,
    }
}

/// Asks for the replica to be moved to one of the directories, perhaps the one that it is in.
async fn move_replica(play: &mut Play, client: &Connection) {
    let path = if play.random.random_bool(0.5) { "/logs" } else { "/more" };
    let topic = AlterReplicaLogDirTopic { name: TOPIC.into(), partitions: vec![0] };
    let dirs = vec![AlterReplicaLogDir { path: path.into(), topics: vec![topic] }];
    let response = client.call(&AlterReplicaLogDirsRequest { dirs }).await.unwrap();
    // Right after an expiry the replica may have no place yet.
    assert!(matches!(response.results[0].partitions[0].error_code, 0 | 9), "{response:?}");
}

async fn produce(play: &mut Play, client: &Connection) {
    let mut batch = BatchBuilder::new();
    let count = play.random.random_range(1..20);
    let values: Vec<String> = (play.next..play.next + count).map(|number| format!("value {number}")).collect();
    play.next += count;
    values.iter().for_each(|value| batch.append(play.now_ms, None, Some(value.as_bytes()), &[]));
    let data = PartitionProduceData { index: 0, records: Records::Bytes(batch.build().unwrap()) };
    let topic = TopicProduceData { name: TOPIC.into(), partition_data: vec![data] };
    let request = ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 5_000, topic_data: vec![topic] };
    let response = client.call(&request).await.unwrap();
    let answer = &response.responses[0].partition_responses[0];
    // Right after an expiry there may be nobody who leads: then nothing was acknowledged, and nothing may be there.
    if answer.error_code == 0 {
        assert_eq!(answer.base_offset, play.acknowledged.len() as i64, "offsets go on without a gap");
        play.acknowledged.extend(values);
    }
}

/// Everything acknowledged, once, in order, and nothing else.
async fn check(play: &Play, client: &Connection) {
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < play.acknowledged.len() {
        let bytes = fetch(client, seen.len() as i64).await;
        let before = seen.len();
        for batch in Batches::new(bytes) {
            let batch = batch.unwrap();
            for record in batch.records(1 << 20).unwrap() {
                if record.offset as usize >= seen.len() {
                    seen.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
                }
            }
        }
        assert!(seen.len() > before, "only {before} of {} records are there", play.acknowledged.len());
    }
    assert_eq!(seen, play.acknowledged);
}

async fn fetch(client: &Connection, fetch_offset: i64) -> Bytes {
    let partition = FetchPartition { partition: 0, fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..FetchTopic::default() };
    let request = FetchRequest { max_wait_ms: 500, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() };
    let response = client.call_at(12, &request, None).await.unwrap();
    let answer = &response.responses[0].partitions[0];
    assert_eq!(answer.error_code, 0);
    answer.records.bytes().cloned().unwrap_or_default()
}
