//! Fetch, v0–17: records from the page cache, at once or when there are enough of them.
//!
//! - up to v2 a batch larger than the limits is not sent; from v3 the first partition with data sends one whole batch.
//! - v4+: isolation level; `aborted_transactions` is null unless the client reads committed data only.
//! - v7+: incremental sessions (`replica/fetch_session.rs`). v9+: the leader epoch is checked. v12+: the epoch of the last
//!   fetched record is checked and answered with a diverging epoch. v13+: topics by id.
//! - up to v5 KAFKA_STORAGE_ERROR is shown as NOT_LEADER_OR_FOLLOWER; before v10 a zstd topic is refused.
//! - v16+: NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH name the leader and where it listens.
//! - v0–1 get record format 0, v2–3 format 1: batches of format 2 are converted, lazily, while the answer is sent
//!   (`storage::convert`); UNSUPPORTED_VERSION if `message.downconversion.enable` forbids it, UNSUPPORTED_COMPRESSION_TYPE for
//!   zstd. Whether that is necessary is believed of the topic's settings, not looked up in the log.
//! - Followers (replica id ≥ 0) are refused with REPLICA_NOT_AVAILABLE until replication is built.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use storage::Log;
use storage::convert::DownConversion;
use wire::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartition, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use wire::{ErrorCode, FetchRequest, FetchResponse, Records, Uuid};
use zk_paths::ids::{LeaderEpoch, Offset, TopicName};

use crate::locks::lock;
use super::Context;
use crate::broker::Broker;
use crate::error_mapping;
use crate::net::{Content, Piecewise, Reply};
use crate::replica::fetch_session::{self, Context as Session, Target, Told, TopicKey, Wanted};
use crate::replica::partition::{Isolation, Partition, Read, ReadLimits};
use crate::replica::waiters::Waiter;

/// First version whose clients can read zstd.
const ZSTD: i16 = 10;
/// First version whose clients read batches of version 2.
const BATCHES_V2: i16 = 4;

/// Answers a Fetch request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: FetchRequest) -> Reply {
    let session = place(broker, context, &request);
    let fetch = Fetching::new(broker, context, &request);
    let mut answer = Answer::new(broker, context);
    let session_id = match session {
        Session::Refused(error) => {
            let response = FetchResponse { error_code: error.code(), ..Default::default() };
            return context.reply(&response, Vec::new());
        }
        Session::Sessionless(wanted) => {
            let (targets, outcomes) = fetch.all(wanted, wait(&request)).await;
            let outcomes = fetch.converted(&targets, outcomes).await;
            answer.add_all(targets, outcomes);
            fetch_session::NO_SESSION
        }
        Session::Full(wanted) => {
            let (targets, outcomes) = fetch.all(wanted, wait(&request)).await;
            let told = targets.iter().map(|target| target.wanted.clone()).zip(outcomes.iter().map(Outcome::told));
            let follower = replica_id(context, &request) >= 0;
            let (now, draw) = (broker.clock.monotonic(), broker.random_i32());
            let id = broker.fetch_sessions.open(told.collect(), context.api_version >= 13, follower, now, draw);
            answer.add_all(targets, outcomes);
            id
        }
        Session::Incremental { id, session } => {
            let (targets, outcomes) = fetch.news(&session, wait(&request)).await;
            let mut session = lock(&session);
            for (target, outcome) in targets.into_iter().zip(outcomes) {
                if session.tell(target.number, &outcome.told()) {
                    answer.add(&target.wanted, outcome);
                }
            }
            id
        }
    };
    answer.finish(session_id)
}

fn wait(request: &FetchRequest) -> Duration {
    Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0))
}

fn replica_id(context: &Context<'_>, request: &FetchRequest) -> i32 {
    if context.api_version >= 15 { request.replica_state.replica_id } else { request.replica_id }
}

