//! Membership in a group, from the member's side: join, sync, heartbeat, leave, and the group's offsets.
//!
//! ```text
//! outside ──join, sync──▶ member ──REBALANCE_IN_PROGRESS──▶ must rejoin (keeps its member id)
//!    ▲                      │
//!    └── unknown member id, illegal generation: must rejoin as somebody new
//! ```
//! Heartbeats run in a task of their own; it only notes that a rejoin is due. Joins may wait long at the broker, and so
//! the coordinator is reached through a connection that fetches do not share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time;
use tracing::{debug, info};
use wire::consumer_protocol::{AssignedPartitions, ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use wire::heartbeat::HeartbeatRequest;
use wire::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use wire::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use wire::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use wire::{ApiKey, ErrorCode, Request, Str};
use zk_paths::ids::{Offset, TopicPartition};

use super::assignor::{self, Member};
use crate::cluster::{Cluster, CoordinatorKind};
use crate::connection::{Call, Connection};
use crate::error::{ClientError, Refusal};

const PROTOCOL_TYPE: Str = Str::from_static("consumer");
const RANGE: Str = Str::from_static("range");

/// How a member behaves.
#[derive(Debug, Clone)]
pub(super) struct GroupOptions {
    pub group_id: String,
    pub instance_id: Option<String>,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub heartbeat_interval: Duration,
}

/// One member.
#[derive(Debug)]
pub(super) struct Membership {
    cluster: Cluster,
    options: GroupOptions,
    coordinator: Option<Connection>,
    member_id: String,
    generation_id: i32,
    standing: Arc<Standing>,
    heartbeats: Option<AbortHandle>,
}

/// What the heartbeats found out.
#[derive(Debug, Default)]
pub(super) struct Standing {
    state: AtomicU8,
    changed: Notify,
}

const MEMBER: u8 = 1;
const REJOIN: u8 = 2;
const REJOIN_AS_NEW: u8 = 3;

impl Standing {
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::Release);
        self.changed.notify_one();
    }

    fn get(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    /// Waits until the heartbeats have found something out.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// What is to be done after a refusal.
enum Remedy {
    /// Join again with the same member id.
    Rejoin,
    /// Join again without one.
    RejoinAsNew,
    /// Find the coordinator, then again.
    FindCoordinator,
    /// Tell the caller.
    GiveUp,
}

fn remedy(code: ErrorCode) -> Remedy {
    match code {
        ErrorCode::RebalanceInProgress => Remedy::Rejoin,
        ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => Remedy::RejoinAsNew,
        ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress => {
            Remedy::FindCoordinator
        }
        _ => Remedy::GiveUp,
    }
}

impl Membership {
    pub fn new(cluster: Cluster, options: GroupOptions) -> Membership {
        Membership {
            cluster,
            options,
            coordinator: None,
            member_id: String::new(),
            generation_id: -1,
            standing: Arc::default(),
            heartbeats: None,
        }
    }

    /// Whether the partitions of the last join are still ours, as far as is known.
    pub fn is_member(&self) -> bool {
        self.standing.get() == MEMBER
    }

    /// What the heartbeats found out.
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.clone()
    }

    /// Asks for a rejoin: the topics have changed.
    pub fn request_rejoin(&self) {
        if self.is_member() {
            self.standing.set(REJOIN);
        }
    }

    /// Joins the group and answers what is ours. Waits as long as the other members need.
    pub async fn join(&mut self, topics: &[String]) -> Result<Vec<TopicPartition>, ClientError> {
        self.stop_heartbeats();
        if self.standing.get() == REJOIN_AS_NEW {
            self.forget_member();
        }
        loop {
            let error = match self.join_once(topics).await {
                Ok(assigned) => {
                    self.start_heartbeats();
                    return Ok(assigned);
                }
                Err(error) => error,
            };
            match error.code().map_or(Remedy::GiveUp, remedy) {
                Remedy::Rejoin => {}
                Remedy::RejoinAsNew => self.forget_member(),
                Remedy::FindCoordinator => self.coordinator = None,
                Remedy::GiveUp if error.code() == Some(ErrorCode::MemberIdRequired) => continue,
                Remedy::GiveUp if error.is_retriable() => self.coordinator = None,
                Remedy::GiveUp => return Err(error),
            }
            debug!(group = self.options.group_id, %error, "joining again");
            time::sleep(self.cluster.options().retry_backoff).await;
        }
    }

    /// Leaves, so that the others need not wait for the session to end. Static members stay.
    pub async fn leave(&mut self) -> Result<(), ClientError> {
        self.stop_heartbeats();
        if self.member_id.is_empty() || self.options.instance_id.is_some() {
            return Ok(());
        }
        let connection = self.coordinator().await?;
        let batched = connection.version_of::<LeaveGroupRequest>(None)? >= 3;
        let member = MemberIdentity {
            member_id: Str::from(&self.member_id),
            group_instance_id: None,
            reason: Some(Str::from_static("the consumer is being closed")),
        };
        let request = LeaveGroupRequest {
            group_id: self.group_id(),
            member_id: if batched { Str::default() } else { Str::from(&self.member_id) },
            members: if batched { vec![member] } else { Vec::new() },
        };
        let response = connection.call(&request).await?;
        self.forget_member();
        check::<LeaveGroupRequest>(response.error_code)
    }

    /// Commits where to go on.
    pub async fn commit(&mut self, offsets: &BTreeMap<TopicPartition, Offset>) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let request = OffsetCommitRequest {
            group_id: self.group_id(),
            generation_id_or_member_epoch: self.generation_id,
            member_id: Str::from(&self.member_id),
            group_instance_id: self.instance_id(),
            topics: commit_topics(offsets),
            ..OffsetCommitRequest::default()
        };
        let mut attempts = 10;
        loop {
            attempts -= 1;
            let error = match self.commit_once(&request).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match error.code().map_or(Remedy::GiveUp, remedy) {
                Remedy::Rejoin => self.standing.set(REJOIN),
                Remedy::RejoinAsNew => self.standing.set(REJOIN_AS_NEW),
                _ if error.is_retriable() && attempts > 0 => {
                    self.coordinator = None;
                    time::sleep(self.cluster.options().retry_backoff).await;
                    continue;
                }
                Remedy::FindCoordinator | Remedy::GiveUp => {}
            }
            return Err(error);
        }
    }

    async fn commit_once(&mut self, request: &OffsetCommitRequest) -> Result<(), ClientError> {
        let response = self.coordinator().await?.call(request).await?;
        let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.try_for_each(|partition| check::<OffsetCommitRequest>(partition.error_code))
    }

    /// Committed offsets of those partitions that have one.
    pub async fn committed(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, ClientError> {
        let timeout = self.cluster.options().api_timeout;
        let deadline = time::Instant::now() + timeout;
        loop {
            let error = match self.committed_once(partitions).await {
                Ok(found) => return Ok(found),
                Err(error) if !error.is_retriable() => return Err(error),
                Err(error) => error,
            };
            if time::Instant::now() >= deadline {
                return Err(ClientError::GaveUp { what: "OffsetFetch".to_owned(), timeout, last: error.to_string() });
            }
            self.coordinator = None;
            time::sleep(self.cluster.options().retry_backoff).await;
        }
    }

    async fn committed_once(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, ClientError> {
        let connection = self.coordinator().await?;
        // Version 8 asks for many groups at once; one is all that is needed here.
        let version = connection.version_of::<OffsetFetchRequest>(Some(7))?;
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            topics.entry(&partition.topic).or_default().push(partition.partition);
        }
        let topic = |(name, partition_indexes)| OffsetFetchRequestTopic { name: Str::from(name), partition_indexes };
        let request = OffsetFetchRequest {
            group_id: self.group_id(),
            topics: Some(topics.into_iter().map(topic).collect()),
            require_stable: version >= 7,
            ..OffsetFetchRequest::default()
        };
        let response = connection.call_at(version, &request, None).await?;
        check::<OffsetFetchRequest>(response.error_code)?;
        let mut found = BTreeMap::new();
        for topic in &response.topics {
            for partition in &topic.partitions {
                check::<OffsetFetchRequest>(partition.error_code)?;
                if partition.committed_offset >= 0 {
                    let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                    found.insert(key, Offset(partition.committed_offset));
                }
            }
        }
        Ok(found)
    }

    async fn join_once(&mut self, topics: &[String]) -> Result<Vec<TopicPartition>, ClientError> {
        let joined = self.send_join(topics).await?;
        self.generation_id = joined.generation_id;
        let leads = joined.leader.as_str() == self.member_id;
        let assignments = if leads && !joined.skip_assignment { self.assign(&joined).await? } else { Vec::new() };
        let request = SyncGroupRequest {
            group_id: self.group_id(),
            generation_id: self.generation_id,
            member_id: Str::from(&self.member_id),
            group_instance_id: self.instance_id(),
            protocol_type: Some(PROTOCOL_TYPE),
            protocol_name: Some(RANGE),
            assignments,
        };
        let call = self.patient();
        let response = self.coordinator().await?.call_with(&request, call).await?;
        check::<SyncGroupRequest>(response.error_code)?;
        info!(group = self.options.group_id, generation = self.generation_id, leader = leads, "joined");
        if response.assignment.is_empty() {
            return Ok(Vec::new());
        }
        let assignment = ConsumerProtocolAssignment::from_assignment(&response.assignment).map_err(|source| {
            ClientError::Decode { broker: "group leader".to_owned(), api: ApiKey::SyncGroup, source }
        })?;
        let partitions = |topic: AssignedPartitions| {
            let name: zk_paths::ids::TopicName = topic.topic.into();
            topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
        };
        Ok(assignment.assigned_partitions.into_iter().flat_map(partitions).collect())
    }

    async fn send_join(&mut self, topics: &[String]) -> Result<JoinGroupResponse, ClientError> {
        let subscription = ConsumerProtocolSubscription {
            topics: topics.iter().map(Str::from).collect(),
            ..ConsumerProtocolSubscription::default()
        };
        let metadata = subscription.to_metadata(1).map_err(|source| ClientError::Encode {
            broker: "group".to_owned(),
            api: ApiKey::JoinGroup,
            source,
        })?;
        let request = JoinGroupRequest {
            group_id: self.group_id(),
            session_timeout_ms: millis(self.options.session_timeout),
            rebalance_timeout_ms: millis(self.options.rebalance_timeout),
            member_id: Str::from(&self.member_id),
            group_instance_id: self.instance_id(),
            protocol_type: PROTOCOL_TYPE,
            protocols: vec![JoinGroupRequestProtocol { name: RANGE, metadata }],
            reason: None,
        };
        let call = self.patient();
        let response = self.coordinator().await?.call_with(&request, call).await?;
        // With MEMBER_ID_REQUIRED comes the id to join with (KIP-394).
        let code = ErrorCode::from(response.error_code);
        if matches!(code, ErrorCode::None | ErrorCode::MemberIdRequired) {
            self.member_id = response.member_id.as_str().to_owned();
        }
        check::<JoinGroupRequest>(response.error_code)?;
        Ok(response)
    }

    /// As the group's leader: deals the partitions of all topics that members want.
    async fn assign(&self, joined: &JoinGroupResponse) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut members = Vec::new();
        for member in &joined.members {
            let subscription = ConsumerProtocolSubscription::from_metadata(&member.metadata).map_err(|source| {
                ClientError::Decode { broker: "group member".to_owned(), api: ApiKey::JoinGroup, source }
            })?;
            members.push(Member {
                id: member.member_id.as_str().to_owned(),
                instance_id: member.group_instance_id.as_ref().map(|id| id.as_str().to_owned()),
                topics: subscription.topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
            });
        }
        let mut names: Vec<&str> = members.iter().flat_map(|member| member.topics.iter().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        let metadata = self.cluster.metadata(Some(&names), false).await?;
        let known = metadata.topics.iter().filter(|topic| topic.error_code == 0);
        let partitions = known
            .filter_map(|topic| {
                Some((topic.name.as_ref()?.as_str().to_owned(), i32::try_from(topic.partitions.len()).ok()?))
            })
            .collect();
        assignor::range(&members, &partitions).into_iter().map(assignment).collect()
    }

    async fn coordinator(&mut self) -> Result<Connection, ClientError> {
        if let Some(connection) = self.coordinator.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let node = self.cluster.coordinator(CoordinatorKind::Group, &self.options.group_id).await?;
        let connection = self.cluster.dedicated(node.id).await?;
        self.coordinator = Some(connection.clone());
        Ok(connection)
    }

    fn start_heartbeats(&mut self) {
        self.standing.set(MEMBER);
        let Some(connection) = self.coordinator.clone() else { return };
        let request = HeartbeatRequest {
            group_id: self.group_id(),
            generation_id: self.generation_id,
            member_id: Str::from(&self.member_id),
            group_instance_id: self.instance_id(),
        };
        let heartbeat = Heartbeat {
            cluster: self.cluster.clone(),
            connection,
            request,
            interval: self.options.heartbeat_interval,
            session_timeout: self.options.session_timeout,
            standing: self.standing.clone(),
        };
        self.heartbeats = Some(tokio::spawn(heartbeat.run()).abort_handle());
    }

    fn stop_heartbeats(&mut self) {
        if let Some(heartbeats) = self.heartbeats.take() {
            heartbeats.abort();
        }
    }

    fn forget_member(&mut self) {
        self.member_id.clear();
        self.generation_id = -1;
    }

    fn group_id(&self) -> Str {
        Str::from(&self.options.group_id)
    }

    fn instance_id(&self) -> Option<Str> {
        self.options.instance_id.as_ref().map(Str::from)
    }

    /// Joins wait for all members, for as long as they may take.
    fn patient(&self) -> Call {
        let longest = self.options.rebalance_timeout.max(self.options.session_timeout);
        Call { max_version: None, timeout: Some(longest + Duration::from_secs(5)) }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.stop_heartbeats();
    }
}

