//! What the coordinator answers.

use bytes::Bytes;
use zk_paths::ids::TopicPartition;

use super::offsets::Outcomes;
use super::{MemberId, Text};

/// Why a request was refused. The names are Kafka's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The answer could not be made durable, or the group is being deleted: ask again.
    #[error("the coordinator cannot do it now")]
    CoordinatorNotAvailable,
    /// The partition of this group is still being read.
    #[error("the coordinator is still loading")]
    CoordinatorLoadInProgress,
    /// The group belongs to another broker.
    #[error("this broker does not coordinate the group")]
    NotCoordinator,
    /// Empty where a name is needed.
    #[error("the group id is not valid")]
    InvalidGroupId,
    /// Outside of `group.min.session.timeout.ms` … `group.max.session.timeout.ms`.
    #[error("the session timeout is not within the broker's bounds")]
    InvalidSessionTimeout,
    /// Nobody of that id.
    #[error("the member is not known")]
    UnknownMemberId,
    /// The generation is over, or never was.
    #[error("the generation is not the current one")]
    IllegalGeneration,
    /// No protocol that all members can do.
    #[error("the protocols do not fit the group's")]
    InconsistentGroupProtocol,
    /// Members are joining.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// Join again with the id that came with this.
    #[error("the member must join with the id it was given")]
    MemberIdRequired,
    /// `group.max.size` is reached.
    #[error("the group is full")]
    GroupMaxSizeReached,
    /// Another member came with the same `group.instance.id`.
    #[error("the instance id belongs to another member now")]
    FencedInstanceId,
    /// No such group.
    #[error("the group does not exist")]
    GroupIdNotFound,
    /// It has members.
    #[error("the group has members")]
    NonEmptyGroup,
    /// Members read the topic.
    #[error("the group reads the topic")]
    GroupSubscribedToTopic,
    /// Longer than `offset.metadata.max.bytes`.
    #[error("the offset's metadata is too large")]
    OffsetMetadataTooLarge,
    /// The commit does not fit into a record batch.
    #[error("the commit is too large")]
    InvalidCommitOffsetSize,
    /// The replicas did not confirm in time.
    #[error("the replicas did not confirm in time")]
    RequestTimedOut,
    /// Something that should not be.
    #[error("the coordinator failed")]
    UnknownServerError,
}

/// Why an append was not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendFailure {
    /// The offsets topic has no such partition here.
    #[error("the partition is not known")]
    UnknownTopicOrPartition,
    /// Fewer in-sync replicas than `min.insync.replicas`, before or after the append.
    #[error("too few replicas are in sync")]
    NotEnoughReplicas,
    /// Somebody else leads the partition.
    #[error("this broker does not lead the partition")]
    NotLeaderOrFollower,
    /// Its directory is offline.
    #[error("the log directory failed")]
    KafkaStorageError,
    /// The replicas did not confirm within `offsets.commit.timeout.ms`.
    #[error("the replicas did not confirm in time")]
    RequestTimedOut,
    /// Larger than `max.message.bytes` or the segment.
    #[error("the batch is larger than the topic allows")]
    MessageTooLarge,
    /// Anything else.
    #[error("the append failed")]
    Unknown,
}

impl AppendFailure {
    /// What a committing client hears (`GroupMetadataManager.maybeConvertOffsetCommitError`); the others hear the same
    /// but for time-outs and sizes.
    pub fn for_commit(self) -> Refusal {
        match self {
            AppendFailure::UnknownTopicOrPartition | AppendFailure::NotEnoughReplicas => {
                Refusal::CoordinatorNotAvailable
            }
            AppendFailure::NotLeaderOrFollower | AppendFailure::KafkaStorageError => Refusal::NotCoordinator,
            AppendFailure::RequestTimedOut => Refusal::RequestTimedOut,
            AppendFailure::MessageTooLarge => Refusal::InvalidCommitOffsetSize,
            AppendFailure::Unknown => Refusal::UnknownServerError,
        }
    }

    /// What members hear whose generation could not be stored (`GroupMetadataManager.storeGroup`).
    pub fn for_generation(self) -> Refusal {
        match self {
            AppendFailure::RequestTimedOut => Refusal::RebalanceInProgress,
            AppendFailure::MessageTooLarge => Refusal::UnknownServerError,
            other => other.for_commit(),
        }
    }
}

/// An answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To JoinGroup.
    Join(JoinReply),
    /// To SyncGroup.
    Sync(Result<Assigned, Refusal>),
    /// To Heartbeat.
    Heartbeat(Result<(), Refusal>),
    /// To LeaveGroup: one outcome per leaving member, in their order.
    Leave(Result<Vec<Result<(), Refusal>>, Refusal>),
    /// To OffsetCommit: one outcome per partition.
    Commit(Outcomes),
    /// To DeleteGroups.
    DeleteGroup(Result<(), Refusal>),
    /// To OffsetDelete: the group's error, or one outcome per partition.
    DeleteOffsets(Result<Outcomes, Refusal>),
}

/// The answer to JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinReply {
    /// Why not.
    pub refusal: Option<Refusal>,
    /// The member's id; with MEMBER_ID_REQUIRED its new one.
    pub member_id: MemberId,
    /// The generation; -1 when refused.
    pub generation_id: i32,
    /// `consumer`, `connect` …
    pub protocol_type: Option<Text>,
    /// The chosen protocol.
    pub protocol: Option<Text>,
    /// The member that computes the assignment; empty when refused.
    pub leader: MemberId,
    /// The leader shall leave the assignment as it is (JoinGroup 9).
    pub skip_assignment: bool,
    /// All members; for the leader only.
    pub members: Vec<JoinedMember>,
}

impl JoinReply {
    /// A refusal.
    pub fn refused(member_id: impl Into<MemberId>, refusal: Refusal) -> JoinReply {
        JoinReply {
            refusal: Some(refusal),
            member_id: member_id.into(),
            generation_id: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

/// A member, as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: MemberId,
    /// `group.instance.id`.
    pub group_instance_id: Option<Text>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// What a member is to do in this generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// `consumer`, `connect` …
    pub protocol_type: Option<Text>,
    /// The chosen protocol.
    pub protocol: Option<Text>,
    /// What the leader gave it; opaque.
    pub assignment: Bytes,
}

/// A group as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The state's name.
    pub state: &'static str,
    /// `consumer`, `connect` …, or empty.
    pub protocol_type: Text,
    /// The chosen protocol, of a stable group.
    pub protocol: Text,
    /// The members; metadata and assignment only of a stable group.
    pub members: Vec<DescribedMember>,
}

/// A member as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: MemberId,
    /// `group.instance.id`.
    pub group_instance_id: Option<Text>,
    /// `client.id`.
    pub client_id: Text,
    /// Where it came from.
    pub client_host: Text,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

/// A committed offset, as OffsetFetch answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Nothing committed.
    None,
    /// A commit is on its way, and the client wants stable ones only: ask again.
    Unstable,
    /// This.
    Offset(super::record::OffsetValue),
}

/// Offsets by partition, in the order in which they were asked for.
pub type FetchedOffsets = Vec<(TopicPartition, Fetched)>;
