//! DeleteGroups (key 42) deletes empty groups.

use wire_derive::{Message, Struct};

use crate::Str;

/// Deletes empty groups.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 42, versions = "0-2", flexible = "2+", response = DeleteGroupsResponse)]
pub struct DeleteGroupsRequest {
    /// The groups.
    #[field(versions = "0+")]
    pub groups_names: Vec<Str>,
}

/// Answers [`DeleteGroupsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 42, versions = "0-2", flexible = "2+")]
pub struct DeleteGroupsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<DeletableGroupResult>,
}

/// How deleting one group went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeletableGroupResult {
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