fn place(broker: &Broker, context: &Context<'_>, request: &FetchRequest) -> Session {
    let by_topic_id = context.api_version >= 13;
    let key = |name: &wire::Str, id: Uuid| if by_topic_id { TopicKey::Id(id) } else { TopicKey::Name(name.into()) };
    let mut wanted = Vec::new();
    for topic in &request.topics {
        let topic_key = key(&topic.topic, topic.topic_id);
        wanted.extend(topic.partitions.iter().map(|partition| want(topic_key.clone(), partition)));
    }
    let forgotten: Vec<(TopicKey, i32)> = request
        .forgotten_topics_data
        .iter()
        .flat_map(|topic| {
            let topic_key = key(&topic.topic, topic.topic_id);
            topic.partitions.iter().map(move |partition| (topic_key.clone(), *partition))
        })
        .collect();
    let epoch = if context.api_version >= 7 { request.session_epoch } else { fetch_session::FINAL_EPOCH };
    let now = broker.clock.monotonic();
    broker.fetch_sessions.context((request.session_id, epoch), by_topic_id, wanted, &forgotten, now)
}

fn want(topic: TopicKey, partition: &FetchPartition) -> Wanted {
    Wanted {
        topic,
        partition: partition.partition,
        fetch_offset: partition.fetch_offset,
        max_bytes: partition.partition_max_bytes,
        // Fetch takes anything negative for "not known" (`FetchRequest.optionalEpoch`), other APIs only -1.
        current_leader_epoch: partition.current_leader_epoch.max(LeaderEpoch::NONE.0),
        last_fetched_epoch: partition.last_fetched_epoch,
        log_start_offset: partition.log_start_offset,
    }
}

/// One partition's answer.
struct Outcome {
    error: ErrorCode,
    read: Option<Read>,
    /// The records in a format that the consumer knows.
    converted: Option<DownConversion>,
}

impl Outcome {
    fn failed(error: ErrorCode) -> Outcome {
        Outcome { error, read: None, converted: None }
    }

    fn bytes(&self) -> usize {
        self.read.as_ref().and_then(|read| read.region.as_ref()).map_or(0, |region| region.len)
    }

    fn diverges(&self) -> bool {
        self.read.as_ref().is_some_and(|read| read.diverging.is_some())
    }

    fn told(&self) -> Told {
        Told {
            error: self.error,
            records_bytes: self.bytes(),
            high_watermark: self.read.as_ref().map_or(-1, |read| read.high_watermark.0),
            log_start_offset: self.read.as_ref().map_or(-1, |read| read.log_start_offset.0),
            redirects: self.diverges(),
        }
    }
}

type Targets = Vec<Target<Arc<Partition>>>;

/// A fetch under way.
struct Fetching<'a> {
    broker: &'a Arc<Broker>,
    context: &'a Context<'a>,
    follower: bool,
    isolation: Isolation,
    min_bytes: usize,
    max_bytes: usize,
}

impl<'a> Fetching<'a> {
    fn new(broker: &'a Arc<Broker>, context: &'a Context<'a>, request: &FetchRequest) -> Fetching<'a> {
        let follower = replica_id(context, request) >= 0;
        let asked = if context.api_version >= 3 { request.max_bytes } else { i32::MAX };
        let max_bytes = usize::try_from(asked).unwrap_or(0).min(broker.config.fetch.max_bytes as usize);
        let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0).min(max_bytes);
        let isolation = match request.isolation_level {
            1 => Isolation::ReadCommitted,
            _ => Isolation::ReadUncommitted,
        };
        Fetching { broker, context, follower, isolation, min_bytes, max_bytes }
    }

