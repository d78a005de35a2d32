//! OffsetDelete (key 47).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for OffsetDelete.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 47, versions = "0", flexible = "none", response = OffsetDeleteResponse)]
pub struct OffsetDeleteRequest {
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

/// One of `topics` of [`OffsetDeleteRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetDeleteRequestTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

/// One of `partitions` of [`OffsetDeleteRequestTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetDeleteRequestPartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
}

/// Answers [`OffsetDeleteRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 47, versions = "0", flexible = "none")]
pub struct OffsetDeleteResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The throttle time, in milliseconds.
    #[field(versions = "0+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

/// One of `topics` of [`OffsetDeleteResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetDeleteResponseTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

/// One of `partitions` of [`OffsetDeleteResponseTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetDeleteResponsePartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
