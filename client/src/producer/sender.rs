//! The task that sends: takes ready batches, groups them by leader, and settles each with its answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use storage::batch::ProducerFields;
use storage::compression::Codec;
use tokio::time::{self, Instant};
use tracing::debug;
use wire::init_producer_id::InitProducerIdRequest;
use wire::produce::{PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData};
use wire::{ApiKey, ErrorCode, Records, Request, Str};
use zk_paths::ids::{BrokerId, TopicName, TopicPartition};

use super::Shared;
use super::accumulator::{Batch, ProducerIdentity};
use crate::connection::{Call, Connection};
use crate::error::{ClientError, Refusal};

/// A batch that is sent, with the identity that it carries.
struct Sent {
    batch: Batch,
    producer: Option<ProducerFields>,
}

/// What came of one request: the batches with their answers.
struct Answered {
    leader: BrokerId,
    outcomes: Vec<(Sent, Result<PartitionProduceResponse, ClientError>)>,
}

type InFlight = FuturesUnordered<BoxFuture<'static, Answered>>;

/// Sends until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut sender = Sender {
        shared,
        in_flight: InFlight::new(),
        per_leader: HashMap::new(),
        identity: None,
        attempts: HashMap::new(),
    };
    loop {
        let next = sender.send_ready().await;
        let next = next.unwrap_or_else(|| Instant::now() + std::time::Duration::from_secs(3600));
        tokio::select! {
            () = sender.shared.wake.notified() => {}
            () = time::sleep_until(next) => {}
            Some(answered) = sender.in_flight.next() => sender.settle(answered).await,
        }
    }
}

struct Sender {
    shared: Arc<Shared>,
    in_flight: InFlight,
    per_leader: HashMap<BrokerId, usize>,
    /// What partitions without an identity get. Gone when one of them needs a new one.
    identity: Option<ProducerIdentity>,
    /// Failed attempts of a partition's first batch.
    attempts: HashMap<TopicPartition, u32>,
}

impl Sender {
    /// Sends what is ready; answers when to look again.
    async fn send_ready(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let (ready, next) = self.shared.state().records.ready(now);
        let mut by_leader: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        for partition in ready {
            match self.leader(&partition) {
                Some(leader) => by_leader.entry(leader).or_default().push(partition),
                None => self.postpone(&partition).await,
            }
        }
        for (leader, partitions) in by_leader {
            let mut partitions = partitions.into_iter().peekable();
            while partitions.peek().is_some() && self.may_send_to(leader) {
                let batches = self.fill_request(&mut partitions).await;
                self.send_to(leader, batches);
            }
        }
        let retry = self.shared.state().records.ready(Instant::now()).1;
        [next, retry].into_iter().flatten().min()
    }

    fn leader(&self, partition: &TopicPartition) -> Option<BrokerId> {
        let state = self.shared.state();
        let topic = state.topics.get(&partition.topic)?;
        usize::try_from(partition.partition).ok().and_then(|index| topic.leaders.get(index).copied().flatten())
    }

    fn may_send_to(&self, leader: BrokerId) -> bool {
        self.per_leader.get(&leader).copied().unwrap_or(0) < self.shared.options.max_in_flight
    }

    /// The partition has no leader: its first batch waits for other metadata.
    async fn postpone(&mut self, partition: &TopicPartition) {
        let Some(batch) = self.shared.state().records.take(partition) else { return };
        let refusal = Refusal { code: ErrorCode::LeaderNotAvailable, message: None };
        self.again_or_fail(Sent { batch, producer: None }, ClientError::Refused { api: ApiKey::Produce, refusal });
        refresh(&self.shared, &partition.topic).await;
    }

    /// Takes one batch each of as many partitions as fit into a request.
    async fn fill_request(
        &mut self,
        partitions: &mut std::iter::Peekable<impl Iterator<Item = TopicPartition>>,
    ) -> Vec<Sent> {
        let mut batches = Vec::new();
        let mut size = 0;
        while let Some(partition) = partitions.peek() {
            let Some(batch) = self.shared.state().records.take(partition) else {
                partitions.next();
                continue;
            };
            if !batches.is_empty() && size + batch.size() > self.shared.options.max_request_bytes {
                self.shared.state().records.put_back(batch, Instant::now());
                break;
            }
            let partition = partitions.next();
            size += batch.size();
            let producer = match partition {
                Some(partition) if self.shared.options.idempotent => self.identify(&partition).await,
                _ => Ok(None),
            };
            match producer {
                Ok(producer) => batches.push(Sent { batch, producer }),
                Err(error) => self.again_or_fail(Sent { batch, producer: None }, error),
            }
        }
        batches
    }

