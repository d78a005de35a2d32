//! A consumer after Java's: partitions by hand or through a group, records through [`Consumer::poll`].
//!
//! One caller owns a consumer. Fetches to all leaders are in flight between polls, one per leader; a partition is fetched
//! again only when all of its records have been handed out, which bounds memory. A position counts what was handed out,
//! and that is what is committed. Dropping a waiting `poll` loses nothing, except that a join under way starts again.

mod assignor;
mod group;
mod records;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{self, Instant};
use tracing::{debug, warn};
use wire::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use wire::{ApiKey, ErrorCode, Records, Str};
use zk_paths::ids::{BrokerId, LeaderEpoch, Offset, TopicPartition};

use crate::admin::{Admin, Isolation, OffsetSpec};
use crate::cluster::Cluster;
use crate::connection::Call;
use crate::error::{ClientError, Refusal};
use group::{GroupOptions, Membership};
use records::{Reading, unpack};

pub use records::ConsumerRecord;

/// Pause between looks for topics that were asked for and are not there yet.
const MISSING_TOPICS_PAUSE: Duration = Duration::from_secs(1);
/// Fetch carries topic ids instead of names from version 13 on.
const LAST_FETCH_BY_NAME: i16 = 12;

/// How a consumer works. The defaults are those of Java's.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// Needed to subscribe and to commit.
    pub group_id: Option<String>,
    /// Makes a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// Where to begin without a committed offset, or when the position is not in the log any more.
    pub reset: OffsetReset,
    /// Commits positions by itself while polling and at close.
    pub auto_commit: bool,
    /// Pause between these commits.
    pub auto_commit_interval: Duration,
    /// Silence after which the coordinator gives us up.
    pub session_timeout: Duration,
    /// Pause between heartbeats.
    pub heartbeat_interval: Duration,
    /// Time that members have to rejoin (`max.poll.interval.ms`).
    pub rebalance_timeout: Duration,
    /// Bytes that a fetch waits for.
    pub fetch_min_bytes: i32,
    /// Longest wait of a fetch.
    pub fetch_max_wait: Duration,
    /// Most bytes of one fetch.
    pub fetch_max_bytes: i32,
    /// Most bytes of one partition in a fetch.
    pub partition_max_bytes: i32,
    /// Most records of one poll.
    pub max_poll_records: usize,
    /// Which records of transactions are seen.
    pub isolation: Isolation,
    /// Checks the checksum of every batch.
    pub check_crcs: bool,
    /// Whether asking for a topic that is not there may create it.
    pub allow_auto_create_topics: bool,
    /// Age at which metadata is asked for again, to find new topics and partitions.
    pub metadata_max_age: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        ConsumerOptions {
            group_id: None,
            group_instance_id: None,
            reset: OffsetReset::Latest,
            auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(300),
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            fetch_max_bytes: 50 << 20,
            partition_max_bytes: 1 << 20,
            max_poll_records: 500,
            isolation: Isolation::ReadUncommitted,
            check_crcs: true,
            allow_auto_create_topics: true,
            metadata_max_age: Duration::from_secs(300),
        }
    }
}

/// `auto.offset.reset`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// The log's start.
    Earliest,
    /// The log's end.
    Latest,
    /// An error.
    None,
}

/// Where a partition that is assigned by hand begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The log's start.
    Earliest,
    /// The log's end.
    Latest,
    /// Here.
    At(Offset),
    /// The group's committed offset, else as [`ConsumerOptions::reset`] says.
    Committed,
}

/// Which topics a group member wants.
#[derive(Clone)]
pub enum Subscription {
    /// By name.
    Topics(Vec<String>),
    /// Those whose name fits; asked again whenever metadata is.
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subscription::Topics(topics) => write!(f, "Topics({topics:?})"),
            Subscription::Matching(_) => f.write_str("Matching(..)"),
        }
    }
}