/// Tells the coordinator that we are there.
struct Heartbeat {
    cluster: Cluster,
    connection: Connection,
    request: HeartbeatRequest,
    interval: Duration,
    session_timeout: Duration,
    standing: Arc<Standing>,
}

impl Heartbeat {
    async fn run(mut self) {
        let mut last_answer = time::Instant::now();
        loop {
            time::sleep(self.interval).await;
            match self.beat().await {
                Ok(()) => last_answer = time::Instant::now(),
                Err(error) => match error.code().map_or(Remedy::FindCoordinator, remedy) {
                    // Keep the session alive until the consumer comes round to joining again.
                    Remedy::Rejoin => {
                        last_answer = time::Instant::now();
                        self.standing.set(REJOIN);
                    }
                    Remedy::RejoinAsNew | Remedy::GiveUp => return self.standing.set(REJOIN_AS_NEW),
                    Remedy::FindCoordinator => self.reconnect().await,
                },
            }
            if last_answer.elapsed() > self.session_timeout {
                return self.standing.set(REJOIN_AS_NEW);
            }
        }
    }

    async fn beat(&self) -> Result<(), ClientError> {
        let call = Call { max_version: None, timeout: Some(self.session_timeout) };
        let response = self.connection.call_with(&self.request, call).await?;
        check::<HeartbeatRequest>(response.error_code)
    }

