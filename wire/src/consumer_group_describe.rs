//! ConsumerGroupDescribe (key 69) describes groups of the new protocol.
//! Refused in ZooKeeper mode.

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Asks for the state of groups of the new protocol (KIP-848).
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 69, versions = "0", flexible = "0+", response = ConsumerGroupDescribeResponse)]
pub struct ConsumerGroupDescribeRequest {
    /// The groups.
    #[field(versions = "0+")]
    pub group_ids: Vec<Str>,
    /// Whether to answer what the client may do to each group.
    #[field(versions = "0+")]
    pub include_authorized_operations: bool,
}

/// Answers [`ConsumerGroupDescribeRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 69, versions = "0", flexible = "0+")]
pub struct ConsumerGroupDescribeResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per group.
    #[field(versions = "0+")]
    pub groups: Vec<DescribedGroup>,
}

/// A group as the coordinator sees it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedGroup {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The group's state, as Kafka spells it.
    #[field(versions = "0+")]
    pub group_state: Str,
    /// The group's epoch.
    #[field(versions = "0+")]
    pub group_epoch: i32,
    /// The epoch of the target assignment.
    #[field(versions = "0+")]
    pub assignment_epoch: i32,
    /// The assignor in use.
    #[field(versions = "0+")]
    pub assignor_name: Str,
    /// One entry per member.
    #[field(versions = "0+")]
    pub members: Vec<Member>,
    /// Bit field of what the client may do to the group; the minimum when not asked.
    #[field(versions = "0+", default = "-2147483648")]
    pub authorized_operations: i32,
}

/// A member of a described group.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct Member {
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub instance_id: Option<Str>,
    /// The rack of the consumer; empty or null when it has none.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub rack_id: Option<Str>,
    /// The member's epoch in the new group protocol.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// The member's client id.
    #[field(versions = "0+")]
    pub client_id: Str,
    /// The member's address, with a slash in front.
    #[field(versions = "0+")]
    pub client_host: Str,
    /// The names the member subscribes to.
    #[field(versions = "0+")]
    pub subscribed_topic_names: Vec<Str>,
    /// The expression the member subscribes to; null for none.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub subscribed_topic_regex: Option<Str>,
    /// What the member owns.
    #[field(versions = "0+")]
    pub assignment: Assignment,
    /// What the member is to own.
    #[field(versions = "0+")]
    pub target_assignment: Assignment,
}

/// What a member owns.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct Assignment {
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topic_partitions: Vec<TopicPartitions>,
}

/// Partitions of one topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicPartitions {
    /// The topic's id; zero when unknown.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic_name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}
