//! Our own clients, for suites that need to say exactly what is sent.

use std::sync::Arc;
use std::time::Duration;

use client::admin::NewTopic;
use client::consumer::Start;
use client::transport::TcpNetwork;
use client::{Admin, Cluster, ClusterOptions, Consumer, ConsumerOptions, Producer, ProducerOptions, ProducerRecord};
use test_lab::until;
use world::SystemClock;
use zk_paths::ids::TopicPartition;

/// The longest that anything may take.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A runtime for clients.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Finds the broker's cluster.
pub async fn connect(address: &str) -> Cluster {
    Cluster::connect(Arc::new(TcpNetwork), address, ClusterOptions::default()).await.unwrap()
}

/// Makes a topic.
pub async fn create(cluster: &Cluster, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let topic = NewTopic { name: name.into(), partitions: Some(partitions), configs, ..Default::default() };
    let outcomes = Admin::new(cluster.clone()).create_topics(&[topic], LIMIT, false).await.unwrap();
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()), "{outcomes:?}");
}

/// A producer with the defaults.
pub fn producer(cluster: &Cluster) -> Producer {
    Producer::new(cluster.clone(), ProducerOptions::default(), Arc::new(SystemClock::new())).unwrap()
}

/// A record without a key.
pub fn record(topic: &str, partition: i32, value: &str) -> ProducerRecord {
    ProducerRecord {
        topic: topic.into(),
        partition: Some(partition),
        key: None,
        value: Some(value.to_owned().into()),
        headers: Vec::new(),
        timestamp: None,
    }
}

/// All values of a partition, by offset from 0.
pub async fn values(cluster: &Cluster, topic: &str, partition: i32, count: usize) -> Vec<String> {
    values_from(cluster, topic, partition, 0, count).await
}

/// The first values of a partition whose log starts at `start`.
pub async fn values_from(cluster: &Cluster, topic: &str, partition: i32, start: i64, count: usize) -> Vec<String> {
    let mut consumer = Consumer::new(cluster.clone(), ConsumerOptions::default());
    consumer.assign([(TopicPartition::new(topic, partition), Start::Earliest)]);
    let deadline = tokio::time::Instant::now() + LIMIT;
    let mut values = Vec::new();
    while values.len() < count {
        assert!(tokio::time::Instant::now() < deadline, "{topic}-{partition}: {} of {count} records", values.len());
        for record in consumer.poll(Duration::from_millis(200)).await.unwrap_or_default() {
            assert_eq!(record.offset.0, start + values.len() as i64, "offsets have no gap");
            values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
        }
    }
    values
}

/// Waits until each partition of the topic "t" has a leader, or has none, as wanted.
pub fn await_leaders(runtime: &tokio::runtime::Runtime, address: &str, wanted: &[bool]) {
    let mut last = None;
    let reached = until(LIMIT, || {
        last = runtime.block_on(have_leaders(address));
        (last.as_deref() == Some(wanted)).then_some(())
    });
    assert!(reached.is_some(), "{last:?}, not {wanted:?}");
}

async fn have_leaders(address: &str) -> Option<Vec<bool>> {
    let topics = Admin::new(connect(address).await).list_topics().await.unwrap();
    let topic = topics.iter().find(|topic| topic.name == "t")?;
    Some(topic.partitions.iter().map(|partition| partition.leader.is_some()).collect())
}
