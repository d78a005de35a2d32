//! SyncGroup (key 14).

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for SyncGroup.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 14, versions = "0-5", flexible = "4+", response = SyncGroupResponse)]
pub struct SyncGroupRequest {
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
    /// The protocol type.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub protocol_type: Option<Str>,
    /// The protocol name.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub protocol_name: Option<Str>,
    /// The assignments.
    #[field(versions = "0+")]
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

/// One of `assignments` of [`SyncGroupRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct SyncGroupRequestAssignment {
    /// The member id.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The assignment.
    #[field(versions = "0+")]
    pub assignment: Bytes,
}

/// Answers [`SyncGroupRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 14, versions = "0-5", flexible = "4+")]
pub struct SyncGroupResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The protocol type.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub protocol_type: Option<Str>,
    /// The protocol name.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub protocol_name: Option<Str>,
    /// The assignment.
    #[field(versions = "0+")]
    pub assignment: Bytes,
}