    /// Reads all of them; waits for more when that is too little; reads again.
    async fn all(&self, wanted: Vec<Wanted>, wait: Duration) -> (Targets, Vec<Outcome>) {
        let target = |wanted| Target { number: 0, partition: find(self.broker, &wanted, self.follower), wanted };
        let targets: Targets = wanted.into_iter().map(target).collect();
        let mut outcomes = self.read(&targets).await;
        if wait.is_zero() || targets.is_empty() {
            return (targets, outcomes);
        }
        self.context.origin.park();
        let deadline = deadline(wait);
        while let Some(missing) = self.missing(&outcomes) {
            let waiter = Waiter::new(missing);
            let partitions = targets.iter().filter_map(|target| target.partition.as_ref().ok());
            let _registered: Vec<_> = partitions.map(|partition| partition.waiters().register(&waiter)).collect();
            // Between the read and the registration an append may have gone by: look again before sleeping.
            outcomes = self.read(&targets).await;
            if self.missing(&outcomes).is_none() {
                break;
            }
            let timed_out = tokio::time::timeout_at(deadline, waiter.woken()).await.is_err();
            outcomes = self.read(&targets).await;
            if timed_out {
                break;
            }
        }
        (targets, outcomes)
    }

    /// Reads what has news in the session; waits for more when that is too little; reads again.
    async fn news(&self, session: &Mutex<fetch_session::Session>, wait: Duration) -> (Targets, Vec<Outcome>) {
        let news = lock(session).news();
        let deadline = deadline(wait);
        loop {
            let find = |wanted: &Wanted| find(self.broker, wanted, self.follower);
            let targets = lock(session).look(find, |partition| partition.waiters());
            let outcomes = self.read(&targets).await;
            let Some(missing) = self.missing(&outcomes).filter(|_| tokio::time::Instant::now() < deadline) else {
                return (targets, outcomes);
            };
            self.context.origin.park();
            let waiter = Waiter::new(missing);
            news.wake(Some(waiter.clone()));
            // News that came after the look, and before the waiter was there to be woken, is still in the list.
            if news.is_empty() {
                // Whether woken or too late, the next round looks at what there is.
                let _ = tokio::time::timeout_at(deadline, waiter.woken()).await;
            }
            news.wake(None);
        }
    }

    /// How many bytes are missing; `None` when the answer can go out.
    fn missing(&self, outcomes: &[Outcome]) -> Option<i64> {
        let urgent = outcomes.iter().any(|outcome| outcome.error != ErrorCode::None || outcome.diverges());
        let bytes: usize = outcomes.iter().map(Outcome::bytes).sum();
        (!urgent && bytes < self.min_bytes).then(|| (self.min_bytes - bytes) as i64)
    }

    /// Reads all of them. What has to come from the disk to find a batch is brought by a blocking thread first.
    async fn read(&self, targets: &Targets) -> Vec<Outcome> {
        let cold: Vec<(Arc<Log>, Offset)> = targets.iter().filter_map(cold).collect();
        if !cold.is_empty() {
            let warming = tokio::task::spawn_blocking(move || cold.iter().for_each(|(log, offset)| log.warm(*offset)));
            // Whatever went wrong, the read says it.
            let _ = warming.await;
        }
        self.read_cached(targets)
    }

