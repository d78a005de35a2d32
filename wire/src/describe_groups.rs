//! DescribeGroups (key 15).

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeGroups.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 15, versions = "0-5", flexible = "5+", response = DescribeGroupsResponse)]
pub struct DescribeGroupsRequest {
    /// The groups.
    #[field(versions = "0+")]
    pub groups: Vec<Str>,
    /// The include authorized operations.
    #[field(versions = "3+")]
    pub include_authorized_operations: bool,
}

/// Answers [`DescribeGroupsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 15, versions = "0-5", flexible = "5+")]
pub struct DescribeGroupsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The groups.
    #[field(versions = "0+")]
    pub groups: Vec<DescribedGroup>,
}

/// One of `groups` of [`DescribeGroupsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedGroup {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The group state.
    #[field(versions = "0+")]
    pub group_state: Str,
    /// The protocol type.
    #[field(versions = "0+")]
    pub protocol_type: Str,
    /// The protocol data.
    #[field(versions = "0+")]
    pub protocol_data: Str,
    /// The members.
    #[field(versions = "0+")]
    pub members: Vec<DescribedGroupMember>,
    /// The authorized operations.
    #[field(versions = "3+", default = "-2147483648")]
    pub authorized_operations: i32,
}

/// One of `members` of [`DescribedGroup`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedGroupMember {
    /// The member id.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// The group instance id.
    #[field(versions = "4+", nullable = "4+", default = "null", ignorable)]
    pub group_instance_id: Option<Str>,
    /// The client id.
    #[field(versions = "0+")]
    pub client_id: Str,
    /// The client host.
    #[field(versions = "0+")]
    pub client_host: Str,
    /// The member metadata.
    #[field(versions = "0+")]
    pub member_metadata: Bytes,
    /// The member assignment.
    #[field(versions = "0+")]
    pub member_assignment: Bytes,
}
