//! ListOffsets (key 2) finds offsets by timestamp.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for offsets by timestamp.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 2, versions = "0-9", flexible = "6+", response = ListOffsetsResponse)]
pub struct ListOffsetsRequest {
    /// The broker id of the follower that asks; -1 for a consumer.
    #[field(versions = "0+")]
    pub replica_id: i32,
    /// 0 reads uncommitted records too, 1 only committed ones.
    #[field(versions = "2+")]
    pub isolation_level: i8,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<ListOffsetsTopic>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListOffsetsTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<ListOffsetsPartition>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListOffsetsPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The leader epoch the sender knows, for fencing; -1 to skip the check.
    #[field(versions = "4+", default = "-1", ignorable)]
    pub current_leader_epoch: i32,
    /// Milliseconds since 1970; -1 latest, -2 earliest, -3 the highest timestamp, -4 earliest local, -5 latest in remote storage.
    #[field(versions = "0+")]
    pub timestamp: i64,
    /// How many segment offsets to answer.
    #[field(versions = "0", default = "1")]
    pub max_num_offsets: i32,
}

/// Answers [`ListOffsetsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 2, versions = "0-9", flexible = "6+")]
pub struct ListOffsetsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<ListOffsetsTopicResponse>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListOffsetsTopicResponse {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ListOffsetsPartitionResponse {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// Segment offsets, newest first.
    #[field(versions = "0")]
    pub old_style_offsets: Vec<i64>,
    /// The timestamp of the record found, in milliseconds since 1970; -1 when there is none.
    #[field(versions = "1+", default = "-1")]
    pub timestamp: i64,
    /// The offset found; -1 when there is none.
    #[field(versions = "1+", default = "-1")]
    pub offset: i64,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "4+", default = "-1")]
    pub leader_epoch: i32,
}
