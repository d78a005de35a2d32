//! What the coordinator writes to its partition of `__consumer_offsets`, as values. Their bytes are `group/records.rs`.

use bytes::Bytes;
use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

use super::{GroupId, MemberId, Text};

/// One record of the offsets topic. No value is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A group's offset in one partition.
    OffsetCommit {
        /// The group.
        group: GroupId,
        /// The partition that was read.
        partition: TopicPartition,
        /// How far.
        value: Option<OffsetValue>,
    },
    /// A settled generation of a group, with the assignment of each member; without members, an empty group.
    GroupMetadata {
        /// The group.
        group: GroupId,
        /// The generation.
        value: Option<GroupValue>,
    },
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetValue {
    /// The next offset that the group wants to read.
    pub offset: Offset,
    /// Of the last record consumed; `LeaderEpoch::NONE` when the consumer did not say.
    pub leader_epoch: LeaderEpoch,
    /// Text that the consumer left with it.
    pub metadata: Text,
    /// When, milliseconds since 1970.
    pub commit_timestamp_ms: i64,
    /// When it shall expire, if the consumer said so (OffsetCommit 2 to 4).
    pub expire_timestamp_ms: Option<i64>,
}

/// A generation of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupValue {
    /// `consumer`, `connect` …; empty when nobody ever joined.
    pub protocol_type: Text,
    /// Counts the rebalances.
    pub generation_id: i32,
    /// The protocol that the members agreed on.
    pub protocol: Option<Text>,
    /// The member that computed the assignment.
    pub leader: Option<MemberId>,
    /// Since when the group is in its state, milliseconds since 1970; not in the oldest values.
    pub state_since_ms: Option<i64>,
    /// The members.
    pub members: Vec<MemberValue>,
}

/// A member of a stored generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberValue {
    /// Its id.
    pub member_id: MemberId,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<Text>,
    /// `client.id`.
    pub client_id: Text,
    /// The client's address, as Java prints it: `/127.0.0.1`.
    pub client_host: Text,
    /// How long a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// Its metadata for the chosen protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}
