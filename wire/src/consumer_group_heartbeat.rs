//! ConsumerGroupHeartbeat (key 68) joins and keeps membership in the new group protocol.
//! Refused in ZooKeeper mode.

use wire_derive::{Message, Struct};

use crate::{Str, Uuid};

/// Joins, stays in or leaves a group of the new protocol (KIP-848).
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 68, versions = "0", flexible = "0+", response = ConsumerGroupHeartbeatResponse)]
pub struct ConsumerGroupHeartbeatRequest {
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The member's epoch in the new group protocol.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub instance_id: Option<Str>,
    /// The rack; null when it did not change.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub rack_id: Option<Str>,
    /// How long the group waits for the member to join a rebalance, in milliseconds.
    #[field(versions = "0+", default = "-1")]
    pub rebalance_timeout_ms: i32,
    /// The names subscribed to; null when they did not change.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub subscribed_topic_names: Option<Vec<Str>>,
    /// The assignor the member wants; null to leave it.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub server_assignor: Option<Str>,
    /// What the member owns; null when it did not change.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub topic_partitions: Option<Vec<RequestTopicPartitions>>,
}

/// Partitions of one topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestTopicPartitions {
    /// The topic's id; zero when unknown.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}

/// Answers [`ConsumerGroupHeartbeatRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 68, versions = "0", flexible = "0+")]
pub struct ConsumerGroupHeartbeatResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub member_id: Option<Str>,
    /// The member's epoch in the new group protocol.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// How often to send a heartbeat, in milliseconds.
    #[field(versions = "0+")]
    pub heartbeat_interval_ms: i32,
    /// What the member owns now; null when it did not change.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub assignment: Option<Assignment>,
}

/// What a member owns.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct Assignment {
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topic_partitions: Vec<ResponseTopicPartitions>,
}

/// Partitions of one topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponseTopicPartitions {
    /// The topic's id; zero when unknown.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}
