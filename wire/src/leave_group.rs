//! LeaveGroup (key 13).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for LeaveGroup.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 13, versions = "0-5", flexible = "4+", response = LeaveGroupResponse)]
pub struct LeaveGroupRequest {
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The member id.
    #[field(versions = "0-2")]
    pub member_id: Str,
    /// The members.
    #[field(versions = "3+")]
    pub members: Vec<MemberIdentity>,
}

/// One of `members` of [`LeaveGroupRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MemberIdentity {
    /// The member id.
    #[field(versions = "3+")]
    pub member_id: Str,
    /// The group instance id.
    #[field(versions = "3+", nullable = "3+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// The reason.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub reason: Option<Str>,
}

/// Answers [`LeaveGroupRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 13, versions = "0-5", flexible = "4+")]
pub struct LeaveGroupResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The members.
    #[field(versions = "3+")]
    pub members: Vec<MemberResponse>,
}

/// One of `members` of [`LeaveGroupResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MemberResponse {
    /// The member id.
    #[field(versions = "3+")]
    pub member_id: Str,
    /// The group instance id.
    #[field(versions = "3+", nullable = "3+")]
    pub group_instance_id: Option<Str>,
    /// The error code.
    #[field(versions = "3+")]
    pub error_code: i16,
}
