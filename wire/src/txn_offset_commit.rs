//! TxnOffsetCommit (key 28).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for TxnOffsetCommit.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 28, versions = "0-4", flexible = "3+", response = TxnOffsetCommitResponse)]
pub struct TxnOffsetCommitRequest {
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// The generation id.
    #[field(versions = "3+", default = "-1")]
    pub generation_id: i32,
    /// The member id.
    #[field(versions = "3+")]
    pub member_id: Str,
    /// The group instance id.
    #[field(versions = "3+", nullable = "3+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<TxnOffsetCommitRequestTopic>,
}

/// One of `topics` of [`TxnOffsetCommitRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitRequestTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<TxnOffsetCommitRequestPartition>,
}

/// One of `partitions` of [`TxnOffsetCommitRequestTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitRequestPartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The committed offset.
    #[field(versions = "0+")]
    pub committed_offset: i64,
    /// The committed leader epoch.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub committed_leader_epoch: i32,
    /// The committed metadata.
    #[field(versions = "0+", nullable = "0+")]
    pub committed_metadata: Option<Str>,
}

/// Answers [`TxnOffsetCommitRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 28, versions = "0-4", flexible = "3+")]
pub struct TxnOffsetCommitResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<TxnOffsetCommitResponseTopic>,
}

/// One of `topics` of [`TxnOffsetCommitResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitResponseTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<TxnOffsetCommitResponsePartition>,
}

/// One of `partitions` of [`TxnOffsetCommitResponseTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitResponsePartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
