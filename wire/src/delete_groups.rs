//! DeleteGroups (key 42).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DeleteGroups.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 42, versions = "0-2", flexible = "2+", response = DeleteGroupsResponse)]
pub struct DeleteGroupsRequest {
    /// The groups names.
    #[field(versions = "0+")]
    pub groups_names: Vec<Str>,
}

/// Answers [`DeleteGroupsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 42, versions = "0-2", flexible = "2+")]
pub struct DeleteGroupsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<DeletableGroupResult>,
}

/// One of `results` of [`DeleteGroupsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeletableGroupResult {
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
