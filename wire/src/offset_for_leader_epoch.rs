//! OffsetForLeaderEpoch (key 23).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for OffsetForLeaderEpoch.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 23, versions = "0-4", flexible = "4+", response = OffsetForLeaderEpochResponse)]
pub struct OffsetForLeaderEpochRequest {
    /// The replica id.
    #[field(versions = "3+", default = "-2", ignorable)]
    pub replica_id: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetForLeaderTopic>,
}

/// One of `topics` of [`OffsetForLeaderEpochRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetForLeaderTopic {
    /// The topic.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetForLeaderPartition>,
}

/// One of `partitions` of [`OffsetForLeaderTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetForLeaderPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// The current leader epoch.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub current_leader_epoch: i32,
    /// The leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
}

/// Answers [`OffsetForLeaderEpochRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 23, versions = "0-4", flexible = "4+")]
pub struct OffsetForLeaderEpochResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

/// One of `topics` of [`OffsetForLeaderEpochResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetForLeaderTopicResult {
    /// The topic.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<EpochEndOffset>,
}

/// One of `partitions` of [`OffsetForLeaderTopicResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct EpochEndOffset {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// The leader epoch.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub leader_epoch: i32,
    /// The end offset.
    #[field(versions = "0+", default = "-1")]
    pub end_offset: i64,
}
