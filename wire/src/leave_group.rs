//! LeaveGroup (key 13) takes members out of their group.
//! One member up to version 2, many from 3 on.

use wire_derive::{Message, Struct};

use crate::Str;

/// Takes members out of a group.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 13, versions = "0-5", flexible = "4+", response = LeaveGroupResponse)]
pub struct LeaveGroupRequest {
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0-2")]
    pub member_id: Str,
    /// The members that leave.
    #[field(versions = "3+")]
    pub members: Vec<MemberIdentity>,
}

/// A member that leaves.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MemberIdentity {
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "3+")]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "3+", nullable = "3+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// Why, for people; null when nothing was said.
    #[field(versions = "5+", nullable = "5+", default = "null", ignorable)]
    pub reason: Option<Str>,
}

/// Answers [`LeaveGroupRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 13, versions = "0-5", flexible = "4+")]
pub struct LeaveGroupResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// One entry per member.
    #[field(versions = "3+")]
    pub members: Vec<MemberResponse>,
}

/// How the leaving of one member went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct MemberResponse {
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "3+")]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "3+", nullable = "3+")]
    pub group_instance_id: Option<Str>,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "3+")]
    pub error_code: i16,
}
