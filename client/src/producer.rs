//! A producer after Java's: records gather in batches, one request carries batches of many partitions, repetition keeps
//! order. Idempotent by choice (KIP-98): a repeated batch is stored once. No transactions.
//!
//! [`Producer::send`] waits only for metadata and for memory; the [`Delivery`] it answers says what became of the
//! record. One task per producer sends.

mod accumulator;
mod partitioner;
mod sender;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use storage::batch::Header;
use storage::compression::Compression;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{self, Instant};
use wire::{ApiKey, ErrorCode};
use world::Clock;
use zk_paths::ids::{BrokerId, Offset, TopicName, TopicPartition};

use crate::cluster::Cluster;
use crate::error::{ClientError, Refusal};
use accumulator::{Accumulator, Entry, Outcome, RECORD_OVERHEAD, value_len};
use partitioner::{Sticky, partition_for_key};

/// How a producer works. The defaults are those of Java's.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// 0 none, 1 the leader, -1 all in-sync replicas.
    pub acks: i16,
    /// Stores repeated batches once; needs acks -1.
    pub idempotent: bool,
    /// Time a batch waits for more records.
    pub linger: Duration,
    /// Size at which a batch is full.
    pub batch_bytes: usize,
    /// Memory for all records on their way.
    pub buffer_bytes: usize,
    /// Largest request.
    pub max_request_bytes: usize,
    /// Codec of batches.
    pub compression: Compression,
    /// Longest wait of [`Producer::send`] for metadata and memory.
    pub max_block: Duration,
    /// Time a broker may take to answer.
    pub request_timeout: Duration,
    /// Age at which a record that is not delivered is given up.
    pub delivery_timeout: Duration,
    /// How often a batch is tried again.
    pub retries: u32,
    /// Pause before a batch is tried again.
    pub retry_backoff: Duration,
    /// Requests in flight to one broker.
    pub max_in_flight: usize,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        ProducerOptions {
            acks: -1,
            idempotent: true,
            linger: Duration::ZERO,
            batch_bytes: 16384,
            buffer_bytes: 32 << 20,
            max_request_bytes: 1 << 20,
            compression: Compression::default(),
            max_block: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            retries: i32::MAX as u32,
            retry_backoff: Duration::from_millis(100),
            max_in_flight: 5,
        }
    }
}

/// A record to send.
#[derive(Debug, Clone)]
pub struct ProducerRecord {
    /// Where to.
    pub topic: TopicName,
    /// `None` leaves it to the key, or to chance.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Milliseconds since 1970; `None` is now.
    pub timestamp: Option<i64>,
}

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its partition.
    pub partition: TopicPartition,
    /// [`Offset::NONE`] with acks 0.
    pub offset: Offset,
    /// The broker's time, when the topic uses that.
    pub log_append_time: Option<i64>,
}

/// Comes true when the record is delivered or lost. May be dropped.
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Outcome>);

impl Future for Delivery {
    type Output = Result<Delivered, Arc<ClientError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|outcome| {
            outcome.unwrap_or_else(|_| Err(Arc::new(ClientError::Invalid("the producer was dropped".to_owned()))))
        })
    }
}

/// A producer. Share it by reference; records of one caller to one partition stay in order.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    sender: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    cluster: Cluster,
    options: ProducerOptions,
    clock: Arc<dyn Clock>,
    room: Arc<Semaphore>,
    state: Mutex<State>,
    /// The sender looks again.
    wake: Notify,
    /// Something was settled.
    settled: Notify,
}

#[derive(Debug)]
struct State {
    topics: HashMap<TopicName, TopicState>,
    records: Accumulator,
    flushing: usize,
    closed: bool,
}

/// A topic as the last metadata had it.
#[derive(Debug, Default)]
struct TopicState {
    leaders: Vec<Option<BrokerId>>,
    sticky: Sticky,
}

impl TopicState {
    fn available(&self) -> Vec<i32> {
        let led: Vec<i32> =
            (0..).zip(&self.leaders).filter(|(_, leader)| leader.is_some()).map(|(partition, _)| partition).collect();
        if led.is_empty() { (0..).take(self.leaders.len()).collect() } else { led }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn change_flushing(&self, change: impl Fn(usize) -> usize) {
        let mut state = self.state();
        state.flushing = change(state.flushing);
        state.records.draining = state.flushing > 0;
        drop(state);
        self.wake.notify_one();
    }

    /// Asks for the topic's partitions; creates it where the cluster does that.
    async fn refresh(&self, topic: &TopicName) -> Result<(), ClientError> {
        let response = self.cluster.metadata(Some(&[topic]), true).await?;
        for each in &response.topics {
            Refusal::check(each.error_code, None)
                .map_err(|refusal| ClientError::Refused { api: ApiKey::Metadata, refusal })?;
            let count = each.partitions.iter().map(|partition| partition.partition_index + 1).max().unwrap_or(0);
            let mut leaders = vec![None; usize::try_from(count).unwrap_or(0)];
            for partition in &each.partitions {
                let slot = usize::try_from(partition.partition_index).ok().and_then(|index| leaders.get_mut(index));
                if let Some(slot) = slot {
                    *slot = (partition.leader_id >= 0).then_some(BrokerId(partition.leader_id));
                }
            }
            self.state().topics.entry(topic.clone()).or_default().leaders = leaders;
        }
        Ok(())
    }
}

impl Producer {
    /// Starts a producer on this cluster.
    pub fn new(cluster: Cluster, options: ProducerOptions, clock: Arc<dyn Clock>) -> Result<Producer, ClientError> {
        if options.idempotent && options.acks != -1 {
            let text = "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee \
                        idempotence.";
            return Err(ClientError::Invalid(text.to_owned()));
        }
        let records = Accumulator::new(options.batch_bytes, options.linger, options.compression);
        let room = options.buffer_bytes.min(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            cluster,
            clock,
            room: Arc::new(Semaphore::new(room)),
            state: Mutex::new(State { topics: HashMap::new(), records, flushing: 0, closed: false }),
            wake: Notify::new(),
            settled: Notify::new(),
            options,
        });
        let sender = tokio::spawn(sender::run(shared.clone()));
        Ok(Producer { shared, sender: Some(sender) })
    }

