//! DescribeLogDirs (key 35).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeLogDirs.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 35, versions = "0-4", flexible = "2+", response = DescribeLogDirsResponse)]
pub struct DescribeLogDirsRequest {
    /// The topics.
    #[field(versions = "0+", nullable = "0+")]
    pub topics: Option<Vec<DescribableLogDirTopic>>,
}

/// One of `topics` of [`DescribeLogDirsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribableLogDirTopic {
    /// The topic.
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
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "3+", ignorable)]
    pub error_code: i16,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<DescribeLogDirsResult>,
}

/// One of `results` of [`DescribeLogDirsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeLogDirsResult {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The log dir.
    #[field(versions = "0+")]
    pub log_dir: Str,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeLogDirsTopic>,
    /// The total bytes.
    #[field(versions = "4+", default = "-1", ignorable)]
    pub total_bytes: i64,
    /// The usable bytes.
    #[field(versions = "4+", default = "-1", ignorable)]
    pub usable_bytes: i64,
}

/// One of `topics` of [`DescribeLogDirsResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeLogDirsTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DescribeLogDirsPartition>,
}

/// One of `partitions` of [`DescribeLogDirsTopic`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeLogDirsPartition {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The partition size.
    #[field(versions = "0+")]
    pub partition_size: i64,
    /// The offset lag.
    #[field(versions = "0+")]
    pub offset_lag: i64,
    /// The is future key.
    #[field(versions = "0+")]
    pub is_future_key: bool,
}
