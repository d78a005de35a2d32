//! ListOffsets (key 2).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for ListOffsets.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 2, versions = "0-9", flexible = "6+", response = ListOffsetsResponse)]
pub struct ListOffsetsRequest {
    /// The replica id.
    #[field(versions = "0+")]
    pub replica_id: i32,
    /// The isolation level.
    #[field(versions = "2+")]
    pub isolation_level: i8,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<ListOffsetsTopic>,
}

/// One of `topics` of [`ListOffsetsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListOffsetsTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ListOffsetsPartition>,
}

/// One of `partitions` of [`ListOffsetsTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListOffsetsPartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The current leader epoch.
    #[field(versions = "4+", default = "-1", ignorable)]
    pub current_leader_epoch: i32,
    /// The timestamp.
    #[field(versions = "0+")]
    pub timestamp: i64,
    /// The max num offsets.
    #[field(versions = "0", default = "1")]
    pub max_num_offsets: i32,
}

/// Answers [`ListOffsetsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 2, versions = "0-9", flexible = "6+")]
pub struct ListOffsetsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<ListOffsetsTopicResponse>,
}

/// One of `topics` of [`ListOffsetsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListOffsetsTopicResponse {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// One of `partitions` of [`ListOffsetsTopicResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListOffsetsPartitionResponse {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The old style offsets.
    #[field(versions = "0")]
    pub old_style_offsets: Vec<i64>,
    /// The timestamp.
    #[field(versions = "1+", default = "-1")]
    pub timestamp: i64,
    /// The offset.
    #[field(versions = "1+", default = "-1")]
    pub offset: i64,
    /// The leader epoch.
    #[field(versions = "4+", default = "-1")]
    pub leader_epoch: i32,
}