    /// Hands a record over. Waits for metadata and memory, not for the delivery.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery, ClientError> {
        let headers: usize = record.headers.iter().map(|header| header.key.len() + value_len(&header.value) + 10).sum();
        let size = RECORD_OVERHEAD + value_len(&record.key) + value_len(&record.value) + headers;
        let limit = self.shared.options.max_request_bytes;
        if size > limit {
            let text = format!(
                "The message is {size} bytes when serialized which is larger than {limit}, which is the value of the \
                 max.request.size configuration."
            );
            return Err(ClientError::Invalid(text));
        }
        let max_block = self.shared.options.max_block;
        let gave_up = |what: &str, last: &str| ClientError::GaveUp {
            what: what.to_owned(),
            timeout: max_block,
            last: last.to_owned(),
        };
        time::timeout(max_block, self.know_topic(&record.topic, record.partition))
            .await
            .map_err(|_| gave_up("metadata of the topic", &format!("topic {} is not there", record.topic)))??;
        let room = self.shared.room.clone().acquire_many_owned(u32::try_from(size).unwrap_or(u32::MAX));
        let room = time::timeout(max_block, room).await;
        let room = match room {
            Ok(Ok(room)) => room,
            _ => return Err(gave_up("room for the record", "the producer's memory is full")),
        };
        let timestamp = record.timestamp.unwrap_or_else(|| self.shared.clock.now_ms());
        let (reply, delivery) = oneshot::channel();
        let entry = Entry { timestamp, key: record.key, value: record.value, headers: record.headers, reply, room };
        self.enqueue(&record.topic, record.partition, entry)?;
        Ok(Delivery(delivery))
    }

    /// Waits until everything sent before has been delivered or lost.
    pub async fn flush(&self) {
        let _draining = Draining::begin(&self.shared);
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.shared.state().records.is_idle() {
                return;
            }
            settled.await;
        }
    }

    /// Flushes and stops. Records sent by others meanwhile are refused.
    pub async fn close(mut self) {
        self.shared.state().closed = true;
        self.flush().await;
        if let Some(sender) = self.sender.take() {
            sender.abort();
        }
    }

    /// Makes sure that the topic, and the partition if one is named, is in the metadata.
    async fn know_topic(&self, topic: &TopicName, partition: Option<i32>) -> Result<(), ClientError> {
        loop {
            let known = self.shared.state().topics.get(topic).map_or(0, |topic| topic.leaders.len());
            let wanted = partition.map_or(1, |partition| usize::try_from(partition).map_or(0, |index| index + 1));
            if known > 0 && wanted == 0 {
                return Err(ClientError::Invalid(format!("Invalid partition for topic {topic}")));
            }
            if known >= wanted.max(1) {
                return Ok(());
            }
            match self.shared.refresh(topic).await {
                // A topic that has just been created is not everywhere yet.
                Err(error) if !error.is_retriable() => return Err(error),
                Ok(()) | Err(_) => time::sleep(self.shared.options.retry_backoff).await,
            }
        }
    }

    fn enqueue(&self, name: &TopicName, partition: Option<i32>, entry: Entry) -> Result<(), ClientError> {
        let mut state = self.shared.state();
        if state.closed {
            return Err(ClientError::Invalid("the producer is closed".to_owned()));
        }
        let State { topics, records, .. } = &mut *state;
        let topic = topics.entry(name.clone()).or_default();
        let sticky = partition.is_none() && entry.key.is_none();
        let chosen = match (partition, &entry.key) {
            (Some(partition), _) => Some(partition),
            (None, Some(key)) => partition_for_key(key, topic.leaders.len()),
            (None, None) => topic.sticky.pick(&topic.available()),
        };
        let no_partition = ClientError::Refused {
            api: ApiKey::Produce,
            refusal: Refusal { code: ErrorCode::UnknownTopicOrPartition, message: None },
        };
        let partition = TopicPartition::new(name.clone(), chosen.ok_or(no_partition)?);
        let filled = records.append(&partition, entry, Instant::now());
        if filled && sticky {
            let available = topic.available();
            topic.sticky.move_on(&available);
        }
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }
}

/// While somebody flushes, batches do not wait for linger.
struct Draining<'a>(&'a Shared);

impl<'a> Draining<'a> {
    fn begin(shared: &'a Shared) -> Draining<'a> {
        shared.change_flushing(|count| count + 1);
        Draining(shared)
    }
}

impl Drop for Draining<'_> {
    fn drop(&mut self) {
        self.0.change_flushing(|count| count.saturating_sub(1));
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.abort();
        }
    }
}

#[cfg(test)]
mod tests;
