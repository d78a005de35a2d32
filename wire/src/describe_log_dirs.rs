//! DescribeLogDirs (key 35) describes log directories.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks what lies in the log directories.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 35, versions = "0-4", flexible = "2+", response = DescribeLogDirsResponse)]
pub struct DescribeLogDirsRequest {
    /// The topics wanted; null for all.
    #[field(versions = "0+", nullable = "0+")]
    pub topics: Option<Vec<DescribableLogDirTopic>>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribableLogDirTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}

/// Answers [`DescribeLogDirsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 35, versions = "0-4", flexible = "2+")]
pub struct DescribeLogDirsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "3+", ignorable)]
    pub error_code: i16,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<DescribeLogDirsResult>,
}

/// A log directory and the replicas in it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeLogDirsResult {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The log directory.
    #[field(versions = "0+")]
    pub log_dir: Str,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeLogDirsTopic>,
    /// The volume's size, in bytes; -1 when unknown.
    #[field(versions = "4+", default = "-1", ignorable)]
    pub total_bytes: i64,
    /// The volume's free space, in bytes; -1 when unknown.
    #[field(versions = "4+", default = "-1", ignorable)]
    pub usable_bytes: i64,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeLogDirsTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<DescribeLogDirsPartition>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeLogDirsPartition {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What the replica takes on disk, in bytes.
    #[field(versions = "0+")]
    pub partition_size: i64,
    /// How far the replica is behind: behind the high watermark, or, for a future replica, behind the current one.
    #[field(versions = "0+")]
    pub offset_lag: i64,
    /// Whether the replica is moving into this directory.
    #[field(versions = "0+")]
    pub is_future_key: bool,
}
