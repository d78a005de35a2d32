//! Records on their way to their partitions: a queue of batches for each. Pure: time comes in as an argument.
//!
//! A partition has at most one batch in flight; the others wait behind it. That keeps records in order whatever is
//! repeated, and means that a sequence number is given only when all earlier ones are settled.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::batch::{BatchBuilder, Header, ProducerFields};
use storage::compression::Compression;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
use zk_paths::ids::TopicPartition;

use super::Delivered;
use crate::error::ClientError;

/// What became of one record.
pub(super) type Outcome = Result<Delivered, Arc<ClientError>>;

/// Bytes of a record beside key, value and headers, at most.
pub(super) const RECORD_OVERHEAD: usize = 21 + 5 * 3;

/// All queues.
#[derive(Debug)]
pub(super) struct Accumulator {
    batch_bytes: usize,
    linger: Duration,
    compression: Compression,
    queues: HashMap<TopicPartition, Queue>,
    /// Everything is ready at once.
    pub draining: bool,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    in_flight: bool,
    retry_at: Option<Instant>,
    producer: Option<ProducerIdentity>,
    next_sequence: i32,
}

/// What an idempotent producer puts into its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProducerIdentity {
    pub id: i64,
    pub epoch: i16,
}

/// Records of one partition that travel together.
#[derive(Debug)]
pub(super) struct Batch {
    pub partition: TopicPartition,
    pub created: Instant,
    builder: BatchBuilder,
    waiting: Vec<oneshot::Sender<Outcome>>,
    room: Option<OwnedSemaphorePermit>,
}

/// A record to be put into a batch.
#[derive(Debug)]
pub(super) struct Entry {
    pub timestamp: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    pub reply: oneshot::Sender<Outcome>,
    /// Its share of the producer's memory, free again when the batch is.
    pub room: OwnedSemaphorePermit,
}

impl Entry {
    /// Upper bound of what it takes in a batch.
    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|header| header.key.len() + value_len(&header.value) + 10).sum();
        RECORD_OVERHEAD + value_len(&self.key) + value_len(&self.value) + headers
    }
}

pub(super) fn value_len(value: &Option<Bytes>) -> usize {
    value.as_ref().map_or(0, Bytes::len)
}

impl Accumulator {
    pub fn new(batch_bytes: usize, linger: Duration, compression: Compression) -> Accumulator {
        Accumulator { batch_bytes, linger, compression, queues: HashMap::new(), draining: false }
    }

    /// Appends to the partition's last batch, or to a new one when that is full. Answers whether a batch became full.
    pub fn append(&mut self, partition: &TopicPartition, entry: Entry, now: Instant) -> bool {
        let queue = self.queues.entry(partition.clone()).or_default();
        // The first batch may be in flight: taken batches are not in the queue, put back ones are not added to.
        let fits = queue.batches.back().is_some_and(|batch| {
            !batch.is_sealed(queue.retry_at, queue.batches.len())
                && batch.builder.uncompressed_size() + entry.size() <= self.batch_bytes
        });
        let filled = !fits && !queue.batches.is_empty();
        if !fits {
            queue.batches.push_back(Batch {
                partition: partition.clone(),
                created: now,
                builder: BatchBuilder::new().compression(self.compression),
                waiting: Vec::new(),
                room: None,
            });
        }
        let Some(batch) = queue.batches.back_mut() else { return filled };
        batch.builder.append(entry.timestamp, entry.key.as_deref(), entry.value.as_deref(), &entry.headers);
        batch.waiting.push(entry.reply);
        match &mut batch.room {
            Some(room) => room.merge(entry.room),
            none => *none = Some(entry.room),
        }
        filled || batch.builder.uncompressed_size() >= self.batch_bytes
    }