    async fn reconnect(&mut self) {
        let node = self.cluster.coordinator(CoordinatorKind::Group, self.request.group_id.as_str()).await;
        if let Ok(node) = node
            && let Ok(connection) = self.cluster.dedicated(node.id).await
        {
            self.connection = connection;
        }
    }
}

fn check<R: Request>(error_code: i16) -> Result<(), ClientError> {
    Refusal::check(error_code, None).map_err(|refusal| ClientError::Refused { api: R::KEY, refusal })
}

fn assignment(
    (member_id, partitions): (String, Vec<TopicPartition>),
) -> Result<SyncGroupRequestAssignment, ClientError> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in &partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topic = |(name, partitions)| AssignedPartitions { topic: Str::from(name), partitions };
    let assigned =
        ConsumerProtocolAssignment { assigned_partitions: topics.into_iter().map(topic).collect(), user_data: None };
    let assignment = assigned.to_assignment(1).map_err(|source| ClientError::Encode {
        broker: "group".to_owned(),
        api: ApiKey::SyncGroup,
        source,
    })?;
    Ok(SyncGroupRequestAssignment { member_id: member_id.into(), assignment })
}

fn commit_topics(offsets: &BTreeMap<TopicPartition, Offset>) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (partition, offset) in offsets {
        topics.entry(&partition.topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: offset.0,
            committed_metadata: Some(Str::default()),
            ..OffsetCommitRequestPartition::default()
        });
    }
    let topic = |(name, partitions)| OffsetCommitRequestTopic { name: Str::from(name), partitions };
    topics.into_iter().map(topic).collect()
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