/// A consumer.
#[derive(Debug)]
pub struct Consumer {
    admin: Admin,
    options: ConsumerOptions,
    group: Option<Membership>,
    subscription: Option<Subscribed>,
    partitions: BTreeMap<TopicPartition, Position>,
    leaders: HashMap<TopicPartition, BrokerId>,
    buffered: VecDeque<Buffered>,
    fetches: FuturesUnordered<BoxFuture<'static, Fetched>>,
    /// Leaders with a fetch in flight.
    asked: HashSet<BrokerId>,
    next_auto_commit: Instant,
    metadata_due: Instant,
}

#[derive(Debug)]
struct Subscribed {
    wanted: Subscription,
    /// The topics of the last join, with their partition counts.
    joined: BTreeMap<String, usize>,
}

/// Where a partition stands.
#[derive(Debug)]
struct Position {
    state: PositionState,
    /// Not before this time.
    retry_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PositionState {
    /// To be found out.
    Unknown(Start),
    /// The next record to hand out.
    At(Offset),
}

/// Fetched records that are not handed out yet.
#[derive(Debug)]
struct Buffered {
    partition: TopicPartition,
    records: VecDeque<ConsumerRecord>,
    next_offset: Offset,
}

/// What came of one fetch.
struct Fetched {
    leader: BrokerId,
    from: BTreeMap<TopicPartition, Offset>,
    result: Result<FetchResponse, ClientError>,
}

impl Consumer {
    /// A consumer without partitions: [`Consumer::assign`] or [`Consumer::subscribe`] next.
    pub fn new(cluster: Cluster, options: ConsumerOptions) -> Consumer {
        let group = options.group_id.as_ref().map(|group_id| {
            let options = GroupOptions {
                group_id: group_id.clone(),
                instance_id: options.group_instance_id.clone(),
                session_timeout: options.session_timeout,
                rebalance_timeout: options.rebalance_timeout,
                heartbeat_interval: options.heartbeat_interval,
            };
            Membership::new(cluster.clone(), options)
        });
        let now = Instant::now();
        Consumer {
            admin: Admin::new(cluster),
            group,
            subscription: None,
            partitions: BTreeMap::new(),
            leaders: HashMap::new(),
            buffered: VecDeque::new(),
            fetches: FuturesUnordered::new(),
            asked: HashSet::new(),
            next_auto_commit: now + options.auto_commit_interval,
            metadata_due: now + options.metadata_max_age,
            options,
        }
    }

    /// Takes these partitions, without a group's doing.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = (TopicPartition, Start)>) {
        self.subscription = None;
        self.replace_partitions(partitions.into_iter().collect());
    }

    /// Wants these topics; the group decides which partitions we get.
    pub fn subscribe(&mut self, wanted: Subscription) -> Result<(), ClientError> {
        if self.group.is_none() {
            let text = "To use the group management or offset commit APIs, you must provide a valid group.id in the \
                        consumer configuration.";
            return Err(ClientError::Invalid(text.to_owned()));
        }
        self.subscription = Some(Subscribed { wanted, joined: BTreeMap::new() });
        self.replace_partitions(BTreeMap::new());
        Ok(())
    }

    /// Partitions that are ours.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Goes on here; what was fetched of the partition is forgotten.
    pub fn seek(&mut self, partition: &TopicPartition, to: Start) {
        if let Some(position) = self.partitions.get_mut(partition) {
            *position = Position::new(to);
            self.buffered.retain(|buffered| buffered.partition != *partition);
        }
    }

