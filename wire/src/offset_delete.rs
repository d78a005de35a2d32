//! OffsetDelete (key 47) deletes a group's committed offsets.

use wire_derive::{Message, Struct};

use crate::Str;

/// Deletes a group's committed offsets.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 47, versions = "0", flexible = "none", response = OffsetDeleteResponse)]
pub struct OffsetDeleteRequest {
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetDeleteRequestTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetDeleteRequestPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
}

/// Answers [`OffsetDeleteRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 47, versions = "0", flexible = "none")]
pub struct OffsetDeleteResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+", ignorable)]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetDeleteResponseTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetDeleteResponsePartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
