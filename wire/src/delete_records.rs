//! DeleteRecords (key 21) deletes the oldest records of partitions.

use wire_derive::{Message, Struct};

use crate::Str;

/// Moves the log start offset of partitions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 21, versions = "0-2", flexible = "2+", response = DeleteRecordsResponse)]
pub struct DeleteRecordsRequest {
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<DeleteRecordsTopic>,
    /// How long the broker may take, in milliseconds.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteRecordsTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<DeleteRecordsPartition>,
}

/// A partition of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteRecordsPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Deletes what lies below; -1 for everything below the high watermark.
    #[field(versions = "0+")]
    pub offset: i64,
}

/// Answers [`DeleteRecordsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 21, versions = "0-2", flexible = "2+")]
pub struct DeleteRecordsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<DeleteRecordsTopicResult>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteRecordsTopicResult {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<DeleteRecordsPartitionResult>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteRecordsPartitionResult {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The first offset of the log after the deletion.
    #[field(versions = "0+")]
    pub low_watermark: i64,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
