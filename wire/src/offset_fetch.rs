//! OffsetFetch (key 9) reads groups' committed offsets.
//! One group up to version 7, many from 8 on.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for committed offsets.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 9, versions = "0-9", flexible = "6+", response = OffsetFetchResponse)]
pub struct OffsetFetchRequest {
    /// The group.
    #[field(versions = "0-7")]
    pub group_id: Str,
    /// The topics wanted; null for all.
    #[field(versions = "0-7", nullable = "2-7")]
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    /// One entry per group.
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// Whether offsets of open transactions are an error instead of left out.
    #[field(versions = "7+", default = "false")]
    pub require_stable: bool,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestTopic {
    /// The topic's name.
    #[field(versions = "0-7")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0-7")]
    pub partition_indexes: Vec<i32>,
}

/// A group whose offsets are wanted.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestGroup {
    /// The group.
    #[field(versions = "8+")]
    pub group_id: Str,
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "9+", nullable = "9+", default = "null", ignorable)]
    pub member_id: Option<Str>,
    /// The member's epoch in the new group protocol.
    #[field(versions = "9+", default = "-1", ignorable)]
    pub member_epoch: i32,
    /// The topics wanted; null for all.
    #[field(versions = "8+", nullable = "8+")]
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestTopics {
    /// The topic's name.
    #[field(versions = "8+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "8+")]
    pub partition_indexes: Vec<i32>,
}

/// Answers [`OffsetFetchRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 9, versions = "0-9", flexible = "6+")]
pub struct OffsetFetchResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0-7")]
    pub topics: Vec<OffsetFetchResponseTopic>,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "2-7", default = "0", ignorable)]
    pub error_code: i16,
    /// One entry per group.
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchResponseGroup>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponseTopic {
    /// The topic's name.
    #[field(versions = "0-7")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0-7")]
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartition {
    /// The partition.
    #[field(versions = "0-7")]
    pub partition_index: i32,
    /// The committed offset; -1 when there is none.
    #[field(versions = "0-7")]
    pub committed_offset: i64,
    /// The leader epoch of the last consumed record; -1 when unknown.
    #[field(versions = "5-7", default = "-1", ignorable)]
    pub committed_leader_epoch: i32,
    /// What was committed with the offset.
    #[field(versions = "0-7", nullable = "0-7")]
    pub metadata: Option<Str>,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0-7")]
    pub error_code: i16,
}

/// The offsets of one group.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponseGroup {
    /// The group.
    #[field(versions = "8+")]
    pub group_id: Str,
    /// One entry per topic.
    #[field(versions = "8+")]
    pub topics: Vec<OffsetFetchResponseTopics>,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "8+", default = "0")]
    pub error_code: i16,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponseTopics {
    /// The topic's name.
    #[field(versions = "8+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "8+")]
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartitions {
    /// The partition.
    #[field(versions = "8+")]
    pub partition_index: i32,
    /// The committed offset; -1 when there is none.
    #[field(versions = "8+")]
    pub committed_offset: i64,
    /// The leader epoch of the last consumed record; -1 when unknown.
    #[field(versions = "8+", default = "-1", ignorable)]
    pub committed_leader_epoch: i32,
    /// What was committed with the offset.
    #[field(versions = "8+", nullable = "8+")]
    pub metadata: Option<Str>,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "8+")]
    pub error_code: i16,
}
