//! ListGroups (key 16).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for ListGroups.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 16, versions = "0-5", flexible = "3+", response = ListGroupsResponse)]
pub struct ListGroupsRequest {
    /// The states filter.
    #[field(versions = "4+")]
    pub states_filter: Vec<Str>,
    /// The types filter.
    #[field(versions = "5+")]
    pub types_filter: Vec<Str>,
}

/// Answers [`ListGroupsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 16, versions = "0-5", flexible = "3+")]
pub struct ListGroupsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The groups.
    #[field(versions = "0+")]
    pub groups: Vec<ListedGroup>,
}

/// One of `groups` of [`ListGroupsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListedGroup {
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The protocol type.
    #[field(versions = "0+")]
    pub protocol_type: Str,
    /// The group state.
    #[field(versions = "4+", ignorable)]
    pub group_state: Str,
    /// The group type.
    #[field(versions = "5+", ignorable)]
    pub group_type: Str,
}
