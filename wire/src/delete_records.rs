//! DeleteRecords (key 21).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DeleteRecords.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 21, versions = "0-2", flexible = "2+", response = DeleteRecordsResponse)]
pub struct DeleteRecordsRequest {
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<DeleteRecordsTopic>,
    /// The timeout, in milliseconds.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
}

/// One of `topics` of [`DeleteRecordsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteRecordsTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DeleteRecordsPartition>,
}

/// One of `partitions` of [`DeleteRecordsTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteRecordsPartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The offset.
    #[field(versions = "0+")]
    pub offset: i64,
}

/// Answers [`DeleteRecordsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 21, versions = "0-2", flexible = "2+")]
pub struct DeleteRecordsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<DeleteRecordsTopicResult>,
}

/// One of `topics` of [`DeleteRecordsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteRecordsTopicResult {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DeleteRecordsPartitionResult>,
}

/// One of `partitions` of [`DeleteRecordsTopicResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteRecordsPartitionResult {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The low watermark.
    #[field(versions = "0+")]
    pub low_watermark: i64,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