    /// The producer id and sequence for a partition's next batch, with a new id when it has none.
    async fn identify(&mut self, partition: &TopicPartition) -> Result<Option<ProducerFields>, ClientError> {
        if let Some(fields) = self.shared.state().records.identity(partition) {
            return Ok(Some(fields));
        }
        let identity = match self.identity {
            Some(identity) => identity,
            None => *self.identity.insert(new_identity(&self.shared).await?),
        };
        let mut state = self.shared.state();
        state.records.set_identity(partition, Some(identity));
        Ok(state.records.identity(partition))
    }

    fn send_to(&mut self, leader: BrokerId, batches: Vec<Sent>) {
        if batches.is_empty() {
            return;
        }
        *self.per_leader.entry(leader).or_default() += 1;
        let shared = self.shared.clone();
        self.in_flight
            .push(Box::pin(async move { Answered { leader, outcomes: produce(&shared, leader, batches).await } }));
    }

    async fn settle(&mut self, answered: Answered) {
        if let Some(count) = self.per_leader.get_mut(&answered.leader) {
            *count = count.saturating_sub(1);
        }
        let mut stale: Vec<TopicName> = Vec::new();
        for (sent, outcome) in answered.outcomes {
            let topic = sent.batch.partition.topic.clone();
            let moved = match outcome {
                Ok(answer) => self.settle_one(sent, &answer),
                Err(error) => {
                    self.again_or_fail(sent, error);
                    true
                }
            };
            if moved && !stale.contains(&topic) {
                stale.push(topic);
            }
        }
        self.shared.settled.notify_waiters();
        for topic in stale {
            refresh(&self.shared, &topic).await;
        }
    }

    /// Settles a batch that was answered; answers whether the partition may have moved.
    fn settle_one(&mut self, sent: Sent, answer: &PartitionProduceResponse) -> bool {
        let code = ErrorCode::from(answer.error_code);
        match code {
            // A duplicate is what we wanted: the batch is in the log, once.
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => {
                self.shared.state().records.settle(&sent.batch.partition, sent.batch.record_count());
                self.attempts.remove(&sent.batch.partition);
                sent.batch.delivered(answer.base_offset, answer.log_append_time_ms);
                false
            }
            // The partition has forgotten us (its records were deleted): begin again as somebody new. Not with a batch
            // that may be in the log since an earlier attempt: it could then be there twice.
            ErrorCode::UnknownProducerId if !self.attempts.contains_key(&sent.batch.partition) => {
                self.identity = None;
                self.shared.state().records.set_identity(&sent.batch.partition, None);
                let at = Instant::now();
                self.shared.state().records.put_back(sent.batch, at);
                false
            }
            code => {
                let message = answer.error_message.as_ref().map(|text| text.as_str().to_owned());
                let refusal = Refusal { code, message };
                self.again_or_fail(sent, ClientError::Refused { api: ApiKey::Produce, refusal });
                code.is_retriable()
            }
        }
    }

    /// Puts a batch back when the failure may pass and there is time; else tells that its records are lost.
    fn again_or_fail(&mut self, sent: Sent, error: ClientError) {
        let options = &self.shared.options;
        let partition = sent.batch.partition.clone();
        let attempts = self.attempts.entry(partition.clone()).or_default();
        *attempts += 1;
        let retry_at = Instant::now() + options.retry_backoff;
        let in_time = retry_at < sent.batch.created + options.delivery_timeout && *attempts <= options.retries;
        if error.is_retriable() && in_time {
            debug!(%partition, %error, "produce will be tried again");
            self.shared.state().records.put_back(sent.batch, retry_at);
            return;
        }
        self.attempts.remove(&partition);
        let mut state = self.shared.state();
        state.records.settle(&partition, 0);
        // Whether the batch is in the log is not known, or the broker expects another sequence: with the same producer
        // id the next batch could be refused, or taken for this one.
        let lost_track = [ErrorCode::OutOfOrderSequenceNumber, ErrorCode::UnknownProducerId];
        let certain = matches!(&error, ClientError::Refused { refusal, .. }
            if !refusal.code.is_retriable() && !lost_track.contains(&refusal.code));
        if sent.producer.is_some() && !certain {
            self.identity = None;
            state.records.set_identity(&partition, None);
        }
        drop(state);
        sent.batch.failed(error);
        self.shared.settled.notify_waiters();
    }
}