    /// Partitions whose first batch may go now, the longest waiting first, and when to look again.
    pub fn ready(&self, now: Instant) -> (Vec<TopicPartition>, Option<Instant>) {
        let mut ready = Vec::new();
        let mut next: Option<Instant> = None;
        for queue in self.queues.values().filter(|queue| !queue.in_flight) {
            let Some(first) = queue.batches.front() else { continue };
            let full = queue.batches.len() > 1 || first.builder.uncompressed_size() >= self.batch_bytes;
            let lingered = if full || self.draining { first.created } else { first.created + self.linger };
            let at = queue.retry_at.unwrap_or(lingered);
            if at <= now {
                ready.push((first.created, first.partition.clone()));
            } else {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        ready.sort();
        (ready.into_iter().map(|(_, partition)| partition).collect(), next)
    }

    /// Takes the first batch; the partition waits until it is settled or put back.
    pub fn take(&mut self, partition: &TopicPartition) -> Option<Batch> {
        let queue = self.queues.get_mut(partition).filter(|queue| !queue.in_flight)?;
        let batch = queue.batches.pop_front()?;
        queue.in_flight = true;
        queue.retry_at = None;
        Some(batch)
    }

    /// Puts a batch back to the front, to be tried again at this time.
    pub fn put_back(&mut self, batch: Batch, retry_at: Instant) {
        let queue = self.queues.entry(batch.partition.clone()).or_default();
        queue.in_flight = false;
        queue.retry_at = Some(retry_at);
        queue.batches.push_front(batch);
    }

    /// The batch in flight is settled. Its sequence numbers are used up when the broker took them.
    pub fn settle(&mut self, partition: &TopicPartition, taken_records: i32) {
        if let Some(queue) = self.queues.get_mut(partition) {
            queue.in_flight = false;
            // Sequences wrap to 0 behind the largest number (DefaultRecordBatch.incrementSequence).
            queue.next_sequence = (queue.next_sequence.wrapping_add(taken_records)) & i32::MAX;
        }
    }

    /// The identity that a partition's batches carry, with the sequence of the next record.
    pub fn identity(&self, partition: &TopicPartition) -> Option<ProducerFields> {
        let queue = self.queues.get(partition)?;
        let ProducerIdentity { id, epoch } = queue.producer?;
        Some(ProducerFields { id, epoch, base_sequence: queue.next_sequence })
    }

    /// Gives a partition a new identity, or none; its sequence numbers begin again.
    pub fn set_identity(&mut self, partition: &TopicPartition, producer: Option<ProducerIdentity>) {
        let queue = self.queues.entry(partition.clone()).or_default();
        queue.producer = producer;
        queue.next_sequence = 0;
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.queues.values().all(|queue| queue.batches.is_empty() && !queue.in_flight)
    }
}

impl Batch {
    /// A batch that was sent once may be in the log already and must stay as it is.
    fn is_sealed(&self, retry_at: Option<Instant>, queued: usize) -> bool {
        retry_at.is_some() && queued == 1
    }

    /// The bytes to send. The same bytes for the same identity, however often they are asked for.
    pub fn encode(&self, producer: Option<ProducerFields>) -> std::io::Result<Bytes> {
        let builder = self.builder.clone();
        match producer {
            Some(producer) => builder.producer(producer).build(),
            None => builder.build(),
        }
    }

    pub fn record_count(&self) -> i32 {
        self.builder.record_count()
    }

    /// Upper bound of the encoded size.
    pub fn size(&self) -> usize {
        self.builder.uncompressed_size()
    }

    /// Tells everybody where the records are; -1 stands for "not known".
    pub fn delivered(self, base_offset: i64, log_append_time: i64) {
        for (index, reply) in (0..).zip(self.waiting) {
            let offset = if base_offset < 0 { -1 } else { base_offset + index };
            let delivered = Delivered {
                partition: self.partition.clone(),
                offset: offset.into(),
                log_append_time: (log_append_time >= 0).then_some(log_append_time),
            };
            // Nobody has to wait for a delivery.
            let _ = reply.send(Ok(delivered));
        }
    }

    /// Tells everybody that the records are lost.
    pub fn failed(self, error: ClientError) {
        let error = Arc::new(error);
        for reply in self.waiting {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    fn entry(room: &Arc<Semaphore>, size: usize) -> Entry {
        let room = room.clone().try_acquire_owned().unwrap();
        let (reply, _) = oneshot::channel();
        Entry { timestamp: 1, key: None, value: Some(vec![0; size].into()), headers: Vec::new(), reply, room }
    }

    fn accumulator(linger_ms: u64) -> (Accumulator, TopicPartition, Instant, Arc<Semaphore>) {
        let linger = Duration::from_millis(linger_ms);
        let all = Accumulator::new(1000, linger, Compression::default());
        (all, TopicPartition::new("t", 0), Instant::now(), Arc::new(Semaphore::new(10)))
    }

    #[test]
    fn a_batch_waits_for_linger_unless_it_is_full_or_draining() {
        let (mut all, partition, now, room) = accumulator(5);
        let later = now + Duration::from_millis(5);
        all.append(&partition, entry(&room, 10), now);
        assert_eq!(all.ready(now), (vec![], Some(later)));
        assert_eq!(all.ready(later), (vec![partition.clone()], None));
        all.draining = true;
        assert_eq!(all.ready(now).0.len(), 1);
        all.draining = false;
        assert!(all.append(&partition, entry(&room, 990), now), "the first batch is full now");
        assert_eq!(all.ready(now).0.len(), 1);
    }

    #[test]
    fn one_batch_of_a_partition_is_in_flight_and_order_is_kept() {
        let (mut all, partition, now, room) = accumulator(0);
        for size in [600, 610, 620] {
            all.append(&partition, entry(&room, size), now);
        }
        let first = all.take(&partition).unwrap();
        assert!(all.take(&partition).is_none());
        assert_eq!(all.ready(now).0, []);
        let size = first.size();
        let retry_at = now + Duration::from_millis(100);
        all.put_back(first, retry_at);
        assert_eq!(all.ready(now), (vec![], Some(retry_at)));
        assert_eq!(all.take(&partition).unwrap().size(), size, "the same batch again");
        all.settle(&partition, 1);
        assert!(all.take(&partition).unwrap().size() > size);
        all.settle(&partition, 1);
        assert!(!all.is_idle());
    }

    #[test]
    fn a_batch_that_was_sent_is_not_added_to() {
        let (mut all, partition, now, room) = accumulator(0);
        all.append(&partition, entry(&room, 10), now);
        let sent = all.take(&partition).unwrap();
        all.put_back(sent, now);
        all.append(&partition, entry(&room, 10), now);
        assert_eq!(all.take(&partition).unwrap().record_count(), 1);
    }

    #[test]
    fn sequences_follow_what_the_broker_took() {
        let (mut all, partition, now, room) = accumulator(0);
        all.append(&partition, entry(&room, 1), now);
        assert_eq!(all.identity(&partition), None);
        all.set_identity(&partition, Some(ProducerIdentity { id: 7, epoch: 0 }));
        all.take(&partition).unwrap();
        all.settle(&partition, 3);
        assert_eq!(all.identity(&partition).unwrap().base_sequence, 3);
        all.settle(&partition, i32::MAX - 2);
        assert_eq!(all.identity(&partition).unwrap().base_sequence, 0, "wraps");
    }
}