    /// The next record's offset, when it is known.
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.partitions.get(partition).and_then(Position::offset)
    }

    /// The next records, as soon as there are any; none when there were none in time.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>, ClientError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.keep_membership().await?;
            self.auto_commit().await;
            if !self.buffered.is_empty() {
                return Ok(self.hand_out());
            }
            if let Err(error) = self.prepare_positions().await {
                if !error.is_retriable() {
                    return Err(error);
                }
                debug!(%error, "positions not known yet");
            }
            self.send_fetches().await;
            if !self.wait(deadline).await? {
                return Ok(Vec::new());
            }
        }
    }

    /// Commits the positions of all our partitions.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        let known = |(partition, position): (&TopicPartition, &Position)| Some((partition.clone(), position.offset()?));
        let offsets = self.partitions.iter().filter_map(known).collect();
        self.commit_offsets(&offsets).await
    }

    /// Commits these offsets: of each partition the next record to read.
    pub async fn commit_offsets(&mut self, offsets: &BTreeMap<TopicPartition, Offset>) -> Result<(), ClientError> {
        match &mut self.group {
            Some(group) => group.commit(offsets).await,
            None => Err(ClientError::Invalid("offsets can be committed in a group only".to_owned())),
        }
    }

    /// Commits, if that is automatic, and leaves the group.
    pub async fn close(mut self) -> Result<(), ClientError> {
        let committed = match (self.options.auto_commit, &self.group) {
            (true, Some(_)) => self.commit().await,
            _ => Ok(()),
        };
        if let (Some(group), Some(_)) = (&mut self.group, &self.subscription) {
            group.leave().await?;
        }
        committed
    }

    /// Joins when we are not a member, or when the topics have changed.
    async fn keep_membership(&mut self) -> Result<(), ClientError> {
        let Some(wanted) = self.subscription.as_ref().map(|subscribed| subscribed.wanted.clone()) else {
            return Ok(());
        };
        let is_member = self.group.as_ref().is_some_and(Membership::is_member);
        if is_member && Instant::now() < self.metadata_due {
            return Ok(());
        }
        let topics = self.find_topics(&wanted).await?;
        let complete = match &wanted {
            Subscription::Topics(names) => names.iter().all(|name| topics.contains_key(name)),
            Subscription::Matching(_) => true,
        };
        let age = self.options.metadata_max_age;
        self.metadata_due = Instant::now() + if complete { age } else { age.min(MISSING_TOPICS_PAUSE) };
        let unchanged = self.subscription.as_ref().is_some_and(|subscribed| subscribed.joined == topics);
        if is_member && unchanged {
            return Ok(());
        }
        if self.options.auto_commit && !self.partitions.is_empty() {
            self.commit_quietly().await;
        }
        let names: Vec<String> = match wanted {
            Subscription::Topics(names) => names,
            Subscription::Matching(_) => topics.keys().cloned().collect(),
        };
        let Some(group) = &mut self.group else { return Ok(()) };
        group.request_rejoin();
        let assigned = group.join(&names).await?;
        let assigned = assigned.into_iter().map(|partition| (partition, Start::Committed)).collect();
        self.replace_partitions(assigned);
        if let Some(subscribed) = &mut self.subscription {
            subscribed.joined = topics;
        }
        Ok(())
    }

    /// The wanted topics that exist, with their partition counts.
    async fn find_topics(&self, wanted: &Subscription) -> Result<BTreeMap<String, usize>, ClientError> {
        let cluster = self.admin.cluster();
        let metadata = match wanted {
            Subscription::Topics(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                cluster.metadata(Some(&names), self.options.allow_auto_create_topics).await?
            }
            Subscription::Matching(_) => cluster.metadata(None, false).await?,
        };
        let fits = |name: &str| match wanted {
            Subscription::Topics(_) => true,
            Subscription::Matching(fits) => fits(name),
        };
        let there = metadata.topics.iter().filter(|topic| topic.error_code == 0);
        let counted = there.filter_map(|topic| Some((topic.name.as_ref()?.as_str(), topic.partitions.len())));
        Ok(counted.filter(|(name, _)| fits(name)).map(|(name, count)| (name.to_owned(), count)).collect())
    }

    fn replace_partitions(&mut self, partitions: BTreeMap<TopicPartition, Start>) {
        let kept = |partition: &TopicPartition| partitions.contains_key(partition);
        self.buffered.retain(|buffered| kept(&buffered.partition));
        let mut old = std::mem::take(&mut self.partitions);
        for (partition, start) in partitions {
            // A partition that stays ours through a rebalance goes on where it was.
            let position = match (old.remove(&partition), start) {
                (Some(position), Start::Committed) => position,
                _ => Position::new(start),
            };
            self.partitions.insert(partition, position);
        }
        self.leaders.clear();
    }

    async fn auto_commit(&mut self) {
        if !self.options.auto_commit || self.group.is_none() || Instant::now() < self.next_auto_commit {
            return;
        }
        self.next_auto_commit = Instant::now() + self.options.auto_commit_interval;
        self.commit_quietly().await;
    }

    async fn commit_quietly(&mut self) {
        if let Err(error) = self.commit().await {
            warn!(%error, "automatic commit failed");
        }
    }

    /// Takes up to `max_poll_records` out of the buffer and moves positions behind them.
    fn hand_out(&mut self) -> Vec<ConsumerRecord> {
        let mut out = Vec::new();
        while out.len() < self.options.max_poll_records {
            let Some(first) = self.buffered.front_mut() else { break };
            let room = self.options.max_poll_records - out.len();
            let taken = room.min(first.records.len());
            out.extend(first.records.drain(..taken));
            let next = first.records.front().map_or(first.next_offset, |record| record.offset);
            if let Some(position) = self.partitions.get_mut(&first.partition) {
                position.state = PositionState::At(next);
            }
            if first.records.is_empty() {
                self.buffered.pop_front();
            }
        }
        out
    }

    /// Finds out where partitions begin that do not know it yet.
    async fn prepare_positions(&mut self) -> Result<(), ClientError> {
        self.take_committed().await?;
        let mut asked = BTreeMap::new();
        for (partition, position) in self.partitions.iter().filter(|(_, position)| position.is_due()) {
            let spec = match position.state {
                PositionState::At(_) => continue,
                PositionState::Unknown(Start::Earliest) => OffsetSpec::Earliest,
                PositionState::Unknown(Start::Latest) => OffsetSpec::Latest,
                PositionState::Unknown(_) => match self.options.reset {
                    OffsetReset::Earliest => OffsetSpec::Earliest,
                    OffsetReset::Latest => OffsetSpec::Latest,
                    OffsetReset::None => {
                        let text = format!("Undefined offset with no reset policy for partitions: [{partition}]");
                        return Err(ClientError::Invalid(text));
                    }
                },
            };
            asked.insert(partition.clone(), spec);
        }
        if asked.is_empty() {
            return Ok(());
        }
        for (partition, answer) in self.admin.list_offsets(&asked, self.options.isolation).await? {
            let Some(position) = self.partitions.get_mut(&partition) else { continue };
            match answer {
                Ok(listed) => position.state = PositionState::At(listed.offset),
                Err(refusal) if refusal.code.is_retriable() => position.wait(self.admin.cluster()),
                Err(refusal) => return Err(ClientError::Refused { api: ApiKey::ListOffsets, refusal }),
            }
        }
        Ok(())
    }

    /// Asks the group for the committed offsets that are wanted. What has none is reset next.
    async fn take_committed(&mut self) -> Result<(), ClientError> {
        let wants = |position: &Position| position.state == PositionState::Unknown(Start::Committed);
        let wanted: Vec<TopicPartition> = self
            .partitions
            .iter()
            .filter(|(_, position)| wants(position) && position.is_due())
            .map(|(partition, _)| partition.clone())
            .collect();
        let Some(group) = self.group.as_mut().filter(|_| !wanted.is_empty()) else { return Ok(()) };
        for (partition, offset) in group.committed(&wanted).await? {
            if let Some(position) = self.partitions.get_mut(&partition) {
                position.state = PositionState::At(offset);
            }
        }
        Ok(())
    }

    /// Sends a fetch to every leader that has none in flight and something to fetch.
    async fn send_fetches(&mut self) {
        if let Err(error) = self.find_leaders().await {
            debug!(%error, "leaders not known yet");
        }
        let buffered: BTreeSet<&TopicPartition> = self.buffered.iter().map(|buffered| &buffered.partition).collect();
        let mut by_leader: BTreeMap<BrokerId, BTreeMap<TopicPartition, Offset>> = BTreeMap::new();
        for (partition, position) in &self.partitions {
            let offset = position.offset().filter(|_| position.is_due() && !buffered.contains(partition));
            let leader = self.leaders.get(partition).filter(|leader| !self.asked.contains(leader));
            if let (Some(offset), Some(leader)) = (offset, leader) {
                by_leader.entry(*leader).or_default().insert(partition.clone(), offset);
            }
        }
        for (leader, from) in by_leader {
            self.asked.insert(leader);
            let (cluster, options) = (self.admin.cluster().clone(), self.options.clone());
            self.fetches.push(Box::pin(async move {
                let result = fetch(&cluster, &options, leader, &from).await;
                Fetched { leader, from, result }
            }));
        }
    }

    async fn find_leaders(&mut self) -> Result<(), ClientError> {
        let unknown = |(partition, position): &(&TopicPartition, &Position)| {
            !self.leaders.contains_key(*partition) && position.is_due()
        };
        let topics: BTreeSet<&str> =
            self.partitions.iter().filter(unknown).map(|(partition, _)| &*partition.topic).collect();
        if topics.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = topics.into_iter().collect();
        for (name, topic) in self.admin.describe_topics(&names).await? {
            let described = match topic {
                Ok(topic) => topic.partitions,
                Err(refusal) => {
                    debug!(topic = name, %refusal, "no metadata");
                    continue;
                }
            };
            for partition in described {
                if let Some(leader) = partition.leader {
                    self.leaders.insert(TopicPartition::new(name.as_str(), partition.partition), leader);
                }
            }
        }
        let cluster = self.admin.cluster().clone();
        for (partition, position) in &mut self.partitions {
            if !self.leaders.contains_key(partition) && position.is_due() {
                position.wait(&cluster);
            }
        }
        Ok(())
    }

    /// Waits for a fetch, the group, or a partition's turn; false when the time is up.
    async fn wait(&mut self, deadline: Instant) -> Result<bool, ClientError> {
        let standing = self.group.as_ref().filter(|_| self.subscription.is_some()).map(Membership::standing);
        let rejoin = async {
            match &standing {
                Some(standing) => standing.changed().await,
                None => std::future::pending().await,
            }
        };
        let due = self.partitions.values().filter_map(|position| position.retry_at).min();
        let wake = due.map_or(deadline, |due| due.min(deadline)).min(self.metadata_due.max(Instant::now()));
        tokio::select! {
            biased;
            Some(fetched) = self.fetches.next() => {
                self.take_fetched(fetched)?;
                Ok(true)
            }
            () = rejoin => Ok(true),
            () = time::sleep_until(wake) => {
                if self.subscription.is_none() && Instant::now() >= self.metadata_due {
                    self.metadata_due = Instant::now() + self.options.metadata_max_age;
                }
                for position in self.partitions.values_mut() {
                    position.retry_at = position.retry_at.filter(|at| *at > Instant::now());
                }
                Ok(Instant::now() < deadline)
            }
        }
    }

    fn take_fetched(&mut self, fetched: Fetched) -> Result<(), ClientError> {
        self.asked.remove(&fetched.leader);
        let response = match fetched.result {
            Ok(response) => response,
            Err(error) if error.is_retriable() => {
                debug!(%error, "fetch failed");
                for partition in fetched.from.keys() {
                    self.lost_leader(partition);
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        Refusal::check(response.error_code, None)
            .map_err(|refusal| ClientError::Refused { api: ApiKey::Fetch, refusal })?;
        for topic in response.responses {
            for data in topic.partitions {
                let partition = TopicPartition::new(topic.topic.as_str(), data.partition_index);
                let from = fetched.from.get(&partition).copied();
                // The partition is not ours any more, or somebody has called seek.
                if from.is_some() && self.position(&partition) == from {
                    self.take_partition(partition, from.unwrap_or(Offset::ZERO), data)?;
                }
            }
        }
        Ok(())
    }

    fn take_partition(
        &mut self,
        partition: TopicPartition,
        from: Offset,
        data: PartitionData,
    ) -> Result<(), ClientError> {
        match ErrorCode::from(data.error_code) {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                if self.options.reset == OffsetReset::None {
                    let text = format!("Fetch position {from} is out of range for partition {partition}");
                    return Err(ClientError::Invalid(text));
                }
                warn!(%partition, offset = %from, "position out of range, resetting");
                self.seek_by_reset(&partition);
                return Ok(());
            }
            code if code.is_retriable() || code == ErrorCode::UnknownServerError => {
                debug!(%partition, ?code, "fetch refused");
                self.lost_leader(&partition);
                return Ok(());
            }
            code => {
                let refusal = Refusal { code, message: None };
                return Err(ClientError::Refused { api: ApiKey::Fetch, refusal });
            }
        }
        let Records::Bytes(bytes) = data.records else { return Ok(()) };
        let aborted = data.aborted_transactions.unwrap_or_default();
        let reading = Reading { isolation: self.options.isolation, check_crcs: self.options.check_crcs };
        let unpacked = unpack(&partition, from, bytes, &aborted, reading).map_err(|error| {
            ClientError::Invalid(format!("cannot read the records of {partition} from offset {from} on: {error}"))
        })?;
        if unpacked.next_offset > from {
            let records = unpacked.records.into();
            self.buffered.push_back(Buffered { partition, records, next_offset: unpacked.next_offset });
        }
        Ok(())
    }

    /// Begins anew as the reset policy says.
    fn seek_by_reset(&mut self, partition: &TopicPartition) {
        let start = match self.options.reset {
            OffsetReset::Latest => Start::Latest,
            OffsetReset::Earliest | OffsetReset::None => Start::Earliest,
        };
        self.seek(partition, start);
    }

    /// Asks for the leader again, after a pause.
    fn lost_leader(&mut self, partition: &TopicPartition) {
        self.leaders.remove(partition);
        if let Some(position) = self.partitions.get_mut(partition) {
            position.wait(self.admin.cluster());
        }
    }
}

impl Position {
    fn new(start: Start) -> Position {
        let state = match start {
            Start::At(offset) => PositionState::At(offset),
            other => PositionState::Unknown(other),
        };
        Position { state, retry_at: None }
    }

    fn offset(&self) -> Option<Offset> {
        match self.state {
            PositionState::At(offset) => Some(offset),
            PositionState::Unknown(_) => None,
        }
    }

    fn is_due(&self) -> bool {
        self.retry_at.is_none_or(|at| at <= Instant::now())
    }

    fn wait(&mut self, cluster: &Cluster) {
        self.retry_at = Some(Instant::now() + cluster.options().retry_backoff);
    }
}

async fn fetch(
    cluster: &Cluster,
    options: &ConsumerOptions,
    leader: BrokerId,
    from: &BTreeMap<TopicPartition, Offset>,
) -> Result<FetchResponse, ClientError> {
    let connection = cluster.broker(leader).await?;
    let version = connection.version_of::<FetchRequest>(Some(LAST_FETCH_BY_NAME))?;
    let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
    for (partition, offset) in from {
        topics.entry(&partition.topic).or_default().push(FetchPartition {
            partition: partition.partition,
            current_leader_epoch: LeaderEpoch::NONE.0,
            fetch_offset: offset.0,
            partition_max_bytes: options.partition_max_bytes,
            ..FetchPartition::default()
        });
    }
    let topic = |(name, partitions)| FetchTopic { topic: Str::from(name), partitions, ..FetchTopic::default() };
    let request = FetchRequest {
        max_wait_ms: i32::try_from(options.fetch_max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: options.fetch_min_bytes,
        max_bytes: options.fetch_max_bytes,
        isolation_level: options.isolation.id(),
        topics: topics.into_iter().map(topic).collect(),
        cluster_id: None,
        ..FetchRequest::default()
    };
    let timeout = Some(cluster.options().connection.request_timeout + options.fetch_max_wait);
    connection.call_with(&request, Call { max_version: Some(version), timeout }).await
}

#[cfg(test)]
mod tests;