    fn read_cached(&self, targets: &Targets) -> Vec<Outcome> {
        let mut left = self.max_bytes;
        let mut whole_batch = self.context.api_version >= 3;
        let mut outcomes = Vec::with_capacity(targets.len());
        for target in targets {
            let outcome = match &target.partition {
                Err(error) => Outcome::failed(*error),
                Ok(partition) => self.read_one(partition, &target.wanted, left, whole_batch),
            };
            if outcome.bytes() > 0 {
                whole_batch = false;
                left = left.saturating_sub(outcome.bytes());
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    fn read_one(&self, partition: &Partition, wanted: &Wanted, left: usize, whole_batch: bool) -> Outcome {
        let max_bytes = usize::try_from(wanted.max_bytes).unwrap_or(0).min(left);
        let limits = ReadLimits { max_bytes, whole_batch, isolation: self.isolation };
        let offset = wanted.fetch_offset.into();
        match partition.read(offset, wanted.current_leader_epoch, wanted.last_fetched_epoch, &limits) {
            Err(error) => Outcome::failed(error),
            Ok(read) if self.context.api_version < ZSTD && partition.is_zstd() => {
                drop(read);
                Outcome::failed(ErrorCode::UnsupportedCompressionType)
            }
            Ok(read) => Outcome { error: ErrorCode::None, read: Some(read), converted: None },
        }
    }
}

impl Fetching<'_> {
    /// Makes records fit for consumers that do not know all formats. The first batches are read and converted here.
    async fn converted(&self, targets: &Targets, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        if self.context.api_version >= BATCHES_V2 {
            return outcomes;
        }
        let mut converted = Vec::with_capacity(outcomes.len());
        for (target, outcome) in targets.iter().zip(outcomes) {
            converted.push(self.converted_one(target, outcome).await);
        }
        converted
    }

    async fn converted_one(&self, target: &Target<Arc<Partition>>, mut outcome: Outcome) -> Outcome {
        let Ok(partition) = &target.partition else { return outcome };
        let Some(magic) = partition.down_convert_to(self.context.api_version) else { return outcome };
        if partition.is_zstd() {
            return outcome;
        }
        if !partition.may_down_convert() {
            return Outcome::failed(ErrorCode::UnsupportedVersion);
        }
        let Some(region) = outcome.read.as_mut().and_then(|read| read.region.take()) else { return outcome };
        let memory = self.broker.replicas.logs().conversion_memory().clone();
        let (stored, first_offset) = (region.position..region.position + region.len as u64, target.wanted.fetch_offset);
        let begin = move || DownConversion::begin(region.file, stored, magic, first_offset, memory);
        match tokio::task::spawn_blocking(begin).await {
            Ok(Ok(conversion)) => Outcome { converted: Some(conversion), ..outcome },
            Ok(Err(error)) => Outcome::failed(error_mapping::conversion_refused(partition.name(), &error)),
            Err(_) => Outcome::failed(ErrorCode::UnknownServerError),
        }
    }
}

impl Piecewise for DownConversion {
    fn promised(&self) -> usize {
        self.len()
    }

    fn next_piece(&mut self) -> std::io::Result<bytes::Bytes> {
        DownConversion::next_piece(self)
    }
}

/// The log of a partition in which finding the wanted offset has to wait for the disk.
fn cold(target: &Target<Arc<Partition>>) -> Option<(Arc<Log>, Offset)> {
    let (log, offset) = (target.partition.as_ref().ok()?.log(), target.wanted.fetch_offset.into());
    log.is_cold(offset).then_some((log, offset))
}

/// A deadline further away than a month is none: the timer's range is bounded.
fn deadline(wait: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + wait.min(Duration::from_secs(30 * 24 * 3600))
}

fn find(broker: &Broker, wanted: &Wanted, follower: bool) -> Result<Arc<Partition>, ErrorCode> {
    let partition = match &wanted.topic {
        TopicKey::Name(name) => broker.partition(name, wanted.partition)?,
        TopicKey::Id(id) => {
            let name: TopicName = broker.metadata.topic_name(*id).ok_or(ErrorCode::UnknownTopicId)?;
            let partition = broker.partition(&name, wanted.partition)?;
            if partition.topic_id() != *id {
                return Err(ErrorCode::InconsistentTopicId);
            }
            partition
        }
    };
    // Alone in its cluster this broker has no followers: none is one of the partition's replicas.
    if follower { Err(ErrorCode::NotLeaderOrFollower) } else { Ok(partition) }
}

/// The response as it grows: neighbours of one topic share an entry.
struct Answer<'a> {
    broker: &'a Broker,
    context: &'a Context<'a>,
    responses: Vec<FetchableTopicResponse>,
    last_topic: Option<TopicKey>,
    contents: Vec<Content>,
    node_endpoints: Vec<NodeEndpoint>,
}

impl<'a> Answer<'a> {
    fn new(broker: &'a Broker, context: &'a Context<'a>) -> Answer<'a> {
        Answer {
            broker,
            context,
            responses: Vec::new(),
            last_topic: None,
            contents: Vec::new(),
            node_endpoints: Vec::new(),
        }
    }

    fn add_all(&mut self, targets: Targets, outcomes: Vec<Outcome>) {
        targets.iter().zip(outcomes).for_each(|(target, outcome)| self.add(&target.wanted, outcome));
    }

    fn add(&mut self, wanted: &Wanted, outcome: Outcome) {
        let data = self.partition(wanted, outcome);
        if self.last_topic.as_ref() != Some(&wanted.topic) {
            self.last_topic = Some(wanted.topic.clone());
            self.responses.push(match &wanted.topic {
                TopicKey::Name(name) => FetchableTopicResponse { topic: name.into(), ..Default::default() },
                TopicKey::Id(id) => FetchableTopicResponse { topic_id: *id, ..Default::default() },
            });
        }
        if let Some(topic) = self.responses.last_mut() {
            topic.partitions.push(data);
        }
    }

    fn partition(&mut self, wanted: &Wanted, outcome: Outcome) -> PartitionData {
        let error_code = shown(outcome.error, self.context.api_version).code();
        let mut data = PartitionData {
            partition_index: wanted.partition,
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            records: Records::Bytes(bytes::Bytes::new()),
            ..Default::default()
        };
        let Some(read) = outcome.read else {
            if matches!(outcome.error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
                self.name_leader(wanted, &mut data);
            }
            // Empty for what is not there, null for what could not be read, as in Kafka.
            if !matches!(outcome.error, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) {
                data.aborted_transactions = None;
            }
            return data;
        };
        data.high_watermark = read.high_watermark.0;
        data.last_stable_offset = read.last_stable_offset.0;
        data.log_start_offset = read.log_start_offset.0;
        if let Some((epoch, end_offset)) = read.diverging {
            data.diverging_epoch = EpochEndOffset { epoch: epoch.0, end_offset: end_offset.0 };
        }
        data.aborted_transactions = read.aborted.map(|aborted| {
            let entry = |(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset };
            aborted.into_iter().map(entry).collect()
        });
        let region = read.region.map(|region| (region.len, Content::Region(region)));
        let converted = outcome.converted.map(|converted| (converted.len(), Content::Made(Box::new(converted))));
        if let Some((len, content)) = region.or(converted) {
            data.records = Records::External { len };
            self.contents.push(content);
        }
        data
    }

    fn name_leader(&mut self, wanted: &Wanted, data: &mut PartitionData) {
        if self.context.api_version < 16 {
            return;
        }
        let name = match &wanted.topic {
            TopicKey::Name(name) => Some(name.clone()),
            TopicKey::Id(id) => self.broker.metadata.topic_name(*id),
        };
        let Some(info) = name.and_then(|name| self.broker.metadata.partition(&name, wanted.partition)) else { return };
        data.current_leader = LeaderIdAndEpoch { leader_id: info.leader.0, leader_epoch: info.leader_epoch.0 };
        let endpoint = self.broker.metadata.endpoint(info.leader, &self.context.origin.listener);
        if let Some((host, port)) = endpoint
            && self.node_endpoints.iter().all(|known| known.node_id != info.leader.0)
        {
            self.node_endpoints.push(NodeEndpoint { node_id: info.leader.0, host: host.into(), port, rack: None });
        }
    }

    fn finish(self, session_id: i32) -> Reply {
        let response = FetchResponse {
            session_id,
            responses: self.responses,
            node_endpoints: self.node_endpoints,
            ..Default::default()
        };
        self.context.reply(&response, self.contents)
    }
}

fn shown(error: ErrorCode, api_version: i16) -> ErrorCode {
    match error {
        ErrorCode::KafkaStorageError if api_version <= 5 => ErrorCode::NotLeaderOrFollower,
        other => other,
    }
}
