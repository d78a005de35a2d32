//! OffsetCommit (key 8).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for OffsetCommit.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 8, versions = "0-9", flexible = "8+", response = OffsetCommitResponse)]
pub struct OffsetCommitRequest {
    /// The group id.
    #[field(versions = "0+")]
    pub group_id: Str,
    /// The generation id or member epoch.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub generation_id_or_member_epoch: i32,
    /// The member id.
    #[field(versions = "1+", ignorable)]
    pub member_id: Str,
    /// The group instance id.
    #[field(versions = "7+", nullable = "7+", default = "null")]
    pub group_instance_id: Option<Str>,
    /// The retention time, in milliseconds.
    #[field(versions = "2-4", default = "-1", ignorable)]
    pub retention_time_ms: i64,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetCommitRequestTopic>,
}

/// One of `topics` of [`OffsetCommitRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetCommitRequestTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

/// One of `partitions` of [`OffsetCommitRequestTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetCommitRequestPartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The committed offset.
    #[field(versions = "0+")]
    pub committed_offset: i64,
    /// The committed leader epoch.
    #[field(versions = "6+", default = "-1", ignorable)]
    pub committed_leader_epoch: i32,
    /// The commit timestamp.
    #[field(versions = "1", default = "-1")]
    pub commit_timestamp: i64,
    /// The committed metadata.
    #[field(versions = "0+", nullable = "0+")]
    pub committed_metadata: Option<Str>,
}

/// Answers [`OffsetCommitRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 8, versions = "0-9", flexible = "8+")]
pub struct OffsetCommitResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetCommitResponseTopic>,
}

/// One of `topics` of [`OffsetCommitResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetCommitResponseTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

/// One of `partitions` of [`OffsetCommitResponseTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetCommitResponsePartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
