//! DescribeGroups (key 15) describes groups and their members.

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for the state of groups.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 15, versions = "0-5", flexible = "5+", response = DescribeGroupsResponse)]
pub struct DescribeGroupsRequest {
    /// One entry per group.
    #[field(versions = "0+")]
    pub groups: Vec<Str>,
    /// Whether to answer what the client may do to each group.
    #[field(versions = "3+")]
    pub include_authorized_operations: bool,
}

/// Answers [`DescribeGroupsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 15, versions = "0-5", flexible = "5+")]
pub struct DescribeGroupsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// One entry per group.
    #[field(versions = "0+")]
    pub groups: Vec<DescribedGroup>,
}

/// A group as the coordinator sees it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedGroup {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The group's state, as Kafka spells it.
    #[field(versions = "0+")]
    pub group_state: Str,
    /// The kind of group, `consumer` for consumers, empty for none.
    #[field(versions = "0+")]
    pub protocol_type: Str,
    /// The protocol the group chose.
    #[field(versions = "0+")]
    pub protocol_data: Str,
    /// One entry per member.
    #[field(versions = "0+")]
    pub members: Vec<DescribedGroupMember>,
    /// Bit field of what the client may do to the group; the minimum when not asked.
    #[field(versions = "3+", default = "-2147483648")]
    pub authorized_operations: i32,
}

/// A member of a described group.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedGroupMember {
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "0+")]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "4+", nullable = "4+", default = "null", ignorable)]
    pub group_instance_id: Option<Str>,
    /// The member's client id.
    #[field(versions = "0+")]
    pub client_id: Str,
    /// The member's address, with a slash in front.
    #[field(versions = "0+")]
    pub client_host: Str,
    /// The member's subscription, opaque to the broker.
    #[field(versions = "0+")]
    pub member_metadata: Bytes,
    /// What the member is assigned, opaque to the broker.
    #[field(versions = "0+")]
    pub member_assignment: Bytes,
}
