//! AlterReplicaLogDirs (key 34) moves replicas between log directories.

use wire_derive::{Message, Struct};

use crate::Str;

/// Moves replicas to other log directories of the broker.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 34, versions = "0-2", flexible = "2+", response = AlterReplicaLogDirsResponse)]
pub struct AlterReplicaLogDirsRequest {
    /// One entry per target directory.
    #[field(versions = "0+")]
    pub dirs: Vec<AlterReplicaLogDir>,
}

/// A log directory and what to move into it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterReplicaLogDir {
    /// The log directory.
    #[field(versions = "0+")]
    pub path: Str,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<AlterReplicaLogDirTopic>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterReplicaLogDirTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}

/// Answers [`AlterReplicaLogDirsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 34, versions = "0-2", flexible = "2+")]
pub struct AlterReplicaLogDirsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<AlterReplicaLogDirTopicResult>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterReplicaLogDirTopicResult {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic_name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<AlterReplicaLogDirPartitionResult>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterReplicaLogDirPartitionResult {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
