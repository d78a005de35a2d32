//! JoinGroup (key 11).

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for JoinGroup.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 11, versions = "0-9", flexible = "6+", response = JoinGroupResponse)]
pub struct JoinGroupRequest {
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The session timeout, in milliseconds.
    #[field(versions = "0+")]
    pub session_timeout_ms: i32,
    /// The rebalance timeout, in milliseconds.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub rebalance_timeout_ms: i32,
    /// The member id.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The group instance id.
    #[field(versions = "5+", nullable = "5+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// The protocol type.
    #[field(versions = "0+")]
    pub protocol_type: Str,
    /// The protocols.
    #[field(versions = "0+")]
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// The reason.
    #[field(versions = "8+", nullable = "8+", default = "null", ignorable)]
    pub reason: Option<Str>,
}

/// One of `protocols` of [`JoinGroupRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct JoinGroupRequestProtocol {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The metadata.
    #[field(versions = "0+")]
    pub metadata: Bytes,
}

/// Answers [`JoinGroupRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 11, versions = "0-9", flexible = "6+")]
pub struct JoinGroupResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The generation id.
    #[field(versions = "0+", default = "-1")]
    pub generation_id: i32,
    /// The protocol type.
    #[field(versions = "7+", nullable = "7+", default = "null", ignorable)]
    pub protocol_type: Option<Str>,
    /// The protocol name.
    #[field(versions = "0+", nullable = "7+")]
    pub protocol_name: Option<Str>,
    /// The leader.
    #[field(versions = "0+")]
    pub leader: Str,
    /// The skip assignment.
    #[field(versions = "9+", default = "false")]
    pub skip_assignment: bool,
    /// The member id.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The members.
    #[field(versions = "0+")]
    pub members: Vec<JoinGroupResponseMember>,
}

/// One of `members` of [`JoinGroupResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct JoinGroupResponseMember {
    /// The member id.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The group instance id.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub group_instance_id: Option<Str>,
    /// The metadata.
    #[field(versions = "0+")]
    pub metadata: Bytes,
}
