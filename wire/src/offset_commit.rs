//! OffsetCommit (key 8) commits a group's offsets.
//! Version 0 commits to ZooKeeper.

use wire_derive::{Message, Struct};

use crate::Str;

/// Commits a group's offsets.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 8, versions = "0-9", flexible = "8+", response = OffsetCommitResponse)]
pub struct OffsetCommitRequest {
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The group's generation, or the member's epoch; -1 outside of both.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub generation_id_or_member_epoch: i32,
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "1+", ignorable)]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "7+", nullable = "7+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// How long to keep the offset, in milliseconds; -1 for the broker's setting.
    #[field(versions = "2-4", default = "-1", ignorable)]
    pub retention_time_ms: i64,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetCommitRequestTopic>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetCommitRequestTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetCommitRequestPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The offset of the next record to consume.
    #[field(versions = "0+")]
    pub committed_offset: i64,
    /// The leader epoch of the last consumed record; -1 when unknown.
    #[field(versions = "6+", default = "-1", ignorable)]
    pub committed_leader_epoch: i32,
    /// When the offset was committed, in milliseconds since 1970; -1 for now.
    #[field(versions = "1", default = "-1")]
    pub commit_timestamp: i64,
    /// What the committer wants to remember with the offset.
    #[field(versions = "0+", nullable = "0+")]
    pub committed_metadata: Option<Str>,
}

/// Answers [`OffsetCommitRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 8, versions = "0-9", flexible = "8+")]
pub struct OffsetCommitResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetCommitResponseTopic>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetCommitResponseTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetCommitResponsePartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