async fn new_identity(shared: &Shared) -> Result<ProducerIdentity, ClientError> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..InitProducerIdRequest::default()
    };
    let response = shared
        .cluster
        .retry("InitProducerId", || async {
            let connection = shared.cluster.any().await?;
            let response = connection.call_with(&request, Call::default()).await?;
            Refusal::check(response.error_code, None)
                .map_err(|refusal| ClientError::Refused { api: InitProducerIdRequest::KEY, refusal })?;
            Ok(response)
        })
        .await?;
    Ok(ProducerIdentity { id: response.producer_id, epoch: response.producer_epoch })
}

async fn refresh(shared: &Shared, topic: &TopicName) {
    if let Err(error) = shared.refresh(topic).await {
        debug!(%topic, %error, "metadata could not be refreshed");
    }
}

/// Sends one request and pairs every batch with its answer.
async fn produce(
    shared: &Shared,
    leader: BrokerId,
    batches: Vec<Sent>,
) -> Vec<(Sent, Result<PartitionProduceResponse, ClientError>)> {
    match ask(shared, leader, &batches).await {
        Ok(mut answers) => batches
            .into_iter()
            .map(|sent| {
                let answer = answers.remove(&sent.batch.partition).ok_or_else(|| {
                    ClientError::Invalid(format!("Produce was answered without {}", sent.batch.partition))
                });
                (sent, answer)
            })
            .collect(),
        Err(error) => {
            // One error for many batches: each gets its own copy of what matters.
            let copies = batches.iter().map(|_| copy(&error)).collect::<Vec<_>>();
            batches.into_iter().zip(copies).map(|(sent, error)| (sent, Err(error))).collect()
        }
    }
}

fn copy(error: &ClientError) -> ClientError {
    match error {
        ClientError::Refused { api, refusal } => ClientError::Refused { api: *api, refusal: refusal.clone() },
        error if error.is_retriable() => ClientError::Refused {
            api: ApiKey::Produce,
            refusal: Refusal { code: ErrorCode::NetworkException, message: Some(error.to_string()) },
        },
        error => ClientError::Invalid(error.to_string()),
    }
}

async fn ask(
    shared: &Shared,
    leader: BrokerId,
    batches: &[Sent],
) -> Result<HashMap<TopicPartition, PartitionProduceResponse>, ClientError> {
    let connection = shared.cluster.broker(leader).await?;
    check_version(shared, &connection)?;
    let request = request(shared, batches)?;
    let call = Call { max_version: None, timeout: Some(shared.options.request_timeout) };
    if shared.options.acks == 0 {
        connection.send(&request, call).await?;
        let nowhere = PartitionProduceResponse { base_offset: -1, ..PartitionProduceResponse::default() };
        return Ok(batches.iter().map(|sent| (sent.batch.partition.clone(), nowhere.clone())).collect());
    }
    let response = connection.call_with(&request, call).await?;
    let mut answers = HashMap::new();
    for topic in response.responses {
        for answer in topic.partition_responses {
            answers.insert(TopicPartition::new(topic.name.as_str(), answer.index), answer);
        }
    }
    Ok(answers)
}

/// Record batches v2 need Produce 3, zstd needs 7.
fn check_version(shared: &Shared, connection: &Connection) -> Result<(), ClientError> {
    let needed = if shared.options.compression.codec == Codec::Zstd { 7 } else { 3 };
    if connection.version_of::<ProduceRequest>(None)? < needed {
        return Err(ClientError::Unsupported { broker: connection.broker().to_owned(), api: ApiKey::Produce });
    }
    Ok(())
}

fn request(shared: &Shared, batches: &[Sent]) -> Result<ProduceRequest, ClientError> {
    let mut topics: BTreeMap<&str, Vec<PartitionProduceData>> = BTreeMap::new();
    for Sent { batch, producer } in batches {
        let records =
            batch.encode(*producer).map_err(|error| ClientError::Invalid(format!("cannot compress: {error}")))?;
        let data = PartitionProduceData { index: batch.partition.partition, records: Records::Bytes(records) };
        topics.entry(&batch.partition.topic).or_default().push(data);
    }
    let topic = |(name, partition_data)| TopicProduceData { name: Str::from(name), partition_data };
    Ok(ProduceRequest {
        transactional_id: None,
        acks: shared.options.acks,
        timeout_ms: i32::try_from(shared.options.request_timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: topics.into_iter().map(topic).collect(),
    })
}
