//! JoinGroup (key 11) joins a group and waits for the rebalance.

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Joins a group.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 11, versions = "0-9", flexible = "6+", response = JoinGroupResponse)]
pub struct JoinGroupRequest {
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// After how long without heartbeat the member is dropped, in milliseconds.
    #[field(versions = "0+")]
    pub session_timeout_ms: i32,
    /// How long the group waits for the member to join a rebalance, in milliseconds.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub rebalance_timeout_ms: i32,
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "5+", nullable = "5+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// The kind of group, `consumer` for consumers.
    #[field(versions = "0+")]
    pub protocol_type: Str,
    /// The protocols the member can follow, the preferred one first.
    #[field(versions = "0+")]
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// Why, for people; null when nothing was said.
    #[field(versions = "8+", nullable = "8+", default = "null", ignorable)]
    pub reason: Option<Str>,
}

/// A protocol a member can follow.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct JoinGroupRequestProtocol {
    /// The protocol's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The member's subscription, opaque to the broker.
    #[field(versions = "0+")]
    pub metadata: Bytes,
}

/// Answers [`JoinGroupRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 11, versions = "0-9", flexible = "6+")]
pub struct JoinGroupResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The group's generation; -1 outside of generations.
    #[field(versions = "0+", default = "-1")]
    pub generation_id: i32,
    /// The kind of group, `consumer` for consumers.
    #[field(versions = "7+", nullable = "7+", default = "null", ignorable)]
    pub protocol_type: Option<Str>,
    /// The protocol the group chose; null or empty when it has none.
    #[field(versions = "0+", nullable = "7+")]
    pub protocol_name: Option<Str>,
    /// The member that computes the assignment.
    #[field(versions = "0+")]
    pub leader: Str,
    /// Whether the leader must not compute an assignment: a static leader came back (KIP-814).
    #[field(versions = "9+", default = "false")]
    pub skip_assignment: bool,
    /// The id of the member that asked.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// All members, for the leader only.
    #[field(versions = "0+")]
    pub members: Vec<JoinGroupResponseMember>,
}

/// A member, as the leader gets to see it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct JoinGroupResponseMember {
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub group_instance_id: Option<Str>,
    /// The member's subscription, opaque to the broker.
    #[field(versions = "0+")]
    pub metadata: Bytes,
}
