//! TxnOffsetCommit (key 28) commits a group's offsets within a transaction.

use wire_derive::{Message, Struct};

use crate::Str;

/// Commits a group's offsets when the transaction commits.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 28, versions = "0-4", flexible = "3+", response = TxnOffsetCommitResponse)]
pub struct TxnOffsetCommitRequest {
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// The group's generation; -1 outside of generations.
    #[field(versions = "3+", default = "-1")]
    pub generation_id: i32,
    /// The member, as the coordinator named it; empty before that.
    #[field(versions = "3+")]
    pub member_id: Str,
    /// A static member's own id; null for a dynamic member.
    #[field(versions = "3+", nullable = "3+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<TxnOffsetCommitRequestTopic>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitRequestTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<TxnOffsetCommitRequestPartition>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitRequestPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The offset of the next record to consume.
    #[field(versions = "0+")]
    pub committed_offset: i64,
    /// The leader epoch of the last consumed record; -1 when unknown.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub committed_leader_epoch: i32,
    /// What the committer wants to remember with the offset.
    #[field(versions = "0+", nullable = "0+")]
    pub committed_metadata: Option<Str>,
}

/// Answers [`TxnOffsetCommitRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 28, versions = "0-4", flexible = "3+")]
pub struct TxnOffsetCommitResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<TxnOffsetCommitResponseTopic>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitResponseTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<TxnOffsetCommitResponsePartition>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitResponsePartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
