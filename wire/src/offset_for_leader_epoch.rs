//! OffsetForLeaderEpoch (key 23) tells where leader epochs end.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks where leader epochs end, to find where logs diverge.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 23, versions = "0-4", flexible = "4+", response = OffsetForLeaderEpochResponse)]
pub struct OffsetForLeaderEpochRequest {
    /// The broker id of the follower that asks; -1 for a consumer.
    #[field(versions = "3+", default = "-2", ignorable)]
    pub replica_id: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetForLeaderTopic>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetForLeaderTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetForLeaderPartition>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetForLeaderPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// The leader epoch the sender knows, for fencing; -1 to skip the check.
    #[field(versions = "2+", default = "-1", ignorable)]
    pub current_leader_epoch: i32,
    /// The leader epoch whose end is wanted.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
}

/// Answers [`OffsetForLeaderEpochRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 23, versions = "0-4", flexible = "4+")]
pub struct OffsetForLeaderEpochResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OffsetForLeaderTopicResult {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<EpochEndOffset>,
}

/// A leader epoch and where it ends.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct EpochEndOffset {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// The partition's leader epoch; -1 when unknown.
    #[field(versions = "1+", default = "-1", ignorable)]
    pub leader_epoch: i32,
    /// The end offset of the leader epoch; -1 when unknown.
    #[field(versions = "0+", default = "-1")]
    pub end_offset: i64,
}
