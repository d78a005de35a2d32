//! ListGroups (key 16) lists the groups a broker coordinates.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks which groups a broker coordinates.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 16, versions = "0-5", flexible = "3+", response = ListGroupsResponse)]
pub struct ListGroupsRequest {
    /// The states to list; empty for all.
    #[field(versions = "4+")]
    pub states_filter: Vec<Str>,
    /// The types to list; empty for all.
    #[field(versions = "5+")]
    pub types_filter: Vec<Str>,
}

/// Answers [`ListGroupsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 16, versions = "0-5", flexible = "3+")]
pub struct ListGroupsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// One entry per group.
    #[field(versions = "0+")]
    pub groups: Vec<ListedGroup>,
}

/// A group in a list.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListedGroup {
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The kind of group, `consumer` for consumers, empty for none.
    #[field(versions = "0+")]
    pub protocol_type: Str,
    /// The group's state, as Kafka spells it.
    #[field(versions = "4+", ignorable)]
    pub group_state: Str,
    /// The group's type, `classic` or `consumer`.
    #[field(versions = "5+", ignorable)]
    pub group_type: Str,
}
