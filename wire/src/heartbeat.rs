//! Heartbeat (key 12) keeps a member in its group.

use wire_derive::Message;

use crate::Str;

/// Says that a member is alive.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 12, versions = "0-4", flexible = "4+", response = HeartbeatResponse)]
pub struct HeartbeatRequest {
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
}

/// Answers [`HeartbeatRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 12, versions = "0-4", flexible = "4+")]
pub struct HeartbeatResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
