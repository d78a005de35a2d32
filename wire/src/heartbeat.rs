//! Heartbeat (key 12).

use wire_derive::Message;

use crate::Str;

/// Asks for Heartbeat.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 12, versions = "0-4", flexible = "4+", response = HeartbeatResponse)]
pub struct HeartbeatRequest {
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The generation id.
    #[field(versions = "0+")]
    pub generation_id: i32,
    /// The member id.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The group instance id.
    #[field(versions = "3+", nullable = "3+", default = "null")]
    pub group_instance_id: Option<Str>,
}

/// Answers [`HeartbeatRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 12, versions = "0-4", flexible = "4+")]
pub struct HeartbeatResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
