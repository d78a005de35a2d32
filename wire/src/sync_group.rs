//! SyncGroup (key 14) hands in and fetches a rebalance's assignment.

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Hands in (the leader) or fetches (all others) the assignment.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 14, versions = "0-5", flexible = "4+", response = SyncGroupResponse)]
pub struct SyncGroupRequest {
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The group's generation; -1 outside of generations.
    #[field(versions = "0+")]
    pub generation_id: i32,
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "3+", nullable = "3+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// The kind of group, `consumer` for consumers.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub protocol_type: Option<Str>,
    /// The protocol the group chose; null or empty when it has none.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub protocol_name: Option<Str>,
    /// One entry per assignment.
    #[field(versions = "0+")]
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

/// What one member is assigned.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct SyncGroupRequestAssignment {
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// What the member is assigned, opaque to the broker.
    #[field(versions = "0+")]
    pub assignment: Bytes,
}

/// Answers [`SyncGroupRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 14, versions = "0-5", flexible = "4+")]
pub struct SyncGroupResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The kind of group, `consumer` for consumers.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub protocol_type: Option<Str>,
    /// The protocol the group chose; null or empty when it has none.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub protocol_name: Option<Str>,
    /// What the member is assigned, opaque to the broker.
    #[field(versions = "0+")]
    pub assignment: Bytes,
}
